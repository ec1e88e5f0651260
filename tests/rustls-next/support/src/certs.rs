//! Certificates made on the spot, and the configurations of them: what the tests ask for by these names.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_aws_lc_rs::DEFAULT_PROVIDER;
use starttls_core::rustls::client::Resumption;
use starttls_core::rustls::crypto::{CryptoProvider, Identity};
use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use starttls_core::rustls::server::NoServerSessionStorage;
use starttls_core::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
};

/// The TLS versions, each alone.
pub const VERSIONS: [&Version; 2] = [&Version::Tls12, &Version::Tls13];

/// A version: with 0.24 a provider has suites for it, or it is not spoken.
#[derive(Debug)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

struct Certs {
    ca: CertificateDer<'static>,
    server: CertificateDer<'static>,
    key: KeyPair,
}

static CERTS: LazyLock<Certs> = LazyLock::new(|| make().expect("rcgen makes certificates"));

fn make() -> Result<Certs, rcgen::Error> {
    let ca_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key)?.der().clone();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(vec!["localhost".to_owned()])?;
    let server = params.signed_by(&key, &issuer)?.der().clone();
    Ok(Certs { ca, server, key })
}

fn provider(version: Option<&Version>) -> Arc<CryptoProvider> {
    let mut provider = DEFAULT_PROVIDER;
    match version {
        Some(Version::Tls12) => provider.tls13_cipher_suites = Cow::Borrowed(&[]),
        Some(Version::Tls13) => provider.tls12_cipher_suites = Cow::Borrowed(&[]),
        None => {}
    }
    Arc::new(provider)
}

/// The authority to trust.
pub fn authority() -> CertificateDer<'static> {
    CERTS.ca.clone()
}

/// The certificate for `localhost`.
pub fn certificate() -> CertificateDer<'static> {
    CERTS.server.clone()
}

/// Its key.
pub fn key() -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(CERTS.key.serialize_der()).expect("rcgen makes PKCS#8")
}

/// A server for `localhost`.
fn server_config(version: Option<&Version>) -> ServerConfig {
    let identity = Identity::from_cert_chain(vec![certificate()]).expect("one certificate");
    ServerConfig::builder(provider(version))
        .with_no_client_auth()
        .with_single_cert(Arc::new(identity), key())
        .expect("certificate and key belong together")
}

/// A client that trusts our authority.
fn client_config(version: Option<&Version>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority()).expect("our own authority");
    ClientConfig::builder(provider(version))
        .with_root_certificates(roots)
        .with_no_client_auth()
        .expect("a provider with suites")
}

static SERVER: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| Arc::new(server_config(None)));
static CLIENT: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| Arc::new(client_config(None)));

static SERVER_WITHOUT_RESUMPTION: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let mut config = server_config(None);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets.default = 0;
    config.send_tls13_tickets.max = 0;
    Arc::new(config)
});

static CLIENT_WITHOUT_RESUMPTION: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut config = client_config(None);
    config.resumption = Resumption::disabled();
    Arc::new(config)
});

/// A server's connection without tickets.
pub fn server_without_resumption() -> ServerConnection {
    server_of(&SERVER_WITHOUT_RESUMPTION)
}

/// A client's connection that keeps no session.
pub fn client_without_resumption() -> ClientConnection {
    client_of(&CLIENT_WITHOUT_RESUMPTION)
}

fn server_of(config: &Arc<ServerConfig>) -> ServerConnection {
    ServerConnection::new(config.clone()).expect("a valid configuration")
}

fn client_of(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("a host name");
    ClientConnection::new(config.clone(), name).expect("a valid configuration")
}

/// A server's connection, TLS 1.2 and 1.3.
pub fn server() -> ServerConnection {
    server_of(&SERVER)
}

/// A client's connection to `localhost`.
pub fn client() -> ClientConnection {
    client_of(&CLIENT)
}

/// Client and server that speak only this version.
pub fn pair_of(version: &'static Version) -> (ClientConnection, ServerConnection) {
    let server = Arc::new(server_config(Some(version)));
    let client = Arc::new(client_config(Some(version)));
    (client_of(&client), server_of(&server))
}
