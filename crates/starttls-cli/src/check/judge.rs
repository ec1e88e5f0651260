//! What is demanded of a server, and where it falls short.

use std::process::ExitCode;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use crate::attempt::Attempted;
use crate::report::{Outcome, escape};
use crate::trust::{Group, Versions};

/// What to demand.
#[derive(Args, Clone, Debug)]
pub(crate) struct Demands {
    /// Warn when fewer days are left
    #[arg(short, long, value_name = "DAYS", default_value_t = 20)]
    pub(crate) warning: u32,
    /// Fail when fewer days are left
    #[arg(short, long, value_name = "DAYS", default_value_t = 15)]
    pub(crate) critical: u32,
    /// The certificate must be for this name too
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Vec<String>,
    /// The certificate's issuer must contain this
    #[arg(long, value_name = "TEXT")]
    pub(crate) issuer: Option<String>,
    /// At least this version of TLS: 1.2 or 1.3
    #[arg(long, value_name = "VERSION", value_enum, hide_possible_values = true)]
    pub(crate) min_tls: Option<Versions>,
    /// This key exchange, such as X25519MLKEM768
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<Group>,
    /// This protocol chosen, of those in --alpn
    #[arg(long, value_name = "NAME")]
    pub(crate) expect_alpn: Option<String>,
    /// No login may be offered before TLS
    #[arg(long)]
    pub(crate) no_plaintext_auth: bool,
}

/// How bad it is, as Nagios has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// As it should be: 0.
    Ok,
    /// Soon it will be bad: 1.
    Warning,
    /// The server could not be checked, through a fault on our side: 3.
    Unknown,
    /// It is bad: 2.
    Critical,
}

impl Level {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

impl From<Level> for ExitCode {
    fn from(level: Level) -> Self {
        level.code().into()
    }
}

/// Where a server falls short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) level: Level,
    /// `connection`, `expiry`, `name`, `issuer`, `version`, `group`, `alpn` or `authentication`.
    pub(crate) about: &'static str,
    /// What it is, in a sentence.
    pub(crate) text: String,
}

/// Everything that is wrong; nothing if all is as it should be.
pub(crate) fn judge(demands: &Demands, attempted: &Attempted) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |level, about, text: String| findings.push(Finding { level, about, text });
    let report = &attempted.report;
    if let Some(error) = &report.error {
        let level = match report.outcome {
            Outcome::Usage => Level::Unknown,
            _ => Level::Critical,
        };
        find(level, "connection", error.clone());
    }
    if let Some((level, text)) = expiry(demands, attempted) {
        find(level, "expiry", text);
    }
    if let Some(first) = report.chain.first() {
        for name in &demands.name {
            if !first.names.iter().any(|known| covers(known, name)) {
                let text = format!("the certificate is not for {}", escape(name));
                find(Level::Critical, "name", text);
            }
        }
        if let Some(issuer) = &demands.issuer
            && !first.issuer.contains(&escape(issuer))
        {
            let text = format!("the issuer is {}", first.issuer);
            find(Level::Critical, "issuer", text);
        }
    }
    if let Some(tls) = &report.tls {
        if demands.min_tls == Some(Versions::Tls13) && tls.version != "TLS 1.3" {
            find(
                Level::Critical,
                "version",
                format!("{} is spoken", tls.version),
            );
        }
        if let Some(Group(wanted)) = demands.group {
            let group = tls.group.as_deref().unwrap_or("none");
            if group != format!("{wanted:?}") {
                find(
                    Level::Critical,
                    "group",
                    format!("the key exchange is {group}"),
                );
            }
        }
        if let Some(wanted) = &demands.expect_alpn
            && tls.alpn.as_ref() != Some(&wanted.escape_debug().to_string())
        {
            let chosen = tls.alpn.as_deref().unwrap_or("nothing");
            find(Level::Critical, "alpn", format!("ALPN has chosen {chosen}"));
        }
    }
    if demands.no_plaintext_auth && report.plaintext_authentication == Some(true) {
        let text = "a login is offered before TLS".to_owned();
        find(Level::Critical, "authentication", text);
    }
    findings
}

/// The certificate that ends first, of all that the server has sent.
pub(crate) fn earliest(attempted: &Attempted) -> Option<(i64, i64)> {
    let chain = attempted.report.chain.iter();
    chain
        .map(|certificate| (certificate.not_after, certificate.days_left))
        .min()
}

fn expiry(demands: &Demands, attempted: &Attempted) -> Option<(Level, String)> {
    let (_, days) = earliest(attempted)?;
    let level = if days < i64::from(demands.critical) {
        Level::Critical
    } else if days < i64::from(demands.warning) {
        Level::Warning
    } else {
        return None;
    };
    let text = match days {
        ..0 => format!("a certificate expired {} days ago", days.saturating_neg()),
        _ => format!("a certificate expires in {days} days"),
    };
    Some((level, text))
}

/// As RFC 6125 section 6.4.3 has wildcards: one label, the first.
fn covers(known: &str, name: &str) -> bool {
    let known = known.trim_end_matches('.');
    let name = name.trim_end_matches('.');
    if known.eq_ignore_ascii_case(name) {
        return true;
    }
    match (known.strip_prefix("*."), name.split_once('.')) {
        (Some(domain), Some((_, rest))) => domain.eq_ignore_ascii_case(rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts_and_codes_are_those_of_nagios() {
        let all = [Level::Ok, Level::Warning, Level::Unknown, Level::Critical];
        assert!(all.is_sorted());
        assert_eq!(all.map(Level::code), [0, 1, 3, 2]);
    }

    #[test]
    fn names_and_wildcards() {
        assert!(covers("mail.Example.org", "mail.example.org."));
        assert!(covers("*.example.org", "mail.example.org"));
        assert!(!covers("*.example.org", "a.mail.example.org"));
        assert!(!covers("*.example.org", "example.org"));
    }
}
