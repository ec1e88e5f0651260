//! Channel bindings: what ties a login inside TLS to the very connection it is made on, as SCRAM-SHA-256-PLUS does.
//!
//! `tls-exporter` (RFC 9266) is there with TLS 1.3. With TLS 1.2 it is defined only where the extended master secret was negotiated, which rustls 0.23 does not
//! tell; so there is none. `tls-unique` (RFC 5929) is not offered: rustls does not give the Finished message away. `tls-server-end-point` (RFC 5929) is a hash of
//! the server's certificate, in every version.
//!
//! ```
//! use starttls_policy::binding::{Binding, BindingType, Bindings};
//! # fn f(tls: &starttls_core::Tls) -> Option<()> {
//!
//! let bindings = Bindings::of(tls); // a client's; a server adds its certificate, see `RememberCertificate`
//! let best = bindings.best()?;
//! println!("SCRAM-SHA-256-PLUS with p={}", best.kind());
//! let data: &[u8] = best.data();
//!
//! // What the other side has chosen.
//! let end_point = bindings.get("tls-server-end-point".parse().ok()?)?;
//! # Some(()) }
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use starttls_core::{Tls, rustls};

use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Connection, ServerConfig};
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::signature_algorithm::RsaSsaPssParams;

use crate::certificate;

/// The types of channel bindings that exist here, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BindingType {
    /// `tls-exporter`: of this connection alone.
    TlsExporter,
    /// `tls-server-end-point`: of every connection with the same certificate, so that one who has the server's key can still be in between.
    TlsServerEndPoint,
}

impl BindingType {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsExporter => "tls-exporter",
            Self::TlsServerEndPoint => "tls-server-end-point",
        }
    }
}

impl fmt::Display for BindingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name of no [`BindingType`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownBinding;

impl fmt::Display for UnknownBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown channel binding; known are tls-exporter and tls-server-end-point")
    }
}

impl std::error::Error for UnknownBinding {}

impl FromStr for BindingType {
    type Err = UnknownBinding;

    fn from_str(name: &str) -> Result<Self, UnknownBinding> {
        [Self::TlsExporter, Self::TlsServerEndPoint]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or(UnknownBinding)
    }
}

/// A channel binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    kind: BindingType,
    data: Vec<u8>,
}

impl Binding {
    /// Its type.
    pub fn kind(&self) -> BindingType {
        self.kind
    }

    /// Its data, which both sides have.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

/// The channel bindings that a connection has, best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings(Vec<Binding>);

impl Bindings {
    /// Those of a connection: a client's, whose peer has shown the certificate. None before the handshake is complete. A server gets `tls-exporter`
    /// alone.
    pub fn of(tls: &Tls) -> Self {
        let server_certificate = match tls.connection() {
            Connection::Client(client) => client.peer_certificates().and_then(<[_]>::first),
            Connection::Server(_) => None,
        };
        Self::new(tls, server_certificate)
    }

    /// Those of a server's connection in which this certificate of its own was shown: [`RememberCertificate`] knows which.
    pub fn with_certificate(tls: &Tls, own: Option<&CertificateDer<'_>>) -> Self {
        match tls.connection() {
            Connection::Server(_) => Self::new(tls, own),
            Connection::Client(_) => Self::of(tls),
        }
    }

    fn new(tls: &Tls, server_certificate: Option<&CertificateDer<'_>>) -> Self {
        if tls.is_handshaking() {
            return Self::default();
        }
        let exporter = tls.tls_exporter().map(|data| Binding {
            kind: BindingType::TlsExporter,
            data: data.to_vec(),
        });
        let end_point = server_certificate
            .and_then(|certificate| server_end_point(certificate))
            .map(|data| Binding {
                kind: BindingType::TlsServerEndPoint,
                data,
            });
        Self(exporter.into_iter().chain(end_point).collect())
    }

    /// The best one.
    pub fn best(&self) -> Option<&Binding> {
        self.0.first()
    }

    /// The one of this type.
    pub fn get(&self, kind: BindingType) -> Option<&Binding> {
        self.0.iter().find(|binding| binding.kind == kind)
    }

