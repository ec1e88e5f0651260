//! From what is known of the hosts to a message that is delivered, or not.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use starttls_policy::dane::{Records, Verifier};
use starttls_policy::decision::{Dane, Facts, Local, Sts, decide};
use starttls_policy::tlsrpt::ResultType;
use starttls_policy::{Failed, Policy, Report, Trust, Upgraded, sts};
use starttls_protocols::smtp;
use starttls_tokio::rustls::client::WebPkiServerVerifier;
use starttls_tokio::rustls::pki_types::ServerName;
use starttls_tokio::rustls::{ClientConfig, RootCertStore};
use starttls_tokio::starttls_core::Error as CoreError;
use starttls_tokio::{Error, PlainStream};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::lookup::{Dns, Host};

/// Our side of all deliveries.
pub(crate) struct Sender {
    authorities: Arc<WebPkiServerVerifier>,
    config: Arc<ClientConfig>,
    port: u16,
    local: Local,
}

/// What became of a message.
pub(crate) struct Delivered {
    /// The host that has it now.
    pub(crate) host: Option<String>,
    /// What happened with each host that was tried.
    pub(crate) attempts: Vec<Tried>,
}

/// What happened with one host.
#[derive(serde::Serialize)]
pub(crate) struct Tried {
    pub(crate) host: String,
    /// Why there was no connection, or none that could be used.
    pub(crate) refused: Option<String>,
    /// What a TLS-RPT report would call it.
    pub(crate) failure: Option<ResultType>,
    /// What became of the connection.
    pub(crate) report: Option<Report>,
}

impl Sender {
    pub(crate) fn new(roots: RootCertStore, port: u16, local: Local) -> Result<Self> {
        let (authorities, config) = crate::tls(roots)?;
        Ok(Self {
            authorities,
            config,
            port,
            local,
        })
    }

    /// Tries the domain's hosts in their order, until one has the message.
    pub(crate) async fn deliver(
        &self,
        dns: &Dns,
        domain: &str,
        sts_policy: Option<&sts::Policy>,
    ) -> Result<Delivered> {
        // Without its record a policy is that of another time, unless it was kept.
        let sts_policy = match dns.sts_record(domain).await {
            Some(_) => sts_policy,
            None => None,
        };
        let mut attempts = Vec::new();
        for host in dns.hosts(domain).await? {
            let (tried, done) = self.try_host(dns, domain, &host, sts_policy).await?;
            attempts.push(tried);
            if done {
                let host = Some(host.name);
                return Ok(Delivered { host, attempts });
            }
        }
        Ok(Delivered {
            host: None,
            attempts,
        })
    }

    async fn try_host(
        &self,
        dns: &Dns,
        domain: &str,
        host: &Host,
        sts_policy: Option<&sts::Policy>,
    ) -> Result<(Tried, bool)> {
        let mut tried = Tried {
            host: host.name.clone(),
            refused: None,
            failure: None,
            report: None,
        };
        let Ok((addresses, dane, records)) = dns.host(host, self.port).await else {
            // The host's own address could not be looked up, or did not validate.
            tried.refused = Some("no address".to_owned());
            tried.failure = Some(ResultType::DnssecInvalid);
            return Ok((tried, false));
        };
        let policy = match self.policy(domain, host, dane, records, sts_policy) {
            Ok(policy) => policy,
            Err(forbidden) => {
                tried.refused = Some(forbidden.to_string());
                tried.failure = ResultType::of_decision(forbidden.0.reason);
                return Ok((tried, false));
            }
        };
        for address in addresses {
            let address = SocketAddr::new(address, self.port);
            let Ok(socket) = TcpStream::connect(address).await else {
                tried.refused = Some("no connection".to_owned());
                continue;
            };
            let plain = PlainStream::new(socket);
            let (report, sent) = match plain
                .upgrade_by(&policy, smtp::Client::new("client.example"))
                .await
            {
                Ok(Upgraded::Tls(mut tls, report)) => {
                    // Inside TLS everything begins again (RFC 3207 section 4.2).
                    (Some(report), send(&mut tls, domain, true).await)
                }
                Ok(Upgraded::Plaintext(mut plain, report)) => {
                    (Some(report), send(&mut plain, domain, false).await)
                }
                Err(Failed { error, report, .. }) => {
                    if let Error::Protocol(CoreError::Misuse(misuse)) = error {
                        bail!("{misuse}");
                    }
                    (report.map(|report| *report), Err(error.into()))
                }
            };
            tried.failure = report.as_ref().and_then(|report| report.failure);
            tried.report = report;
            match sent {
                Ok(()) => return Ok((tried, true)),
                Err(error) => tried.refused = Some(error.to_string()),
            }
        }
        Ok((tried, false))
    }

    /// The decision about a host, and what it takes to see it through.
    fn policy(
        &self,
        domain: &str,
        host: &Host,
        dane: Dane,
        records: Records,
        sts_policy: Option<&sts::Policy>,
    ) -> Result<Policy, starttls_policy::Forbidden> {
        let decision = decide(&Facts {
            dane,
            sts: sts_policy.map_or(Sts::NotApplicable, |policy| Sts::Policy {
                mode: policy.mode(),
                lists_host: policy.lists(&host.name),
            }),
            local: self.local,
            secure_name: host.secure,
            ..Facts::default()
        });
        let verifier = Verifier::new(records, self.config.crypto_provider().clone());
        // Where the MX RRset was validated the next-hop domain is a name too (RFC 7672 section 3.2.2).
        let verifier = if host.secure {
            verifier.or_name(domain).ok()
        } else {
            Some(verifier)
        };
        let trust = Trust {
            authorities: Some(self.authorities.clone()),
            dane: verifier.map(Arc::new),
            pins: Vec::new(),
        };
        let name = ServerName::try_from(host.name.clone())
            .map_err(|_| starttls_policy::Forbidden(decision))?;
        Policy::new(decision, name, self.config.clone(), trust)
    }
}

/// The message; behind a STARTTLS that was declined the server has heard EHLO already.
async fn send(
    stream: &mut (impl AsyncBufRead + AsyncWrite + Unpin),
    domain: &str,
    hello: bool,
) -> Result<()> {
    let recipient = format!("RCPT TO:<postmaster@{domain}>");
    let body = "Subject: hello\r\n\r\nHello.\r\n.";
    let hello = hello.then_some(("EHLO client.example", "250"));
    let dialogue = [
        ("MAIL FROM:<>", "250"),
        (&recipient, "250"),
        ("DATA", "354"),
        (body, "250"),
        ("QUIT", "221"),
    ];
    for (command, expected) in hello.into_iter().chain(dialogue) {
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .await?;
        stream.flush().await?;
        loop {
            let mut line = String::new();
            (&mut *stream).take(2_000).read_line(&mut line).await?;
            ensure!(line.starts_with(expected), "{line:?} instead of {expected}");
            if line.as_bytes().get(3) != Some(&b'-') {
                break;
            }
        }
    }
    Ok(())
}
