//! `upgrade_by`, with the feature `policy`: written once for all adapters, as the other methods are.

/// Needs `PlainStream`, `TlsStream` and `Opportunistic` in scope. `$wait` is `.await` where the upgrade is a future.
#[doc(hidden)]
#[macro_export]
macro_rules! policy_methods {
    (
        PlainStream<IO $(, $timer:ident: $bound:ident)?>, over ($($io:tt)*),
        ($($async:ident)?) ($($wait:tt)*)
    ) => {
        impl<IO: $($io)* $(, $timer: $bound)?> PlainStream<IO $(, $timer)?> {
            /// Upgrades as a policy demands: to TLS with the peer that it names, or not at all where it does not ask for TLS, or where it allows plaintext and
            /// the peer declines. The report says what was required, offered and done, and why.
            ///
            /// Where the connection is lost, plaintext can still be what the policy allows on another one; nothing here decides that.
            ///
            /// # Errors
            /// As [`upgrade`](Self::upgrade), with the report;
            /// [`Misuse::Configuration`](crate::starttls_core::Misuse::Configuration) if the policy lacks what its decision needs.
            pub $($async)? fn upgrade_by<N>(
                self,
                policy: &$crate::starttls_policy::Policy,
                negotiator: N,
            ) -> Result<
                $crate::starttls_policy::Upgraded<TlsStream<IO $(, $timer)?>, Self>,
                $crate::starttls_policy::Failed<$crate::Error>,
            >
            where
                N: $crate::starttls_core::Negotiator<Tls = $crate::rustls::ClientConnection>,
            {
                use $crate::starttls_policy::{Failed, Upgraded};

                let (connection, attempt) = policy
                    .attempt()
                    .map_err(|error| Failed::new(error.into(), None))?;
                let Some(connection) = connection else {
                    return Ok(Upgraded::Plaintext(self, attempt.plaintext(None)));
                };
                match self.upgrade_opportunistically(negotiator, connection)$($wait)* {
                    Ok(Opportunistic::Tls(tls)) => {
                        let report = attempt.secured(tls.connection());
                        Ok(Upgraded::Tls(tls, report))
                    }
                    Ok(Opportunistic::Declined { plain, reason })
                        if attempt.allows_plaintext() =>
                    {
                        let report = attempt.plaintext(Some(&reason));
                        Ok(Upgraded::Plaintext(plain, report))
                    }
                    Ok(Opportunistic::Declined { reason, .. }) => {
                        let report = attempt.failed(Some(&reason));
                        Err(Failed::new(reason.into(), Some(report)))
                    }
                    Err(error) => {
                        let report = attempt.failed(error.protocol());
                        Err(Failed::new(error, Some(report)))
                    }
                }
            }
        }
    };
}
