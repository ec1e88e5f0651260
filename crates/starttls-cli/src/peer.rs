//! Which peers to reach and how, from arguments: what `connect` and `check` have in common.

use std::time::Duration;

use clap::Args;

use crate::attempt::Attempt;
use crate::dial::{Host, Name, ViaArguments};
use crate::trust::{Trust, TrustArguments};

/// The options of every client.
#[derive(Args, Clone, Debug)]
pub(crate) struct PeerArguments {
    #[command(flatten)]
    pub(crate) reach: ReachArguments,
    /// For everything up to TLS
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// How to reach a server.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReachArguments {
    /// TLS from the first byte, without an upgrade
    #[arg(long)]
    pub(crate) implicit: bool,
    /// Our own name, for EHLO and for XMPP servers
    #[arg(long, value_name = "NAME")]
    pub(crate) from_name: Option<String>,
    #[command(flatten)]
    pub(crate) via: ViaArguments,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

impl PeerArguments {
    /// What is the same for all peers is read once.
    pub(crate) fn attempts(&self, name: Name, hosts: &[Host]) -> Result<Vec<Attempt>, String> {
        self.reach.attempts(name, hosts, self.timeout)
    }
}

impl ReachArguments {
    /// What is the same for all peers is read once.
    pub(crate) fn attempts(
        &self,
        name: Name,
        hosts: &[Host],
        timeout: Duration,
    ) -> Result<Vec<Attempt>, String> {
        let trust = Trust::new(&self.trust)?;
        let hops = self.via.hops()?;
        hosts
            .iter()
            .map(|host| {
                let port = host.port.or(name.default_port(self.implicit));
                let port = port.ok_or_else(|| {
                    let kind = if self.implicit {
                        "for implicit TLS"
                    } else {
                        "of its own"
                    };
                    format!("{} has no port {kind}: say HOST:PORT", name.text())
                })?;
                Ok(Attempt {
                    name,
                    implicit: self.implicit,
                    host: host.clone(),
                    port,
                    hops: hops.clone(),
                    proxy_header: self.via.proxy_header,
                    servername: self.trust.servername.clone(),
                    own_name: self.from_name.clone(),
                    trust: trust.clone(),
                    timeout,
                })
            })
            .collect()
    }
}

/// Seconds, with a fraction if need be; an end there always is.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds")?;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err("a number of seconds from 0.001 to 86400".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}
