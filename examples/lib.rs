//! What the examples share: certificates made on the spot, TLS configurations, and the PING / PONG dialogue for every runtime.

pub mod dialogue;
pub mod runtime;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use starttls_core::rustls::pki_types::pem::PemObject;
use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use starttls_core::rustls::version::{TLS12, TLS13};
use starttls_core::rustls::{
    ClientConfig, Connection, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

/// A TLS server for `localhost` with a certificate made on the spot, and a client that trusts it.
pub fn made_on_the_spot() -> Result<(Arc<ServerConfig>, Arc<ClientConfig>)> {
    starttls_example_ping_pong::made_on_the_spot().map_err(|error| anyhow::anyhow!("{error}"))
}

/// Which TLS versions to allow: `1.2`, `1.3`, or both if nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Versions {
    /// TLS 1.2 only.
    #[value(name = "1.2")]
    Tls12,
    /// TLS 1.3 only.
    #[value(name = "1.3")]
    Tls13,
    /// Either.
    #[default]
    #[value(name = "any")]
    Any,
}

impl Versions {
    fn list(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Tls12 => vec![&TLS12],
            Self::Tls13 => vec![&TLS13],
            Self::Any => vec![&TLS12, &TLS13],
        }
    }
}

/// What a server shows of itself, and which versions it speaks: options that all server examples share.
#[derive(Clone, Debug, clap::Args)]
pub struct Identity {
    /// Certificate chain, PEM
    #[arg(long, requires = "key", required_unless_present = "self_signed")]
    cert: Option<PathBuf>,
    /// Private key, PEM
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
    /// Instead of files: a certificate for `localhost` that is made on the spot and that nobody trusts
    #[arg(long, conflicts_with_all = ["cert", "key"])]
    self_signed: bool,
    /// TLS versions to allow
    #[arg(long, value_enum, default_value_t)]
    tls: Versions,
}

impl Identity {
    /// The configuration of such a server.
    pub fn config(&self) -> Result<Arc<ServerConfig>> {
        match (&self.cert, &self.key) {
            (Some(certificate), Some(key)) => server_config(certificate, key, self.tls),
            _ => {
                let made = starttls_example_ping_pong::certificate();
                let (certificate, key) = made.map_err(|error| anyhow::anyhow!("{error}"))?;
                server_of(vec![certificate], key, self.tls)
            }
        }
    }
}

/// A TLS server with the certificate chain and key of two PEM files.
pub fn server_config(
    certificate: &Path,
    key: &Path,
    versions: Versions,
) -> Result<Arc<ServerConfig>> {
    let chain = certificates(certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("reading {}", key.display()))?;
    server_of(chain, key, versions)
}

fn server_of(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    versions: Versions,
) -> Result<Arc<ServerConfig>> {
    Ok(Arc::new(
        ServerConfig::builder_with_protocol_versions(&versions.list())
            .with_no_client_auth()
            .with_single_cert(chain, key)?,
    ))
}

/// A TLS client that trusts the certificate authorities of a PEM file.
pub fn client_config(ca: &Path, versions: Versions) -> Result<Arc<ClientConfig>> {
    client_that_trusts(certificates(ca)?, versions)
}

fn client_that_trusts(
    authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    versions: Versions,
) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority)?;
    }
    Ok(Arc::new(
        ClientConfig::builder_with_protocol_versions(&versions.list())
            .with_root_certificates(roots)
            .with_no_client_auth(),
    ))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .with_context(|| format!("reading {}", file.display()))
}

/// Version and cipher suite, in words.
pub fn negotiated(connection: &Connection) -> String {
    match (
        connection.protocol_version(),
        connection.negotiated_cipher_suite(),
    ) {
        (Some(version), Some(suite)) => format!("{version:?}, {:?}", suite.suite()),
        _ => "nothing".to_owned(),
    }
}
