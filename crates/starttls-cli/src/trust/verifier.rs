//! A verifier that decides as rustls does and remembers what it has seen, so that a bad certificate can be shown.

use std::sync::{Arc, Mutex, PoisonError};

use starttls_tokio::rustls::client::WebPkiServerVerifier;
use starttls_tokio::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use starttls_tokio::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use starttls_tokio::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use starttls_tokio::rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// What the server has sent and what came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<Verdict>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// As it was sent: the server's own certificate first. Empty if the handshake did not come that far.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Why it is not accepted.
    pub(crate) error: Option<Error>,
}

impl Seen {
    pub(crate) fn verdict(&self) -> Verdict {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Decides and remembers.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// Without it any certificate is taken.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Seen,
}

impl Recorder {
    pub(crate) fn new(
        webpki: Option<Arc<WebPkiServerVerifier>>,
        provider: Arc<CryptoProvider>,
        seen: Seen,
    ) -> Self {
        Self {
            webpki,
            provider,
            seen,
        }
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let decision = match &self.webpki {
            Some(webpki) => webpki.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Ok(ServerCertVerified::assertion()),
        };
        *self.seen.0.lock().unwrap_or_else(PoisonError::into_inner) = Verdict {
            chain: std::iter::once(end_entity)
                .chain(intermediates)
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
            error: decision.as_ref().err().cloned(),
        };
        decision
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
