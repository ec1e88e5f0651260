//! The signature of the handshake, checked with nothing of the certificate but its key: so that a certificate which webpki would not read
//! can still be one that a TLSA record or a pin names.

use starttls_core::rustls;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};

use crate::certificate;

/// The key of what the peer has shown: a certificate, or the key itself (RFC 7250).
pub(crate) fn key(shown: &[u8], raw: bool) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    if raw {
        Ok(SubjectPublicKeyInfoDer::from(shown.to_vec()))
    } else {
        certificate::spki(shown).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
    }
}

pub(crate) fn tls12(
    key: &SubjectPublicKeyInfoDer<'_>,
    message: &[u8],
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let Some((_, candidates)) = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == dss.scheme)
    else {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    };
    let key =
        webpki::RawPublicKeyEntity::try_from(key).map_err(|_| CertificateError::BadEncoding)?;
    // In TLS 1.2 the scheme does not name the curve: one of the algorithms fits the key, or none.
    for algorithm in *candidates {
        match key.verify_signature(*algorithm, message, dss.signature()) {
            Ok(()) => return Ok(HandshakeSignatureValid::assertion()),
            Err(webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)) => {}
            Err(_) => break,
        }
    }
    Err(CertificateError::BadSignature.into())
}

pub(crate) fn tls13(
    key: &SubjectPublicKeyInfoDer<'_>,
    message: &[u8],
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature_with_raw_key(message, key, dss, algorithms)
}

/// The methods of a `ServerCertVerifier` with a field `provider` that are about signatures. With the name of a `bool` field: whether what
/// is shown is the key itself.
macro_rules! by_the_key_alone {
    ($($raw:ident)?) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &rustls::pki_types::CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            let key = crate::signature::key(cert, false $(|| self.$raw)?)?;
            crate::signature::tls12(&key, message, dss, &self.provider.signature_verification_algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &rustls::pki_types::CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            let key = crate::signature::key(cert, false $(|| self.$raw)?)?;
            crate::signature::tls13(&key, message, dss, &self.provider.signature_verification_algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.provider.signature_verification_algorithms.supported_schemes()
        }
        $(
            fn requires_raw_public_keys(&self) -> bool {
                self.$raw
            }
        )?
    };
}
pub(crate) use by_the_key_alone;
