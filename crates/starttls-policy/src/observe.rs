//! TLS without authentication that yet knows whom it would have believed: for opportunistic TLS, and for policies that are being tested.

use std::sync::{Arc, OnceLock};

use starttls_core::rustls;

use rustls::Error;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

/// Takes any certificate, and remembers what a stricter verifier says of it. **The peer is not authenticated**: anybody on the path can be it. The
/// handshake's signature is checked, with the key that was shown.
///
/// One for one connection.
#[derive(Debug)]
pub struct Observer {
    judge: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
    verdict: OnceLock<Result<(), Error>>,
}

impl Observer {
    /// Takes anybody, and asks `judge`.
    pub fn new(
        judge: impl Into<Option<Arc<dyn ServerCertVerifier>>>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self {
            judge: judge.into(),
            provider,
            verdict: OnceLock::new(),
        }
    }

    /// What the judge said; `None` without one, and before the certificate has come.
    pub fn verdict(&self) -> Option<Result<(), Error>> {
        self.verdict.get().cloned()
    }
}

impl ServerCertVerifier for Observer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(judge) = &self.judge {
            let verdict = judge
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map(|_| ());
            // The first one stays, were this used for two connections.
            let _ = self.verdict.set(verdict);
        }
        Ok(ServerCertVerified::assertion())
    }

    crate::signature::by_the_key_alone!();
}
