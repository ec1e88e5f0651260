//! One port: its first words, TLS from the first byte, then the upgrades that it may speak.

use std::time::Duration;

use starttls_protocols::diagnose::{Spoken, recognise};
use starttls_protocols::registry::{First, Protocol};
use starttls_tokio::rustls::crypto::aws_lc_rs;
use starttls_tokio::rustls::version::{TLS12, TLS13};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::attempt::{Attempt, Attempted, suite_name, version};
use crate::dial::{Host, Name, dial};
use crate::report::{Failure, Outcome};
use crate::scan::{Port, Speaks, is_open};
use crate::trust::Trust;

/// How to look.
pub(crate) struct Look {
    pub(crate) host: Host,
    pub(crate) servername: Option<String>,
    pub(crate) trust: Trust,
    pub(crate) timeout: Duration,
    pub(crate) wait: Duration,
    pub(crate) suites: bool,
}

impl Look {
    /// What the port speaks; `None` if it takes no connection.
    pub(crate) async fn at(&self, port: u16) -> Option<Port> {
        if !is_open(&self.host.name, port, self.timeout).await {
            return None;
        }
        let heard = self.first_words(port).await;
        let mut found = match recognise(&heard) {
            Some(spoken) => self.recognised(port, spoken).await,
            None => self.silent(port, heard.is_empty()).await,
        };
        if matches!(found.speaks, Speaks::Upgrade | Speaks::Implicit) {
            self.negotiable(&mut found).await;
        }
        Some(found)
    }

    /// What a server says to whom says nothing.
    async fn first_words(&self, port: u16) -> Vec<u8> {
        let mut heard = Vec::new();
        let listen = async {
            let mut socket = dial(&self.host.name, port).await?;
            // A first line is enough, and the first piece has it as a rule.
            while heard.len() < 256 && !heard.contains(&b'\n') && recognise(&heard).is_none() {
                if socket.read_buf(&mut heard).await? == 0 {
                    break;
                }
            }
            Ok::<_, std::io::Error>(())
        };
        // Silence, and an end, are an answer too.
        let _ = timeout(self.wait, listen).await;
        heard
    }

    async fn recognised(&self, port: u16, spoken: &[Spoken]) -> Port {
        let mut protocols: Vec<_> = spoken
            .iter()
            .filter_map(|spoken| match spoken {
                Spoken::Upgradable(protocol) => Some(*protocol),
                _ => None,
            })
            .collect();
        // Not every server of LMTP says so in its greeting.
        if protocols.contains(&Protocol::Smtp) {
            protocols.push(Protocol::Lmtp);
        }
        let best = self.best_of(port, protocols.into_iter()).await;
        let mut found = best.unwrap_or_else(|| nothing(port, Speaks::Plaintext));
        if found.speaks != Speaks::Upgrade {
            found.speaks = Speaks::Plaintext;
            found.protocols = spoken
                .iter()
                .map(|spoken| spoken.title().to_owned())
                .collect();
        }
        found
    }

    /// The client speaks first here, in TLS or in plaintext.
    async fn silent(&self, port: u16, silent: bool) -> Port {
        let tls = Name::tls();
        let attempted = self.attempt(tls, port, &self.trust).run().await;
        if secured(&attempted) {
            let usual = Name::ends().filter(|it| it.facts().implicit_tls_port == Some(port));
            let mut found = shown(port, Speaks::Implicit, attempted).await;
            found.protocols = usual.map(|protocol| protocol.name().to_owned()).collect();
            return found;
        }
        if let Some(Failure::Protocol(_, starttls_tokio::starttls_core::Error::NotTls { sample })) =
            &attempted.failure
            && let Some(spoken) = recognise(sample.as_bytes())
            && !spoken.contains(&Spoken::Http)
        {
            return Box::pin(self.recognised(port, spoken)).await;
        }
        if !silent {
            return nothing(port, Speaks::Unknown);
        }
        let first = |it: &Protocol| it.facts().first_in_plaintext == First::Client;
        let mut candidates: Vec<_> = Name::ends().filter(first).collect();
        candidates.sort_by_key(|it| it.facts().port != Some(port));
        let best = self.best_of(port, candidates.into_iter()).await;
        best.unwrap_or_else(|| nothing(port, Speaks::Unknown))
    }

    /// Tries each until one upgrades.
    async fn best_of(&self, port: u16, protocols: impl Iterator<Item = Protocol>) -> Option<Port> {
        let mut best: Option<Port> = None;
        for protocol in protocols {
            let attempt = self.attempt(Name::of(protocol), port, &self.trust);
            let attempted = attempt.run().await;
            let speaks = match attempted.report.outcome {
                _ if secured(&attempted) => Speaks::Upgrade,
                Outcome::NotOffered | Outcome::Refused => Speaks::Plaintext,
                _ => continue,
            };
            let mut found = shown(port, speaks, attempted).await;
            found.protocols = vec![protocol.name().to_owned()];
            if speaks == Speaks::Upgrade {
                return Some(found);
            }
            best = best.or(Some(found));
        }
        best
    }

    /// Versions and suites, each in a connection of its own.
    async fn negotiable(&self, found: &mut Port) {
        let name = match (found.speaks, found.protocols.first()) {
            (Speaks::Upgrade, Some(protocol)) => protocol.parse().unwrap_or(Name::tls()),
            _ => Name::tls(),
        };
        let anybody = Trust::of_anybody();
        for protocol_version in [&TLS12, &TLS13] {
            let trust = anybody.version(protocol_version);
            if !self.takes(name, found.port, &trust).await {
                continue;
            }
            found.versions.push(version(protocol_version.version));
            if !self.suites {
                continue;
            }
            for suite in aws_lc_rs::ALL_CIPHER_SUITES {
                if suite.version().version == protocol_version.version
                    && self
                        .takes(name, found.port, &trust.suite(suite.suite()))
                        .await
                {
                    found.suites.push(suite_name(suite.suite()));
                }
            }
        }
    }

    async fn takes(&self, name: Name, port: u16, trust: &Trust) -> bool {
        let attempted = self.attempt(name, port, trust).run().await;
        let taken = attempted.stream.is_some();
        if let Some(stream) = attempted.stream {
            crate::connect::close(stream).await;
        }
        taken
    }

    fn attempt(&self, name: Name, port: u16, trust: &Trust) -> Attempt {
        Attempt {
            name,
            implicit: false,
            host: self.host.clone(),
            port,
            hops: Vec::new(),
            proxy_header: None,
            servername: self.servername.clone(),
            own_name: None,
            trust: trust.clone(),
            timeout: self.timeout,
        }
    }
}

/// The server has shown its certificate: it speaks TLS here, whether we believe it or not.
fn secured(attempted: &Attempted) -> bool {
    let outcome = attempted.report.outcome;
    matches!(outcome, Outcome::Secured | Outcome::Certificate)
        || !attempted.verdict.chain.is_empty()
}

async fn shown(port: u16, speaks: Speaks, attempted: Attempted) -> Port {
    if let Some(stream) = attempted.stream {
        crate::connect::close(stream).await;
    }
    Port {
        connection: Some(attempted.report),
        ..nothing(port, speaks)
    }
}

fn nothing(port: u16, speaks: Speaks) -> Port {
    Port {
        port,
        speaks,
        protocols: Vec::new(),
        versions: Vec::new(),
        suites: Vec::new(),
        connection: None,
    }
}
