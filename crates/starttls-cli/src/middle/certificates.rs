//! The server's certificates: one, and others by the name that a client asks for. Read again when somebody says so.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use starttls_tokio::rustls::crypto::{CryptoProvider, aws_lc_rs};
use starttls_tokio::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use starttls_tokio::rustls::sign::CertifiedKey;
use starttls_tokio::rustls::version::{TLS12, TLS13};
use starttls_tokio::rustls::{RootCertStore, ServerConfig};

use crate::middle::tickets::Tickets;
use crate::trust::{certificates, describe, private_key};

/// Which certificates to show, and whom to ask for one.
#[derive(Args, Clone, Debug)]
pub(crate) struct CertificateArguments {
    /// The certificate chain (PEM)
    #[arg(long, value_name = "FILE", required_unless_present = "certs")]
    pub(crate) cert: Option<PathBuf>,
    /// Its key (PEM), if it is not in --cert
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// A folder of others, taken by server name
    #[arg(long, value_name = "FOLDER")]
    pub(crate) certs: Option<PathBuf>,
    /// Demand client certificates of these (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) client_ca: Option<PathBuf>,
    /// Choose of these by ALPN
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) alpn: Vec<String>,
    /// Keys of session tickets, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) ticket_keys: Option<PathBuf>,
}

impl CertificateArguments {
    /// Everything in the files as they are now.
    pub(crate) fn load(&self) -> Result<Arc<ServerConfig>, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut names = Names::default();
        if let Some(cert) = &self.cert {
            let key = self.key.as_ref().unwrap_or(cert);
            names.default = Some(certified(cert, key, &provider)?);
        }
        if let Some(folder) = &self.certs {
            names.add_folder(folder, &provider)?;
        }
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS12, &TLS13])
            .map_err(|error| error.to_string())?;
        let builder = match &self.client_ca {
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    let added = roots.add(certificate);
                    added.map_err(|error| format!("{}: {error}", file.display()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                    .build()
                    .map_err(|error| format!("{}: {error}", file.display()))?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(names));
        config.alpn_protocols = self
            .alpn
            .iter()
            .map(|name| name.clone().into_bytes())
            .collect();
        config.ticketer = match &self.ticket_keys {
            Some(file) => Arc::new(Tickets::load(file)?),
            None => aws_lc_rs::Ticketer::new().map_err(|error| error.to_string())?,
        };
        Ok(Arc::new(config))
    }
}

/// A server without any certificate: whoever comes is told so by an alert.
pub(crate) fn nobody() -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS12, &TLS13])
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Names::default()));
    Ok(Arc::new(config))
}

/// Certificates by the names in them.
#[derive(Debug, Default)]
struct Names {
    default: Option<Arc<CertifiedKey>>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
}

impl Names {
    /// Each `X.pem`, with its key in `X.key` or in itself, for all DNS names in it.
    fn add_folder(&mut self, folder: &Path, provider: &CryptoProvider) -> Result<(), String> {
        let because = |error| format!("{}: {error}", folder.display());
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(because)? {
            let path = entry.map_err(because)?.path();
            if path.extension().is_some_and(|extension| extension == "pem") {
                files.push(path);
            }
        }
        // Of two for one name the last in order is taken, and not the one that the file system happens to show last.
        files.sort();
        for file in files {
            let key = Some(file.with_extension("key")).filter(|key| key.exists());
            let certified = certified(&file, key.as_ref().unwrap_or(&file), provider)?;
            let described = certified.cert.first().and_then(|der| describe(der));
            for name in described.map(|it| it.names).unwrap_or_default() {
                self.by_name
                    .insert(name.to_ascii_lowercase(), certified.clone());
            }
        }
        Ok(())
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let by_name = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let exact = self.by_name.get(&name);
            exact.or_else(|| self.by_name.get(&format!("*.{}", name.split_once('.')?.1)))
        });
        by_name.or(self.default.as_ref()).cloned()
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name())
    }
}

fn certified(
    chain: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, String> {
    CertifiedKey::from_der(certificates(chain)?, private_key(key)?, provider)
        .map(Arc::new)
        .map_err(|error| format!("{}, {}: {error}", chain.display(), key.display()))
}
