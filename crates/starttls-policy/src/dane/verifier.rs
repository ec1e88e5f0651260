use std::fmt;
use std::sync::Arc;

use starttls_core::rustls;

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::{CertificateError, Error, OtherError};

use super::anchor::{Chain, is_anchored, is_for};
use super::record::{Records, Usage};

/// Authenticates a server by its TLSA records.
///
/// - DANE-EE(3): the server's certificate or key is the one named. Its names, dates and issuer are of no importance (RFC 7671 section 5.1), nor what
///   else is in it: the handshake's signature is checked with its key alone.
/// - DANE-TA(2): there is a path to an authority that is named, in the chain or in the record itself, all of it valid now, and the certificate is for one
///   of the reference identifiers: the name that the connection was made for, which must be the TLSA base domain, and those of
///   [`or_name`](Self::or_name) (RFC 7672 section 3.2.2).
///
/// One record that fits is enough. Without usable records nothing is authenticated: the decision is then
/// [`Encrypt`](crate::decision::Requirement::Encrypt), by another verifier.
///
/// A configuration with this verifier is for one host. Sessions must not be resumed in a configuration that demands more than the one they were made in:
/// [`Policy`](crate::Policy) switches resumption off.
#[derive(Debug)]
pub struct Verifier {
    records: Records,
    other_names: Vec<ServerName<'static>>,
    provider: Arc<CryptoProvider>,
    raw_keys: bool,
}

impl Verifier {
    /// A verifier by these records, with the provider of the configuration that it is for.
    pub fn new(records: Records, provider: Arc<CryptoProvider>) -> Self {
        Self {
            records,
            other_names: Vec::new(),
            provider,
            raw_keys: false,
        }
    }

    /// Takes a certificate for this name too: the next-hop domain, where its MX RRset is secure (RFC 7672 section 3.2.2).
    ///
    /// # Errors
    /// If it is no DNS name.
    pub fn or_name(mut self, name: &str) -> Result<Self, InvalidDnsNameError> {
        self.other_names
            .push(ServerName::try_from(name)?.to_owned());
        Ok(self)
    }

    /// Asks the server for its key without a certificate (RFC 7250), and takes nothing else: rustls offers one or the other. Only records `3 1 x` name a
    /// key, so that this is for hosts that have them and are known to speak RFC 7250.
    #[must_use]
    pub fn with_raw_public_keys(self) -> Self {
        Self {
            raw_keys: true,
            ..self
        }
    }

    /// The records.
    pub fn records(&self) -> &Records {
        &self.records
    }

    fn is_named(&self, shown: &[u8]) -> bool {
        self.records.of(Usage::DaneEe).any(|record| {
            if self.raw_keys {
                record.matches_key(shown)
            } else {
                record.matches_certificate(shown)
            }
        })
    }
}

/// No record names the server's certificate or its authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMatch;

impl fmt::Display for NoMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no TLSA record matches the server's certificate")
    }
}

impl std::error::Error for NoMatch {}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.is_named(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let no_match = || Error::from(CertificateError::Other(OtherError(Arc::new(NoMatch))));
        if self.raw_keys {
            return Err(no_match());
        }
        let chain = Chain {
            leaf: end_entity,
            rest: intermediates,
            now,
        };
        let algorithms = &self.provider.signature_verification_algorithms;
        if !is_anchored(self.records.of(Usage::DaneTa), &chain, algorithms)? {
            return Err(no_match());
        }
        let names: Vec<_> = std::iter::once(server_name)
            .chain(&self.other_names)
            .collect();
        if is_for(end_entity, &names) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }

    crate::signature::by_the_key_alone!(raw_keys);
}
