//! `starttls probe`: known attacks on a server's or a client's switch to TLS, each with a verdict and its evidence.

mod attacks;
mod cases;
mod drive;
mod format;
mod hostile;
mod inside;
mod words;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use schemars::JsonSchema;
use serde::Serialize;
use starttls_protocols::registry::Protocol;

use crate::dial::{Host, Name};
use crate::peer::duration;
use crate::report::Outcome;
use crate::terminal;
use cases::Case;

/// Attack the switch to TLS of a server, or of clients, and judge
#[derive(Args)]
#[command(
    before_help = "Example: starttls probe smtp localhost\n         starttls probe imap --listen 127.0.0.1:1143 --ca-out ca.pem"
)]
pub(crate) struct Probe {
    /// The protocol: smtp, imap, pop3, ...
    #[arg(value_name = "PROTO")]
    protocol: Name,
    /// The server to attack
    #[arg(
        value_name = "HOST[:PORT]",
        required_unless_present = "listen",
        conflicts_with = "listen"
    )]
    host: Option<Host>,
    /// I am allowed to attack a host that is not this one
    #[arg(long)]
    i_may_test_this_host: bool,
    /// Be the server, and attack clients
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// With --listen: these, one a connection
    #[arg(
        long,
        value_name = "NAME,...",
        value_enum,
        value_delimiter = ',',
        hide_possible_values = true,
        requires = "listen"
    )]
    case: Vec<Case>,
    /// With --listen: where to put the authority to trust
    #[arg(long, value_name = "FILE", requires = "listen")]
    ca_out: Option<PathBuf>,
    /// With --listen: our name [default: localhost]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "localhost",
        hide_default_value = true
    )]
    name: String,
    /// text, json, junit or sarif
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        hide_possible_values = true,
        hide_default_value = true
    )]
    format: Format,
    /// For each step, such as an answer
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = duration)]
    timeout: Duration,
    /// What is taken for silence
    #[arg(long, value_name = "SECONDS", default_value = "0.7", value_parser = duration)]
    wait: Duration,
}

/// How to say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
    Junit,
    Sarif,
}

/// What a probe has found. The version in `schema` changes when a field is taken away or changes its meaning; new fields may
/// come at any time.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Probed {
    /// `starttls-probe/1`.
    pub(crate) schema: &'static str,
    /// `server` or `client`: who was attacked.
    pub(crate) role: &'static str,
    /// The protocol.
    pub(crate) protocol: &'static str,
    /// The server, or where clients were waited for.
    pub(crate) target: String,
    /// Each attack.
    pub(crate) attacks: Vec<Judged>,
}

/// One attack and what came of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Judged {
    /// The attack, by a name that stays.
    pub(crate) attack: &'static str,
    /// What it is, in a sentence.
    pub(crate) about: &'static str,
    /// What came of it.
    pub(crate) verdict: Verdict,
    /// Why, in a sentence.
    pub(crate) because: String,
    /// What was sent and received, escaped.
    pub(crate) evidence: Vec<Evidence>,
}

/// Bytes that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Evidence {
    /// `sent`, `received`, `sent inside TLS` or `received inside TLS`.
    pub(crate) what: &'static str,
    /// The bytes, escaped; the first 512 of them.
    pub(crate) bytes: String,
}

impl Evidence {
    pub(crate) fn new(what: &'static str, bytes: &[u8]) -> Self {
        let shown = bytes.get(..512).unwrap_or(bytes);
        let cut = if shown.len() < bytes.len() { "..." } else { "" };
        Self {
            what,
            bytes: format!("{}{cut}", shown.escape_ascii()),
        }
    }
}

/// What came of an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// It did not succeed.
    Pass,
    /// It did.
    Fail,
    /// It did not succeed, but something is worth knowing.
    Note,
    /// It does not apply to this protocol.
    Skipped,
    /// It cannot be told.
    Unclear,
}

impl Probe {
    pub(crate) async fn run(self) -> ExitCode {
        let Some(protocol) = self.protocol.protocol else {
            return terminal::usage("tls has no switch to attack: say a protocol");
        };
        match (&self.host, self.listen) {
            (Some(host), _) => self.server(protocol, host).await,
            (None, Some(address)) => self.clients(protocol, address).await,
            (None, None) => terminal::usage("HOST or --listen"),
        }
    }

    async fn server(&self, protocol: Protocol, host: &Host) -> ExitCode {
        if !self.i_may_test_this_host && !is_here(host).await {
            return terminal::usage(
                "this attacks a host: say --i-may-test-this-host if it is yours or its owner has agreed",
            );
        }
        let port = host.port.or(self.protocol.default_port(false));
        let Some(port) = port else {
            return terminal::usage("the port is missing");
        };
        let target = attacks::Target {
            protocol,
            host: host.clone(),
            port,
            timeout: self.timeout,
            wait: self.wait,
        };
        match attacks::all(&target).await {
            Ok(attacks) => self.finish(Probed {
                schema: "starttls-probe/1",
                role: "server",
                protocol: protocol.name(),
                target: host.with_port(port),
                attacks,
            }),
            Err(failure) => {
                terminal::complain(&format!("starttls: no upgrade to attack: {failure}\n"));
                failure.outcome().into()
            }
        }
    }

    async fn clients(&self, protocol: Protocol, address: SocketAddr) -> ExitCode {
        if !address.ip().to_canonical().is_loopback() && !self.i_may_test_this_host {
            return terminal::usage(
                "clients of others may come there: say --i-may-test-this-host if they have agreed",
            );
        }
        let served = hostile::serve(hostile::Hostile {
            protocol,
            address,
            cases: self.case.clone(),
            name: self.name.clone(),
            ca_out: self.ca_out.clone(),
            timeout: self.timeout,
            wait: self.wait,
        });
        match served.await {
            Ok(attacks) => self.finish(Probed {
                schema: "starttls-probe/1",
                role: "client",
                protocol: protocol.name(),
                target: address.to_string(),
                attacks,
            }),
            Err(error) => terminal::usage(&error),
        }
    }

    fn finish(&self, probed: Probed) -> ExitCode {
        terminal::print(&match self.format {
            Format::Text => format::text(&probed, &terminal::on_stdout()),
            Format::Json => format::json(&probed),
            Format::Junit => format::junit(&probed),
            Format::Sarif => format::sarif(&probed),
        });
        match probed.attacks.iter().any(|it| it.verdict == Verdict::Fail) {
            true => ExitCode::FAILURE,
            false => Outcome::Secured.into(),
        }
    }
}

/// Every address of it is loopback. A name is believed only when the resolver says so too.
async fn is_here(host: &Host) -> bool {
    match tokio::net::lookup_host((host.name.as_str(), 0)).await {
        Ok(addresses) => {
            let mut addresses = addresses.peekable();
            addresses.peek().is_some() && addresses.all(|it| it.ip().to_canonical().is_loopback())
        }
        Err(_) => false,
    }
}
