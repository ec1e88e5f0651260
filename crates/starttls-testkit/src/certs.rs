//! Certificates made on the spot, once a process, and the rustls configurations of them.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use starttls_core::rustls::server::WebPkiClientVerifier;
use starttls_core::rustls::version::{TLS12, TLS13};
use starttls_core::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};

/// The TLS versions, each alone.
pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A certificate and its key.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate, without the authority's.
    pub certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Leaf {
    /// The private key.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).expect("rcgen makes PKCS#8")
    }
}

/// An authority and what it has signed.
#[derive(Debug)]
pub struct Certs {
    /// The authority to trust.
    pub ca: CertificateDer<'static>,
    /// For `localhost`.
    pub server: Leaf,
    /// For `other.example`.
    pub other: Leaf,
    /// For `localhost`, until the year 2001.
    pub expired: Leaf,
    /// For a client.
    pub client: Leaf,
}

/// The certificates of this process.
pub static CERTS: LazyLock<Certs> = LazyLock::new(|| make().expect("rcgen makes certificates"));

fn make() -> Result<Certs, rcgen::Error> {
    let ca_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key)?.der().clone();
    let issuer = Issuer::new(params, ca_key);
    let leaf = |name: &str, expired: bool| {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        if expired {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?.der().clone();
        Ok::<_, rcgen::Error>(Leaf { certificate, key })
    };
    Ok(Certs {
        ca,
        server: leaf("localhost", false)?,
        other: leaf("other.example", false)?,
        expired: leaf("localhost", true)?,
        client: leaf("client.example", false)?,
    })
}

fn roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CERTS.ca.clone()).expect("our own authority");
    Arc::new(roots)
}

/// A server with this certificate.
pub fn server_config_with(
    leaf: &Leaf,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_protocol_versions(versions)
        .with_no_client_auth()
        .with_single_cert(vec![leaf.certificate.clone()], leaf.key())
        .expect("certificate and key belong together")
}

/// A server that asks for a client certificate.
pub fn server_config_with_client_auth() -> ServerConfig {
    let verifier = WebPkiClientVerifier::builder(roots())
        .build()
        .expect("roots");
    ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![CERTS.server.certificate.clone()], CERTS.server.key())
        .expect("certificate and key belong together")
}

/// A client that trusts our authority.
pub fn client_config_with(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_protocol_versions(versions)
        .with_root_certificates(roots())
        .with_no_client_auth()
}

/// A client that trusts our authority and has a certificate.
pub fn client_config_with_certificate() -> ClientConfig {
    ClientConfig::builder()
        .with_root_certificates(roots())
        .with_client_auth_cert(vec![CERTS.client.certificate.clone()], CERTS.client.key())
        .expect("certificate and key belong together")
}

/// A client that trusts nobody.
pub fn client_config_without_roots() -> ClientConfig {
    ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

/// The server of most tests: `localhost`, TLS 1.2 and 1.3.
pub static SERVER: LazyLock<Arc<ServerConfig>> =
    LazyLock::new(|| Arc::new(server_config_with(&CERTS.server, &[&TLS12, &TLS13])));

/// The client of most tests.
pub static CLIENT: LazyLock<Arc<ClientConfig>> =
    LazyLock::new(|| Arc::new(client_config_with(&[&TLS12, &TLS13])));

/// A connection of [`SERVER`].
pub fn server() -> ServerConnection {
    server_of(&SERVER)
}

/// A connection of [`CLIENT`] to `localhost`.
pub fn client() -> ClientConnection {
    client_of(&CLIENT)
}

/// A server's connection.
pub fn server_of(config: &Arc<ServerConfig>) -> ServerConnection {
    ServerConnection::new(config.clone()).expect("a valid configuration")
}

/// A client's connection to `localhost`.
pub fn client_of(config: &Arc<ClientConfig>) -> ClientConnection {
    client_to(config, "localhost")
}

/// A client's connection to somebody.
pub fn client_to(config: &Arc<ClientConfig>, name: &'static str) -> ClientConnection {
    let name = ServerName::try_from(name).expect("a host name");
    ClientConnection::new(config.clone(), name).expect("a valid configuration")
}

/// Client and server that speak only this version.
pub fn pair_of(version: &'static SupportedProtocolVersion) -> (ClientConnection, ServerConnection) {
    let server = Arc::new(server_config_with(&CERTS.server, &[version]));
    let client = Arc::new(client_config_with(&[version]));
    (client_of(&client), server_of(&server))
}
