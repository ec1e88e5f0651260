//! Cryptography that does nothing, and the same on every machine: rustls' state machines run on it as on any other, and what is
//! counted is what they, the bindings and the allocator do. Its records are as long as those of AES-GCM.

use std::sync::Arc;

use anyhow::Result;
use starttls_core::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use starttls_core::rustls::client::{Resumption, danger};
use starttls_core::rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter,
    OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
    UnsupportedOperationError,
};
use starttls_core::rustls::crypto::tls13::HkdfUsingHmac;
use starttls_core::rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, SharedSecret,
    SupportedKxGroup, WebPkiSupportedAlgorithms, hash, hmac,
};
use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use starttls_core::rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use starttls_core::rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use starttls_core::rustls::{
    CipherSuite, CipherSuiteCommon, ClientConfig, ConnectionTrafficSecrets, ContentType,
    DigitallySignedStruct, Error, NamedGroup, ProtocolVersion, ServerConfig, SignatureAlgorithm,
    SignatureScheme, SupportedCipherSuite, Tls13CipherSuite,
};

/// The sizes are those of an ECDSA P-256 certificate, its signatures, X25519 and SHA-256.
const CERTIFICATE: &[u8] = &[0x30; 400];
const SIGNATURE: &[u8] = &[0x30; 71];
const SHARE: [u8; 32] = [9; 32];
const DIGEST: usize = 32;
const TAG: usize = 16;
const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

/// Configurations for both sides that are good for nothing but counting.
pub(super) fn configs() -> Result<(Arc<ServerConfig>, Arc<ClientConfig>)> {
    let provider = Arc::new(provider());
    let key = CertifiedKey::new(vec![CertificateDer::from(CERTIFICATE)], Arc::new(Null));
    let resolver: Arc<dyn ResolvesServerCert> = Arc::new(SingleCertAndKey::from(key));
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    let verifier: Arc<dyn danger::ServerCertVerifier> = Arc::new(Null);
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    client.resumption = Resumption::disabled();
    Ok((Arc::new(server), Arc::new(client)))
}

fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![SupportedCipherSuite::Tls13(&SUITE)],
        kx_groups: vec![&Null],
        signature_verification_algorithms: WebPkiSupportedAlgorithms {
            all: &[],
            mapping: &[],
        },
        secure_random: &Null,
        key_provider: &Null,
    }
}

static SUITE: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_AES_128_GCM_SHA256,
        hash_provider: &Null,
        confidentiality_limit: u64::MAX,
    },
    hkdf_provider: &HkdfUsingHmac(&Null),
    aead_alg: &Null,
    quic: None,
};

/// Every part of it.
#[derive(Debug)]
struct Null;

impl SecureRandom for Null {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        buf.fill(7);
        Ok(())
    }
}

impl KeyProvider for Null {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Ok(Arc::new(Self))
    }
}

impl SigningKey for Null {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SCHEME)
            .then(|| Box::new(Self) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Null {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(SIGNATURE.to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SCHEME
    }
}

impl ServerCertVerifier for Null {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SCHEME]
    }
}

impl SupportedKxGroup for Null {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(Self))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for Null {
    fn complete(self: Box<Self>, _: &[u8]) -> Result<SharedSecret, Error> {
        Ok(SharedSecret::from(&SHARE[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &SHARE
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// The number of bytes: two sides that have seen the same come to the same.
struct Length(u64);

impl Length {
    fn digest(&self) -> [u8; DIGEST] {
        let mut digest = [0; DIGEST];
        digest[..8].copy_from_slice(&self.0.to_be_bytes());
        digest
    }
}

impl hash::Hash for Null {
    fn start(&self) -> Box<dyn hash::Context> {
        Box::new(Length(0))
    }

    fn hash(&self, data: &[u8]) -> hash::Output {
        hash::Output::new(&Length(data.len() as u64).digest())
    }

    fn output_len(&self) -> usize {
        DIGEST
    }

    fn algorithm(&self) -> hash::HashAlgorithm {
        hash::HashAlgorithm::SHA256
    }
}

impl hash::Context for Length {
    fn fork_finish(&self) -> hash::Output {
        hash::Output::new(&self.digest())
    }

    fn fork(&self) -> Box<dyn hash::Context> {
        Box::new(Self(self.0))
    }

    fn finish(self: Box<Self>) -> hash::Output {
        self.fork_finish()
    }

    fn update(&mut self, data: &[u8]) {
        self.0 += data.len() as u64;
    }
}

impl hmac::Hmac for Null {
    fn with_key(&self, key: &[u8]) -> Box<dyn hmac::Key> {
        Box::new(Length(key.len() as u64))
    }

    fn hash_output_len(&self) -> usize {
        DIGEST
    }
}

impl hmac::Key for Length {
    fn sign_concat(&self, first: &[u8], middle: &[&[u8]], last: &[u8]) -> hmac::Tag {
        let middle: usize = middle.iter().map(|part| part.len()).sum();
        let length = first.len() + middle + last.len();
        hmac::Tag::new(&Self(self.0 + length as u64).digest())
    }

    fn tag_len(&self) -> usize {
        DIGEST
    }
}

impl Tls13AeadAlgorithm for Null {
    fn encrypter(&self, _: AeadKey, _: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(Self)
    }

    fn decrypter(&self, _: AeadKey, _: Iv) -> Box<dyn MessageDecrypter> {
        Box::new(Self)
    }

    fn key_len(&self) -> usize {
        16
    }

    fn extract_keys(
        &self,
        _: AeadKey,
        _: Iv,
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

impl MessageEncrypter for Null {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        _: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let length = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(length);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&[message.typ.into()]);
        payload.extend_from_slice(&[0; TAG]);
        Ok(OutboundOpaqueMessage::new(
            ContentType::ApplicationData,
            ProtocolVersion::TLSv1_2,
            payload,
        ))
    }

    fn encrypted_payload_len(&self, payload: usize) -> usize {
        payload + 1 + TAG
    }
}

impl MessageDecrypter for Null {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        _: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        let Some(length) = payload.len().checked_sub(TAG) else {
            return Err(Error::DecryptError);
        };
        payload.truncate(length);
        message.into_tls13_unpadded_message()
    }
}
