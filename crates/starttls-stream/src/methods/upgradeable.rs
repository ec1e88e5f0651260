/// What a function gives that may be a future.
#[doc(hidden)]
#[macro_export]
macro_rules! output {
    (async $output:ty) => { impl Future<Output = $output> };
    (blocking $output:ty) => { $output };
}

/// The body of such a function.
#[doc(hidden)]
#[macro_export]
macro_rules! block {
    (async $block:block) => { async move $block };
    (blocking $block:block) => { $block };
}

/// The methods of an `UpgradeableStream` over [`InPlace`](crate::adapter::InPlace). `$wait` is `.await` and `$kind` is `async` where the others are futures.
#[doc(hidden)]
#[macro_export]
macro_rules! upgradeable_stream_methods {
    (
        $stream:ident<IO $(, $timer:ident: $bound:ident)?>, over ($($io:tt)*),
        $kind:ident ($($wait:tt)*)
    ) => {
        impl<IO $(, $timer: $bound)?> From<PlainStream<IO $(, $timer)?>>
            for $stream<IO $(, $timer)?>
        {
            fn from(plain: PlainStream<IO $(, $timer)?>) -> Self {
                Self {
                    state: $crate::adapter::InPlace::new(plain),
                }
            }
        }

        impl<IO $(, $timer: $bound)?> From<TlsStream<IO $(, $timer)?>>
            for $stream<IO $(, $timer)?>
        {
            fn from(tls: TlsStream<IO $(, $timer)?>) -> Self {
                Self {
                    state: $crate::adapter::InPlace::tls(tls),
                }
            }
        }

        impl<IO $(, $timer: $bound)?> $stream<IO $(, $timer)?> {
            /// A connection in its plaintext phase. To set limits and deadlines, make it [from](From) a [`PlainStream`].
            pub fn new(io: IO) -> Self {
                PlainStream::new(io).into()
            }

            /// The TLS stream, if it is one now: what was negotiated, who the peer is.
            pub fn tls(&self) -> Option<&TlsStream<IO $(, $timer)?>> {
                match &self.state {
                    $crate::adapter::InPlace::Tls(tls) => Some(tls),
                    _ => None,
                }
            }

            /// The TLS stream, if it is one now, to be used as one.
            pub fn tls_mut(&mut self) -> Option<&mut TlsStream<IO $(, $timer)?>> {
                match &mut self.state {
                    $crate::adapter::InPlace::Tls(tls) => Some(tls),
                    _ => None,
                }
            }

            /// The plaintext stream, if it is one now.
            pub fn plain(&self) -> Option<&PlainStream<IO $(, $timer)?>> {
                match &self.state {
                    $crate::adapter::InPlace::Plain(plain) => Some(plain),
                    _ => None,
                }
            }

            /// The plaintext stream, if it is one now, to be used as one.
            pub fn plain_mut(&mut self) -> Option<&mut PlainStream<IO $(, $timer)?>> {
                match &mut self.state {
                    $crate::adapter::InPlace::Plain(plain) => Some(plain),
                    _ => None,
                }
            }

            /// The plaintext stream by itself.
            ///
            /// # Errors
            /// [`Misuse::Finished`](crate::starttls_core::Misuse::Finished) if it is TLS now; why it has ended.
            pub fn into_plain(mut self) -> Result<PlainStream<IO $(, $timer)?>, $crate::Error> {
                self.state.take_plain()
            }

            /// The TLS stream by itself, for instance to be split.
            ///
            /// # Errors
            /// [`Misuse::Finished`](crate::starttls_core::Misuse::Finished) if it is plaintext now; why it has ended.
            pub fn into_tls(mut self) -> Result<TlsStream<IO $(, $timer)?>, $crate::Error> {
                self.state.take_tls()
            }

            /// The transport, to look at; `None` after a failed upgrade.
            pub fn get_ref(&self) -> Option<&IO> {
                match &self.state {
                    $crate::adapter::InPlace::Plain(plain) => Some(plain.get_ref()),
                    $crate::adapter::InPlace::Tls(tls) => Some(tls.get_ref()),
                    $crate::adapter::InPlace::Ended(_) => None,
                }
            }
        }

        impl<IO: $($io)* $(, $timer: $bound)?> $stream<IO $(, $timer)?> {
            /// As [`PlainStream::start_tls`]. If it is abandoned half-done, the connection is closed and every use of the stream an error.
            ///
            /// # Errors
            /// As [`PlainStream::start_tls`]; [`Misuse::Finished`](crate::starttls_core::Misuse::Finished) if it is TLS already.
            pub fn start_tls(
                &mut self,
                connection: impl Into<$crate::rustls::Connection>,
            ) -> $crate::output!($kind Result<(), $crate::Error>) {
                let connection: Box<$crate::rustls::Connection> = Box::new(connection.into());
                $crate::block!($kind {
                let result = self.state.take_plain()?.start_tls(*connection)$($wait)*;
                self.state.settle_tls(result)
                })
            }

            /// As [`PlainStream::start_tls_with_unread`], and otherwise as [`start_tls`](Self::start_tls).
            ///
            /// # Errors
            /// As [`start_tls`](Self::start_tls), but for what was not read.
            pub fn start_tls_with_unread(
                &mut self,
                connection: impl Into<$crate::rustls::Connection>,
            ) -> $crate::output!($kind Result<(), $crate::Error>) {
                let connection: Box<$crate::rustls::Connection> = Box::new(connection.into());
                $crate::block!($kind {
                let plain = self.state.take_plain()?;
                let result = plain.start_tls_with_unread(*connection)$($wait)*;
                self.state.settle_tls(result)
                })
            }

            /// As [`PlainStream::accept`] and then `start_tls` with the configuration that `choose` has for the `ClientHello`, and otherwise as
            /// [`start_tls`](Self::start_tls).
            ///
            /// # Errors
            /// As [`start_tls`](Self::start_tls).
            pub fn accept(
                &mut self,
                choose: impl FnOnce($crate::rustls::server::ClientHello<'_>)
                    -> std::sync::Arc<$crate::rustls::ServerConfig>,
            ) -> $crate::output!($kind Result<(), $crate::Error>) {
                $crate::block!($kind {
                let result = match self.state.take_plain()?.accept()$($wait)* {
                    Ok(mut accepted) => match accepted.client_hello().map(choose) {
                        Some(config) => accepted.start_tls(config)$($wait)*,
                        None => Err($crate::starttls_core::Error::from(
                            $crate::starttls_core::Misuse::Finished,
                        )
                        .into()),
                    },
                    Err(error) => Err(error),
                };
                self.state.settle_tls(result)
                })
            }

            /// As [`PlainStream::upgrade`]. If it is abandoned half-done, the connection is closed and every use of the stream an error.
            ///
            /// # Errors
            /// As [`PlainStream::upgrade`]; [`Misuse::Finished`](crate::starttls_core::Misuse::Finished) if it is TLS already.
            pub fn upgrade<N: $crate::starttls_core::Negotiator>(
                &mut self,
                negotiator: N,
                connection: N::Tls,
            ) -> $crate::output!($kind Result<(), $crate::Error>) {
                // Large, and needed late.
                let connection = Box::new(connection);
                $crate::block!($kind {
                let plain = self.state.take_plain()?;
                let result = plain.upgrade(negotiator, *connection)$($wait)*;
                self.state.settle_tls(result)
                })
            }

            /// As [`PlainStream::upgrade_opportunistically`]: the reason if the peer has declined, and then the stream goes on in plaintext.
            ///
            /// # Errors
            /// As [`upgrade`](Self::upgrade), but for the peer not offering TLS or refusing it.
            #[must_use = "there may be no TLS"]
            pub fn upgrade_opportunistically<N: $crate::starttls_core::Negotiator>(
                &mut self,
                negotiator: N,
                connection: N::Tls,
            ) -> $crate::output!($kind Result<Option<$crate::starttls_core::Error>, $crate::Error>) {
                // Large, and needed late.
                let connection = Box::new(connection);
                $crate::block!($kind {
                let plain = self.state.take_plain()?;
                match plain.upgrade_opportunistically(negotiator, *connection)$($wait)* {
                    Ok(Opportunistic::Tls(tls)) => self.state.settle_tls(Ok(tls)).map(|()| None),
                    Ok(Opportunistic::Declined { plain, reason }) => {
                        self.state.settle_plain(Ok(plain))?;
                        Ok(Some(reason))
                    }
                    Err(error) => self.state.settle_tls(Err(error)).map(|()| None),
                }
                })
            }

            /// As [`TlsStream::stop_tls`]. If it is abandoned half-done, the connection is closed and every use of the stream an error.
            ///
            /// # Errors
            /// As [`TlsStream::stop_tls`]; [`Misuse::Finished`](crate::starttls_core::Misuse::Finished) if it is plaintext already.
            pub fn stop_tls(&mut self) -> $crate::output!($kind Result<(), $crate::Error>) {
                $crate::block!($kind {
                let result = self.state.take_tls()?.stop_tls()$($wait)*;
                self.state.settle_plain(result)
                })
            }

            /// Reads a line of at most `limit` bytes, as [`PlainStream::next_line`] and [`TlsStream::next_line`].
            ///
            /// # Errors
            /// As there.
            pub fn next_line(
                &mut self,
                limit: usize,
            ) -> $crate::output!($kind Result<Option<Vec<u8>>, $crate::Error>) {
                $crate::block!($kind {
                match &mut self.state {
                    $crate::adapter::InPlace::Plain(plain) => plain.next_line(limit)$($wait)*,
                    $crate::adapter::InPlace::Tls(tls) => tls.next_line(limit)$($wait)*,
                    $crate::adapter::InPlace::Ended(error) => Err(error.clone()),
                }
                })
            }
        }
    };
}
