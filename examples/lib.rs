//! What the examples share: certificates made on the spot, TLS configurations, and the PING / PONG dialogue for every runtime.

pub mod dialogue;
pub mod runtime;

use std::path::Path;
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
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let certificate = made.cert.der().clone();
    let key =
        PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)?;
    Ok((
        Arc::new(server),
        client_that_trusts([certificate], Versions::Any)?,
    ))
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

/// A TLS server with the certificate chain and key of two PEM files.
pub fn server_config(
    certificate: &Path,
    key: &Path,
    versions: Versions,
) -> Result<Arc<ServerConfig>> {
    let chain = certificates(certificate)?;
    let key =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("reading {}", key.display()))?;
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
