//! `starttls scan`: which upgrade, or TLS from the first byte, or neither, each port of a host speaks.

mod look;
mod ports;

use std::collections::BTreeSet;
use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use futures_util::{StreamExt, stream};
use schemars::JsonSchema;
use serde::Serialize;

use crate::check::progress;
use crate::dial::{Host, dial};
use crate::peer::duration;
use crate::report::{Outcome, Report, Words};
use crate::terminal;
use crate::trust::{Trust, TrustArguments};
use look::Look;

/// Find out which ports upgrade or begin with TLS
#[derive(Args)]
#[command(before_help = "Example: starttls scan mail.example.org --ports 25,110,143,587,993")]
pub(crate) struct Scan {
    /// The host
    host: Host,
    /// These ports: 25,143,8000-8010
    #[arg(long, value_name = "LIST", value_parser = ports::parse)]
    ports: Option<BTreeSet<u16>>,
    /// The cipher suites too, a connection for each
    #[arg(long)]
    suites: bool,
    /// For each connection
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = duration)]
    timeout: Duration,
    /// For the first words of a server
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = duration)]
    wait: Duration,
    /// How many ports at once
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    trust: TrustArguments,
}

/// What `starttls scan --json` prints. The version in `schema` changes when a field is taken away or changes its meaning; new
/// fields may come at any time.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Scanned {
    /// `starttls-scan/1`.
    schema: &'static str,
    /// The host as it was given.
    host: String,
    /// The ports that take connections, in order.
    ports: Vec<Port>,
    /// How many others were tried.
    closed: usize,
    /// What a scan like this cannot find out.
    not_tried: Vec<&'static str>,
}

/// One port that takes connections.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Port {
    /// The number.
    pub(crate) port: u16,
    /// What it speaks.
    pub(crate) speaks: Speaks,
    /// The protocol that was recognised or that answered; several where they greet alike.
    pub(crate) protocols: Vec<String>,
    /// The versions of TLS that it takes, of 1.2 and 1.3.
    pub(crate) versions: Vec<String>,
    /// The cipher suites that it takes, of those that were tried; empty unless they were asked for.
    pub(crate) suites: Vec<String>,
    /// The connection that shows it, as `starttls connect --json` prints it.
    pub(crate) connection: Option<Report>,
}

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Speaks {
    /// Nothing that is known here.
    Unknown,
    /// A protocol without an upgrade, or with one that is not offered or refused.
    Plaintext,
    /// An upgrade to TLS.
    Upgrade,
    /// TLS from the first byte.
    Implicit,
}

const NOT_TRIED: [&str; 4] = [
    "versions before TLS 1.2",
    "cipher suites without forward secrecy or with CBC",
    "proxies: HTTP CONNECT, SOCKS, the PROXY header",
    "UDP and DTLS",
];

impl Scan {
    pub(crate) async fn run(self) -> ExitCode {
        let trust = match Trust::new(&self.trust) {
            Ok(trust) => trust,
            Err(error) => return terminal::usage(&error),
        };
        let ports = match (self.host.port, &self.ports) {
            (_, Some(ports)) => ports.clone(),
            (Some(port), None) => BTreeSet::from([port]),
            (None, None) => ports::usual(),
        };
        // A name without an address has no ports at all.
        if let Err(error) = tokio::net::lookup_host((self.host.name.as_str(), 0)).await {
            terminal::complain(&format!("starttls: {}: {error}\n", self.host.name));
            return Outcome::Network.into();
        }
        let look = Look {
            host: self.host.clone(),
            servername: self.trust.servername.clone(),
            trust,
            timeout: self.timeout,
            wait: self.wait,
            suites: self.suites,
        };
        let all = ports.len();
        let bar = progress(all, stderr().is_terminal());
        let mut open: Vec<Port> = stream::iter(ports)
            .map(|port| look.at(port))
            .buffer_unordered(usize::from(self.parallel))
            .inspect(|_| bar.inc(1))
            .filter_map(std::future::ready)
            .collect()
            .await;
        bar.finish_and_clear();
        open.sort_by_key(|port| port.port);
        let scanned = Scanned {
            schema: "starttls-scan/1",
            host: self.host.name.clone(),
            closed: all.saturating_sub(open.len()),
            ports: open,
            not_tried: NOT_TRIED.to_vec(),
        };
        if self.json {
            // Numbers, texts and lists of them are always JSON.
            let json = serde_json::to_string_pretty(&scanned).unwrap_or_default();
            terminal::print(&format!("{json}\n"));
        } else {
            terminal::print(&text(&scanned, &terminal::on_stdout()));
        }
        match scanned.ports.is_empty() {
            true => Outcome::Network.into(),
            false => ExitCode::SUCCESS,
        }
    }
}

fn text(scanned: &Scanned, words: &Words) -> String {
    let mut text = String::new();
    for port in &scanned.ports {
        let speaks = match port.speaks {
            Speaks::Upgrade => words.good("upgrade  "),
            Speaks::Implicit => words.good("implicit "),
            Speaks::Plaintext => words.bad("plaintext"),
            Speaks::Unknown => words.dim("unknown  "),
        };
        let protocols = match port.protocols.is_empty() {
            true => "-".to_owned(),
            false => port.protocols.join(" or "),
        };
        let mut parts = vec![protocols];
        if !port.versions.is_empty() {
            parts.push(port.versions.join(" and "));
        }
        if let Some(report) = &port.connection {
            match (&report.tls, &report.error) {
                (Some(tls), _) => parts.extend(tls.group.clone()),
                (None, Some(error)) => parts.push(error.clone()),
                (None, None) => {}
            }
            if let Some(first) = report.chain.first() {
                parts.push(format!("{} days left", first.days_left));
            }
        }
        text.push_str(&format!("{:<5} {speaks} {}\n", port.port, parts.join(", ")));
        if !port.suites.is_empty() {
            text.push_str(&format!("                {}\n", port.suites.join(" ")));
        }
    }
    text.push_str(&format!("{} ports are closed\n", scanned.closed));
    text.push_str(&words.dim(&format!("not tried: {}\n", scanned.not_tried.join("; "))));
    text
}

/// Whether a port takes connections.
async fn is_open(host: &str, port: u16, patience: Duration) -> bool {
    matches!(
        tokio::time::timeout(patience, dial(host, port)).await,
        Ok(Ok(_))
    )
}
