//! Lines for people, and an object for programs.

use schemars::JsonSchema;
use serde::Serialize;

use crate::check::judge::earliest;
use crate::check::{Checked, Finding, Level};
use crate::report::{Report, Words, seconds};

/// What `starttls check --format json` prints. The version in `schema` changes when a field is taken away or changes its meaning; new
/// fields may come at any time.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Object<'a> {
    /// `starttls-check/1`.
    schema: &'static str,
    /// The worst of all.
    level: Level,
    /// One for each server, in the order of the arguments.
    servers: Vec<Server<'a>>,
}

/// One server.
#[derive(Serialize, JsonSchema)]
struct Server<'a> {
    /// Host and port.
    target: String,
    /// The worst of its findings.
    level: Level,
    /// Where it falls short; empty if all is as it should be.
    findings: &'a [Finding],
    /// The connection, as `starttls connect --json` prints it.
    connection: &'a Report,
}

pub(crate) fn json(checked: &[Checked]) -> String {
    let object = Object {
        schema: "starttls-check/1",
        level: checked
            .iter()
            .map(Checked::level)
            .max()
            .unwrap_or(Level::Unknown),
        servers: checked
            .iter()
            .map(|checked| Server {
                target: checked.target(),
                level: checked.level(),
                findings: &checked.findings,
                connection: &checked.attempted.report,
            })
            .collect(),
    };
    // Numbers, texts and lists of them are always JSON.
    serde_json::to_string_pretty(&object).unwrap_or_default() + "\n"
}

/// What can be said of a server in half a line.
pub(crate) fn summary(checked: &Checked) -> String {
    let report = &checked.attempted.report;
    let mut parts: Vec<String> = Vec::new();
    parts.extend(checked.findings.iter().map(|finding| finding.text.clone()));
    if let Some(tls) = &report.tls {
        parts.push(tls.version.clone());
        parts.extend(tls.group.clone());
        if let Some((_, days)) = earliest(&checked.attempted)
            && !checked
                .findings
                .iter()
                .any(|finding| finding.about == "expiry")
        {
            parts.push(format!("{days} days left"));
        }
        parts.push(seconds(report.seconds.total));
    }
    parts.join(", ")
}

pub(crate) fn text(checked: &[Checked], words: &Words) -> String {
    let mut lines = String::new();
    for one in checked {
        let level = format!("{:<8}", one.level().word());
        let level = match one.level() {
            Level::Ok => words.good(&level),
            _ => words.bad(&level),
        };
        let name = one.attempt.name.text();
        lines.push_str(&format!(
            "{level} {name} {}: {}\n",
            one.target(),
            summary(one)
        ));
        for advice in &one.attempted.report.advice {
            lines.push_str(&format!("         {advice}\n"));
        }
    }
    lines
}
