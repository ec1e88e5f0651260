//! Reports for people.

use std::fmt::{self, Write as _};

use console::Style;

use crate::dial::Side;
use crate::report::{Outcome, Report};
use crate::trust::Certificate;

/// How words look on the terminal, or that they look like words.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    good: Style,
    bad: Style,
    dim: Style,
}

impl Words {
    /// Colours if they are wanted and there is a terminal to show them.
    pub(crate) fn new(colours: bool) -> Self {
        let style = || Style::new().force_styling(colours);
        Self {
            good: style().green(),
            bad: style().red().bold(),
            dim: style().dim(),
        }
    }

    pub(crate) fn good(&self, words: &str) -> String {
        self.good.apply_to(words).to_string()
    }

    pub(crate) fn bad(&self, words: &str) -> String {
        self.bad.apply_to(words).to_string()
    }

    pub(crate) fn dim(&self, words: &str) -> String {
        self.dim.apply_to(words).to_string()
    }

    /// The whole of it.
    pub(crate) fn report(&self, report: &Report) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(report, &mut text);
        text
    }

    fn write(&self, report: &Report, text: &mut String) -> fmt::Result {
        if let Some(address) = &report.address {
            writeln!(text, "connected to {address}")?;
        }
        for proxy in &report.via {
            writeln!(text, "via {proxy}")?;
        }
        for line in &report.dialogue {
            let arrow = match line.from {
                Side::Client => ">",
                Side::Server => "<",
            };
            writeln!(text, "{} {}", self.dim(arrow), line.text)?;
        }
        if let Some(injected) = &report.injected {
            writeln!(
                text,
                "{} \"{injected}\"",
                self.bad("plaintext instead of TLS:")
            )?;
        }
        if let Some(refusal) = &report.refusal {
            write!(text, "the peer said:")?;
            if let Some(code) = refusal.code {
                write!(text, " {code}")?;
            }
            if let Some(state) = &refusal.state {
                write!(text, " {state}")?;
            }
            writeln!(text, " \"{}\"", refusal.words)?;
        }
        for (index, certificate) in report.chain.iter().enumerate() {
            self.certificate(index, certificate, text)?;
        }
        if let Some(error) = &report.certificate_error {
            writeln!(text, "{} {error}", self.bad("certificate not accepted:"))?;
        }
        if let Some(tls) = &report.tls {
            let line = |name: &str, value: &str| format!("{name:<18}{value}\n");
            text.push_str(&line("version", &tls.version));
            text.push_str(&line("cipher suite", &tls.cipher_suite));
            if let Some(group) = &tls.group {
                let kind = if tls.post_quantum {
                    "post-quantum"
                } else {
                    "not post-quantum"
                };
                text.push_str(&line("key exchange", &format!("{group} ({kind})")));
            }
            text.push_str(&line("ALPN", tls.alpn.as_deref().unwrap_or("none")));
            text.push_str(&line("handshake", tls.handshake));
            if let Some(binding) = &tls.exporter {
                text.push_str(&line("tls-exporter", binding));
            }
            if let Some(binding) = &tls.server_end_point {
                text.push_str(&line("server-end-point", binding));
            }
        }
        match (&report.error, report.outcome) {
            (_, Outcome::Secured) => writeln!(
                text,
                "{} in {}",
                self.good("secured"),
                seconds(report.seconds.total)
            )?,
            (error, _) => writeln!(
                text,
                "{} {}",
                self.bad("not secured:"),
                error.as_deref().unwrap_or_default()
            )?,
        }
        for advice in &report.advice {
            writeln!(text, "  {advice}")?;
        }
        Ok(())
    }

    fn certificate(&self, index: usize, it: &Certificate, text: &mut String) -> fmt::Result {
        let days = match it.days_left {
            left @ ..0 => self.bad(&format!("expired {} days ago", left.saturating_neg())),
            left => format!("{left} days left"),
        };
        writeln!(text, "certificate {index}     {} ({days})", it.subject)?;
        if !it.names.is_empty() {
            writeln!(text, "  for             {}", it.names.join(", "))?;
        }
        writeln!(text, "  by              {}", it.issuer)?;
        writeln!(text, "  key, SHA-256    {}, {}", it.key, it.sha256)
    }
}

/// A duration for people.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}