    /// All of them, best first.
    pub fn iter(&self) -> std::slice::Iter<'_, Binding> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Bindings {
    type Item = &'a Binding;
    type IntoIter = std::slice::Iter<'a, Binding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The data of `tls-server-end-point` for a server's certificate (RFC 5929 section 4.1): its hash, by the hash function of its signature, with SHA-256 in the
/// place of MD5 and SHA-1. `None` where that is not defined: signatures without a hash function of their own (Ed25519), those not known, and keys
/// without a certificate.
pub fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let parsed = certificate::parse(certificate)?;
    let algorithm = &parsed.signature_algorithm;
    let hash = if algorithm.algorithm == oid!(1.2.840.113549.1.1.10) {
        let parameters = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
        HASHES
            .iter()
            .find(|(oid, _)| oid == parameters.hash_algorithm_oid())?
            .1
    } else {
        SIGNATURES
            .iter()
            .find(|(oid, _)| *oid == algorithm.algorithm)?
            .1
    };
    Some(match hash {
        Hash::Sha224 => Sha224::digest(certificate).to_vec(),
        Hash::Sha256 => Sha256::digest(certificate).to_vec(),
        Hash::Sha384 => Sha384::digest(certificate).to_vec(),
        Hash::Sha512 => Sha512::digest(certificate).to_vec(),
    })
}

#[derive(Clone, Copy)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// Hash functions by themselves: the parameters of RSASSA-PSS name one (RFC 4055). MD5 and SHA-1 are SHA-256 here (RFC 5929 section 4.1).
const HASHES: [(Oid<'static>, Hash); 6] = [
    (oid!(1.2.840.113549.2.5), Hash::Sha256),
    (oid!(1.3.14.3.2.26), Hash::Sha256),
    (oid!(2.16.840.1.101.3.4.2.4), Hash::Sha224),
    (oid!(2.16.840.1.101.3.4.2.1), Hash::Sha256),
    (oid!(2.16.840.1.101.3.4.2.2), Hash::Sha384),
    (oid!(2.16.840.1.101.3.4.2.3), Hash::Sha512),
];

/// Signatures with their hash functions (RFC 3279, 4055, 5758).
const SIGNATURES: [(Oid<'static>, Hash); 14] = [
    // RSA
    (oid!(1.2.840.113549.1.1.4), Hash::Sha256),
    (oid!(1.2.840.113549.1.1.5), Hash::Sha256),
    (oid!(1.2.840.113549.1.1.14), Hash::Sha224),
    (oid!(1.2.840.113549.1.1.11), Hash::Sha256),
    (oid!(1.2.840.113549.1.1.12), Hash::Sha384),
    (oid!(1.2.840.113549.1.1.13), Hash::Sha512),
    // ECDSA
    (oid!(1.2.840.10045.4.1), Hash::Sha256),
    (oid!(1.2.840.10045.4.3.1), Hash::Sha224),
    (oid!(1.2.840.10045.4.3.2), Hash::Sha256),
    (oid!(1.2.840.10045.4.3.3), Hash::Sha384),
    (oid!(1.2.840.10045.4.3.4), Hash::Sha512),
    // DSA
    (oid!(1.2.840.10040.4.3), Hash::Sha256),
    (oid!(2.16.840.1.101.3.4.3.1), Hash::Sha224),
    (oid!(2.16.840.1.101.3.4.3.2), Hash::Sha256),
];

/// A server's own certificate, which rustls does not give away: its resolver, wrapped to remember what it has chosen. One for each connection.
///
/// ```
/// use starttls_policy::binding::{Bindings, RememberCertificate};
/// use starttls_policy::rustls::{ServerConfig, ServerConnection};
/// # fn f(config: &ServerConfig, upgrade: impl Fn(ServerConnection) -> starttls_core::Tls) -> Result<(), Box<dyn std::error::Error>> {
///
/// let (config, chosen) = RememberCertificate::during(config);
/// let tls = upgrade(ServerConnection::new(config)?);
/// let bindings = Bindings::with_certificate(&tls, chosen.certificate().as_ref());
/// # Ok(()) }
/// ```
///
/// A resumed session has no certificate message. The resolver is asked all the same, and chooses what it would show now: where the certificate was renewed
/// since, client and server differ, and the login fails. `tls-exporter` has no such problem.
#[derive(Debug)]
pub struct RememberCertificate {
    resolver: Arc<dyn ResolvesServerCert>,
    chosen: Mutex<Option<Arc<CertifiedKey>>>,
}

impl RememberCertificate {
    /// A copy of the configuration for one connection, and who remembers. Tickets and stored sessions are still shared with the other copies.
    pub fn during(config: &ServerConfig) -> (Arc<ServerConfig>, Arc<Self>) {
        let memory = Arc::new(Self {
            resolver: config.cert_resolver.clone(),
            chosen: Mutex::new(None),
        });
        let mut config = config.clone();
        config.cert_resolver = memory.clone();
        (Arc::new(config), memory)
    }

    /// The certificate that was chosen; `None` before, and if it is a key without a certificate.
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        if self.resolver.only_raw_public_keys() {
            return None;
        }
        let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.as_ref()?.cert.first().cloned()
    }
}

impl ResolvesServerCert for RememberCertificate {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.resolver.resolve(client_hello)?;
        // After a HelloRetryRequest it is asked again: the last one is shown.
        *self.chosen.lock().unwrap_or_else(PoisonError::into_inner) = Some(chosen.clone());
        Some(chosen)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.resolver.only_raw_public_keys()
    }
}
