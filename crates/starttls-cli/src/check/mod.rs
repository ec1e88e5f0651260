//! `starttls check`: whether servers are as they should be, for monitoring.

mod exporter;
mod format;
mod judge;
mod measure;
mod nagios;

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) use exporter::Exporter;
pub(crate) use format::Object;
pub(crate) use judge::{Demands, Finding, Level, judge};

use crate::attempt::{Attempt, Attempted};
use crate::dial::{Host, Name};
use crate::peer::PeerArguments;
use crate::terminal;

/// Check servers for monitoring: certificate, version, group, names
#[derive(Args)]
#[command(before_help = "Example: starttls check smtp mx.example.org --format nagios")]
pub(crate) struct Check {
    /// The protocol: smtp, imap, ldap, postgres, ... or tls
    #[arg(value_name = "PROTO")]
    protocol: Name,
    /// The servers; the protocol's port if none is said
    #[arg(value_name = "HOST[:PORT]", required = true)]
    hosts: Vec<Host>,
    #[command(flatten)]
    demands: Demands,
    /// text, json, nagios, prometheus, openmetrics
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        hide_possible_values = true,
        hide_default_value = true
    )]
    format: Format,
    /// Replace this file with it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How many servers at once
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    #[command(flatten)]
    peer: PeerArguments,
}

/// How to say what was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // A line a server
    #[default]
    Text,
    // One object
    Json,
    // One line, as plugins of Nagios print it
    Nagios,
    // For a textfile collector
    Prometheus,
    // The same in the newer format
    Openmetrics,
}

/// A server, what was found and what it comes to.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) attempt: Attempt,
    pub(crate) attempted: Attempted,
    pub(crate) findings: Vec<Finding>,
}

impl Checked {
    pub(crate) async fn run(attempt: Attempt, demands: &Demands) -> Self {
        let mut attempted = attempt.run().await;
        if let Some(stream) = attempted.stream.take() {
            crate::connect::close(stream).await;
        }
        let findings = judge(demands, &attempted);
        Self {
            attempt,
            attempted,
            findings,
        }
    }

    pub(crate) fn level(&self) -> Level {
        let levels = self.findings.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }

    pub(crate) fn target(&self) -> String {
        self.attempt.host.with_port(self.attempt.port)
    }
}

impl Check {
    pub(crate) async fn run(self) -> ExitCode {
        let attempts = match self.peer.attempts(self.protocol, &self.hosts) {
            Ok(attempts) => attempts,
            Err(error) => return unknown(&error),
        };
        let bar = progress(attempts.len(), stderr().is_terminal());
        let mut checked: Vec<_> = stream::iter(attempts.into_iter().enumerate())
            .map(async |(index, attempt)| (index, Checked::run(attempt, &self.demands).await))
            .buffer_unordered(usize::from(self.parallel))
            .inspect(|_| bar.inc(1))
            .collect()
            .await;
        bar.finish_and_clear();
        // In the order in which they were given.
        checked.sort_by_key(|(index, _)| *index);
        let checked: Vec<_> = checked.into_iter().map(|(_, checked)| checked).collect();
        let level = checked.iter().map(Checked::level).max();
        let text = match self.format {
            Format::Text => format::text(&checked, &terminal::on_stdout()),
            Format::Json => format::json(&checked),
            Format::Nagios => nagios::line(&checked, &self.demands),
            Format::Prometheus => measure::labelled(&checked).prometheus(),
            Format::Openmetrics => measure::labelled(&checked).openmetrics(),
        };
        match &self.output {
            Some(file) => {
                if let Err(error) = replace(file, &text) {
                    return unknown(&format!("{}: {error}", file.display()));
                }
            }
            None => terminal::print(&text),
        }
        level.unwrap_or(Level::Unknown).into()
    }
}

/// On a terminal, and only if there is something to wait for.
pub(crate) fn progress(items: usize, terminal: bool) -> ProgressBar {
    if items < 2 || !terminal {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(items).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Nobody reads half of it: a new file takes the place of the old one.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // For the collector, which is another user; less what the umask takes away.
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    let mut new = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    new.write_all(text.as_bytes())?;
    new.persist(file)?;
    Ok(())
}

/// Help and errors of the arguments. To a monitoring system 2 is a server in trouble, so that `check` has 3 for what it does not understand.
pub(crate) fn misunderstood(error: &clap::Error) -> ExitCode {
    // Nobody is left to be told if this fails.
    let _ = error.print();
    let is_check = std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == "check");
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ if is_check => Level::Unknown.into(),
        _ => crate::report::Outcome::Usage.into(),
    }
}

/// What makes a check impossible says nothing about the server.
fn unknown(error: &str) -> ExitCode {
    terminal::usage(error);
    Level::Unknown.into()
}
