//! `starttls connect`: reach one server, say what was found, and hand the secured connection over.

mod session;

pub(crate) use session::close;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use pem::{EncodeConfig, LineEnding, Pem};

use crate::attempt::Attempted;
use crate::dial::{Host, Name};
use crate::peer::PeerArguments;
use crate::report::implicit_instead;
use crate::terminal;
use crate::trust::Verdict;

/// Connect, upgrade to TLS, say what was negotiated, and talk
#[derive(Args)]
#[command(before_help = "Example: starttls connect imap mail.example.org --crlf")]
pub(crate) struct Connect {
    /// The protocol: smtp, imap, ldap, postgres, ... or tls
    #[arg(value_name = "PROTO")]
    protocol: Name,
    /// The server; the protocol's port if none is said
    #[arg(value_name = "HOST[:PORT]")]
    host: Host,
    #[command(flatten)]
    peer: PeerArguments,
    /// Send line ends as CR LF
    #[arg(long)]
    crlf: bool,
    /// Let this shell command talk to the server
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Do not say what was negotiated
    #[arg(long, short)]
    quiet: bool,
    /// Print one JSON object instead, and do not talk
    #[arg(long, conflicts_with_all = ["exec", "quiet", "crlf"])]
    json: bool,
    /// Write the server's certificates there (PEM)
    #[arg(long, value_name = "FILE")]
    save_chain: Option<PathBuf>,
}

impl Connect {
    pub(crate) async fn run(self) -> ExitCode {
        let hosts = std::slice::from_ref(&self.host);
        let attempt = match self.peer.attempts(self.protocol, hosts) {
            Ok(mut attempts) if !attempts.is_empty() => attempts.remove(0),
            Ok(_) => return ExitCode::FAILURE,
            Err(error) => return terminal::usage(&error),
        };
        let mut attempted = attempt.run().await;
        if attempt.waits_for_tls(&attempted).await {
            let advice = &mut attempted.report.advice;
            advice.push("the server speaks TLS from the first byte".to_owned());
            advice.push(implicit_instead(&attempt));
        }
        if let Some(file) = &self.save_chain
            && let Err(error) = save(file, &attempted.verdict)
        {
            return terminal::usage(&error);
        }
        self.show(&attempted);
        let outcome = attempted.report.outcome;
        match attempted.stream {
            Some(stream) if self.json => {
                session::close(stream).await;
                outcome.into()
            }
            Some(stream) => match &self.exec {
                Some(command) => session::execute(stream, command, attempt.timeout).await,
                None => session::talk(stream, self.crlf, attempt.timeout).await,
            },
            None => outcome.into(),
        }
    }

    fn show(&self, attempted: &Attempted) {
        let report = &attempted.report;
        if self.json {
            // A report is numbers, texts and lists of them: that is always JSON.
            let json = serde_json::to_string_pretty(report).unwrap_or_default();
            terminal::print(&format!("{json}\n"));
        } else if !self.quiet || attempted.failure.is_some() {
            terminal::complain(&terminal::on_stderr().report(report));
        }
    }
}

fn save(file: &Path, verdict: &Verdict) -> Result<(), String> {
    let chain: Vec<_> = verdict
        .chain
        .iter()
        .map(|certificate| Pem::new("CERTIFICATE", certificate.to_vec()))
        .collect();
    let text = pem::encode_many_config(&chain, EncodeConfig::new().set_line_ending(LineEnding::LF));
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
