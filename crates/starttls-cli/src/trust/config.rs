//! The TLS client's configuration, from arguments.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use starttls_tokio::rustls::client::{Resumption, WebPkiServerVerifier};
use starttls_tokio::rustls::crypto::{CryptoProvider, aws_lc_rs};
use starttls_tokio::rustls::pki_types::pem::PemObject;
use starttls_tokio::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use starttls_tokio::rustls::version::{TLS12, TLS13};
use starttls_tokio::rustls::{
    CipherSuite, ClientConfig, NamedGroup, RootCertStore, SupportedProtocolVersion,
};

use crate::trust::{Recorder, Seen};

/// What to ask for in TLS, and whom to believe.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TrustArguments {
    /// The certificate's name, instead of HOST
    #[arg(long, value_name = "NAME")]
    pub(crate) servername: Option<String>,
    /// Trust these instead of the system's (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,
    /// Our own certificate chain, perhaps with key
    #[arg(long, value_name = "FILE")]
    pub(crate) client_cert: Option<PathBuf>,
    /// The key of --client-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_key: Option<PathBuf>,
    /// Offer these protocols by ALPN
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) alpn: Vec<String>,
    /// This version of TLS only: 1.2 or 1.3
    #[arg(long, value_name = "VERSION", value_enum, hide_possible_values = true)]
    pub(crate) tls: Option<Versions>,
}

/// One version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Versions {
    #[value(name = "1.2")]
    Tls12,
    #[value(name = "1.3")]
    Tls13,
}

impl Versions {
    pub(crate) fn protocol(self) -> &'static SupportedProtocolVersion {
        match self {
            Self::Tls12 => &TLS12,
            Self::Tls13 => &TLS13,
        }
    }
}

/// A key exchange by its name, in any spelling: `X25519MLKEM768`, `x25519`, `secp256r1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) NamedGroup);

impl std::str::FromStr for Group {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let groups = aws_lc_rs::ALL_KX_GROUPS.iter().map(|group| group.name());
        let names: Vec<_> = groups.clone().map(|group| format!("{group:?}")).collect();
        groups
            .zip(&names)
            .find(|(_, known)| known.eq_ignore_ascii_case(name))
            .map(|(group, _)| Self(group))
            .ok_or_else(|| format!("known are {}", names.join(", ")))
    }
}

/// Roots and our own certificate, read once for any number of connections.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    roots: Arc<RootCertStore>,
    own: Option<Arc<Own>>,
    alpn: Vec<Vec<u8>>,
    versions: Vec<&'static SupportedProtocolVersion>,
    suite: Option<CipherSuite>,
    verify: bool,
}

#[derive(Debug)]
struct Own {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Trust {
    pub(crate) fn new(arguments: &TrustArguments) -> Result<Self, String> {
        let own = match &arguments.client_cert {
            Some(chain) => {
                let key = arguments.client_key.as_ref().unwrap_or(chain);
                Some(Arc::new(Own {
                    chain: certificates(chain)?,
                    key: private_key(key)?,
                }))
            }
            None => None,
        };
        Ok(Self {
            roots: Arc::new(roots(&arguments.ca)?),
            own,
            alpn: arguments
                .alpn
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect(),
            versions: match arguments.tls {
                Some(version) => vec![version.protocol()],
                None => vec![&TLS12, &TLS13],
            },
            suite: None,
            verify: true,
        })
    }

    /// For looking only: any certificate is taken. Nothing is ever said on such a connection that anybody could use.
    pub(crate) fn of_anybody() -> Self {
        Self {
            roots: Arc::new(RootCertStore::empty()),
            own: None,
            alpn: Vec::new(),
            versions: vec![&TLS12, &TLS13],
            suite: None,
            verify: false,
        }
    }

    /// The same with this version alone.
    pub(crate) fn version(&self, version: &'static SupportedProtocolVersion) -> Self {
        Self {
            versions: vec![version],
            ..self.clone()
        }
    }

    /// The same with this suite alone.
    pub(crate) fn suite(&self, suite: CipherSuite) -> Self {
        Self {
            suite: Some(suite),
            ..self.clone()
        }
    }

    /// A configuration for one connection, and where to find what it has seen of the peer.
    pub(crate) fn client(&self) -> Result<(Arc<ClientConfig>, Seen), String> {
        let provider = Arc::new(self.provider());
        let seen = Seen::default();
        let webpki = match self.verify {
            true => Some(
                WebPkiServerVerifier::builder_with_provider(self.roots.clone(), provider.clone())
                    .build()
                    .map_err(|error| format!("no authority to trust: {error}"))?,
            ),
            false => None,
        };
        let recorder = Recorder::new(webpki, provider.clone(), seen.clone());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(recorder));
        let mut config = match &self.own {
            Some(own) => builder
                .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
                .map_err(|error| format!("the client's certificate: {error}"))?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.alpn);
        // Each run is to see what a stranger sees.
        config.resumption = Resumption::disabled();
        Ok((Arc::new(config), seen))
    }

    fn provider(&self) -> CryptoProvider {
        let mut provider = aws_lc_rs::default_provider();
        // What the best servers have is asked for first: a key exchange that a later quantum computer cannot undo.
        provider
            .kx_groups
            .sort_by_key(|group| group.name() != NamedGroup::X25519MLKEM768);
        if let Some(wanted) = self.suite {
            provider
                .cipher_suites
                .retain(|suite| suite.suite() == wanted);
        }
        provider
    }
}

fn roots(files: &[PathBuf]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    if files.is_empty() {
        let system = rustls_native_certs::load_native_certs();
        // Some authorities of a system are too old to be parsed; the others do.
        roots.add_parsable_certificates(system.certs);
    } else {
        for file in files {
            for certificate in certificates(file)? {
                roots
                    .add(certificate)
                    .map_err(|error| format!("{}: {error}", file.display()))?;
            }
        }
    }
    if roots.is_empty() {
        return Err("there are no authorities to trust: give some with --ca".to_owned());
    }
    Ok(roots)
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    if chain.is_empty() {
        return Err(format!("{}: no certificate is in it", file.display()));
    }
    Ok(chain)
}

/// The private key of a PEM file.
pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| format!("{}: {error}", file.display()))
}
