//! A mail client that delivers to a domain's own servers: MX, TLSA and MTA-STS from the DNS, validated with DNSSEC by hickory-resolver; the decision, the upgrade
//! and the report by `starttls-policy`.
//!
//! `cargo run --example outgoing_mail --features hickory -- --selftest` does it over loopback, with a signed zone and servers of every kind.
//! `... -- --resolver 127.0.0.1:53 --ca ca.pem example.org` delivers a message to `postmaster` there.
//!
//! Fetching the MTA-STS policy over HTTPS and keeping it is left out: `--sts-policy` is the file.

mod delivery;
mod lookup;
mod loopback;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use starttls_policy::decision::Local;
use starttls_policy::sts;
use starttls_tokio::rustls::client::WebPkiServerVerifier;
use starttls_tokio::rustls::pki_types::CertificateDer;
use starttls_tokio::rustls::pki_types::pem::PemObject;
use starttls_tokio::rustls::{ClientConfig, RootCertStore};

use crate::delivery::Sender;
use crate::lookup::Dns;

/// Delivers a message to the servers of a domain, as securely as they ask for
#[derive(Parser)]
struct Arguments {
    /// The recipient's domain.
    #[arg(required_unless_present = "selftest")]
    domain: Option<String>,
    /// A DNS server that passes DNSSEC records on; the client validates by itself.
    #[arg(long, required_unless_present = "selftest")]
    resolver: Option<SocketAddr>,
    /// The DNSSEC trust anchor, as a zone file of DNSKEY records; that of the root if there is none.
    #[arg(long)]
    trust_anchor: Option<PathBuf>,
    /// The port of the servers.
    #[arg(long, default_value_t = 25)]
    port: u16,
    /// The certificate authorities to trust, PEM.
    #[arg(long, required_unless_present = "selftest")]
    ca: Option<PathBuf>,
    /// The domain's MTA-STS policy, as fetched.
    #[arg(long)]
    sts_policy: Option<PathBuf>,
    /// Send nothing without TLS.
    #[arg(long)]
    encrypt: bool,
    /// Instead: everything over loopback.
    #[arg(long)]
    selftest: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.selftest {
        return loopback::selftest().await;
    }
    let (Some(domain), Some(resolver), Some(ca)) =
        (arguments.domain, arguments.resolver, arguments.ca)
    else {
        anyhow::bail!("the domain, --resolver and --ca are needed");
    };
    let dns = Dns::new(
        resolver,
        lookup::anchors(arguments.trust_anchor.as_deref())?,
    )?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&ca)? {
        roots.add(certificate?)?;
    }
    let sts_policy = match arguments.sts_policy {
        Some(file) => Some(sts::Policy::parse(&std::fs::read(file)?)?),
        None => None,
    };
    let local = if arguments.encrypt {
        Local::Encrypt
    } else {
        Local::Opportunistic
    };
    let sender = Sender::new(roots, arguments.port, local)?;
    let delivered = sender.deliver(&dns, &domain, sts_policy.as_ref()).await?;
    println!("{}", serde_json::to_string(&delivered.attempts)?);
    delivered.host.context("not delivered")?;
    Ok(())
}

/// rustls' verifier with these authorities, and a configuration whose verifier the policy replaces.
fn tls(roots: RootCertStore) -> Result<(Arc<WebPkiServerVerifier>, Arc<ClientConfig>)> {
    let roots = Arc::new(roots);
    let verifier = WebPkiServerVerifier::builder(roots.clone()).build()?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((verifier, Arc::new(config)))
}
