//! Peers that are known by their keys.
//!
//! ```
//! use starttls_policy::pin::Pin;
//!
//! let pin: Pin = "sha256//f0xzLXS1GcnBAv/TCAbP8D9AJOqgLYHiVqfdn6QWOzg=".parse()?;
//! assert_eq!(pin.to_string(), "sha256//f0xzLXS1GcnBAv/TCAbP8D9AJOqgLYHiVqfdn6QWOzg=");
//! # Ok::<(), starttls_policy::pin::InvalidPin>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use starttls_core::rustls;

use rustls::CertificateError;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{Error, OtherError};

use crate::certificate;

/// The SHA-256 of a SubjectPublicKeyInfo. In text as curl has it, `sha256//` and Base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin([u8; 32]);

impl Pin {
    /// The pin with this digest.
    pub const fn new(sha256: [u8; 32]) -> Self {
        Self(sha256)
    }

    /// The pin of a SubjectPublicKeyInfo.
    pub fn of_key(spki: &[u8]) -> Self {
        Self(Sha256::digest(spki).into())
    }

    /// The pin of a certificate's key; `None` if it is no certificate.
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        certificate::spki(der).map(|spki| Self::of_key(&spki))
    }

    /// The digest.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256//{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({self})")
    }
}

/// What is no pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPin;

impl fmt::Display for InvalidPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pin is `sha256//` and 32 bytes in Base64")
    }
}

impl std::error::Error for InvalidPin {}

impl FromStr for Pin {
    type Err = InvalidPin;

    fn from_str(text: &str) -> Result<Self, InvalidPin> {
        let base64 = text.strip_prefix("sha256//").ok_or(InvalidPin)?;
        let bytes = STANDARD.decode(base64).map_err(|_| InvalidPin)?;
        bytes.try_into().map(Self).map_err(|_| InvalidPin)
    }
}

/// Authenticates a server by its key: one of those pinned. Names, dates and issuers are not looked at; a key that is to be replaced is pinned along with
/// its successor.
#[derive(Debug)]
pub struct Verifier {
    pins: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// A verifier by these keys, with the provider of the configuration that it is for. Without pins nobody is let through.
    pub fn new(pins: impl IntoIterator<Item = Pin>, provider: Arc<CryptoProvider>) -> Self {
        Self {
            pins: pins.into_iter().collect(),
            provider,
        }
    }
}

/// The server's key is none of those pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPinned;

impl fmt::Display for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's key is not pinned")
    }
}

impl std::error::Error for NotPinned {}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pin =
            Pin::of_certificate(end_entity).ok_or(Error::from(CertificateError::BadEncoding))?;
        if self.pins.contains(&pin) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::Other(OtherError(Arc::new(NotPinned))).into())
        }
    }

    crate::signature::by_the_key_alone!();
}
