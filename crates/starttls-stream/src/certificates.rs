use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use starttls_core::rustls;

/// A server's certificate that can be replaced while the server runs, as when a new one was issued. Connections that are up keep the one they began with.
///
/// ```no_run
/// # use starttls_stream::rustls;
/// # fn f(load: impl Fn() -> Result<rustls::sign::CertifiedKey, rustls::Error>) -> Result<(), rustls::Error> {
/// use std::sync::Arc;
/// use rustls::ServerConfig;
/// use starttls_stream::ReplaceableCertificate;
///
/// // `load` reads PEM files and ends in `CertifiedKey::from_der`.
/// let certificate = Arc::new(ReplaceableCertificate::new(load()?));
/// let config = ServerConfig::builder()
///     .with_no_client_auth()
///     .with_cert_resolver(certificate.clone());
/// // and when there is a new one
/// certificate.replace(load()?);
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ReplaceableCertificate {
    current: RwLock<Arc<CertifiedKey>>,
}

impl ReplaceableCertificate {
    /// With this one to begin with.
    pub fn new(certificate: impl Into<Arc<CertifiedKey>>) -> Self {
        Self {
            current: RwLock::new(certificate.into()),
        }
    }

    /// Handshakes that begin from now on are made with this one.
    pub fn replace(&self, certificate: impl Into<Arc<CertifiedKey>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = certificate.into();
    }

    /// The one that is used now.
    pub fn current(&self) -> Arc<CertifiedKey> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ResolvesServerCert for ReplaceableCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}
