//! One line as the plugins of Nagios print it: `STARTTLS OK - text | 'label'=value;warn;crit;min;max`.
//! <https://www.monitoring-plugins.org/doc/guidelines.html>

use crate::check::format::summary;
use crate::check::judge::earliest;
use crate::check::{Checked, Demands, Level};

pub(crate) fn line(checked: &[Checked], demands: &Demands) -> String {
    let worst = checked
        .iter()
        .map(Checked::level)
        .max()
        .unwrap_or(Level::Unknown);
    let text = match checked {
        [one] => format!(
            "{} {}: {}",
            one.attempt.name.text(),
            one.target(),
            summary(one)
        ),
        several => several_servers(several),
    };
    let data: Vec<_> = checked
        .iter()
        .flat_map(|one| performance(one, checked.len() > 1, demands))
        .collect();
    // What is behind a bar is data, and a line is a line.
    let text = text.replace('|', "/").replace(['\r', '\n'], " ");
    let data = if data.is_empty() {
        String::new()
    } else {
        format!(" | {}", data.join(" "))
    };
    format!("STARTTLS {} - {text}{data}\n", worst.word())
}

fn several_servers(checked: &[Checked]) -> String {
    let bad: Vec<_> = checked
        .iter()
        .filter(|one| one.level() != Level::Ok)
        .map(|one| format!("{} {}", one.target(), summary(one)))
        .collect();
    let good = checked.len().saturating_sub(bad.len());
    let mut text = format!("{good} of {} servers are OK", checked.len());
    if !bad.is_empty() {
        text.push_str("; ");
        text.push_str(&bad.join("; "));
    }
    text
}

/// A range `N:` alerts below N.
fn performance(one: &Checked, several: bool, demands: &Demands) -> Vec<String> {
    let label = |name: &str| match several {
        true => format!("'{} {name}'", one.target()),
        false => format!("'{name}'"),
    };
    let mut data = Vec::new();
    if let Some((_, days)) = earliest(&one.attempted) {
        let (warning, critical) = (demands.warning, demands.critical);
        data.push(format!("{}={days};{warning}:;{critical}:;;", label("days")));
    }
    let most = one.attempt.timeout.as_secs_f64();
    let took = one.attempted.report.seconds.total;
    data.push(format!("{}={took:.6}s;;;0;{most}", label("time")));
    data
}
