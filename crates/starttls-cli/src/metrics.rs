//! The text formats of Prometheus and of OpenMetrics.

use std::fmt::Write as _;

/// Metrics, in families.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Vec<Family>);

#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    samples: Vec<(Vec<(String, String)>, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
    Info,
}

/// For the HTTP header.
pub(crate) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// For the HTTP header.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Metrics {
    pub(crate) fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<(String, String)>,
        value: f64,
    ) {
        self.add(name, help, Kind::Gauge, labels, value);
    }

    /// A number that only grows; `name` is without `_total`.
    pub(crate) fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<(String, String)>,
        value: u64,
    ) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the formats have floating point numbers"
        )]
        self.add(name, help, Kind::Counter, labels, value as f64);
    }

    /// A 1 whose labels are what matters; `name` is without `_info`.
    pub(crate) fn info(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Vec<(String, String)>,
    ) {
        self.add(name, help, Kind::Info, labels, 1.0);
    }

    fn add(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        labels: Vec<(String, String)>,
        value: f64,
    ) {
        // All samples of a family stand together.
        match self.0.iter_mut().find(|family| family.name == name) {
            Some(family) => family.samples.push((labels, value)),
            None => self.0.push(Family {
                name,
                help,
                kind,
                samples: vec![(labels, value)],
            }),
        }
    }

    /// Version 0.0.4.
    pub(crate) fn prometheus(&self) -> String {
        self.text(false)
    }

    /// Version 1.0.0.
    pub(crate) fn openmetrics(&self) -> String {
        self.text(true) + "# EOF\n"
    }

    fn text(&self, open: bool) -> String {
        let mut text = String::new();
        for family in &self.0 {
            let sample = match family.kind {
                Kind::Gauge => family.name.to_owned(),
                Kind::Counter => format!("{}_total", family.name),
                Kind::Info => format!("{}_info", family.name),
            };
            // The older format knows neither suffixes nor information.
            let (name, kind) = match (open, family.kind) {
                (_, Kind::Gauge) => (family.name, "gauge"),
                (true, Kind::Counter) => (family.name, "counter"),
                (true, Kind::Info) => (family.name, "info"),
                (false, Kind::Counter) => (sample.as_str(), "counter"),
                (false, Kind::Info) => (sample.as_str(), "gauge"),
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "# HELP {name} {}", family.help);
            let _ = writeln!(text, "# TYPE {name} {kind}");
            for (labels, value) in &family.samples {
                let labels: Vec<_> = labels
                    .iter()
                    .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
                    .collect();
                let labels = match labels.is_empty() {
                    true => String::new(),
                    false => format!("{{{}}}", labels.join(",")),
                };
                let _ = writeln!(text, "{sample}{labels} {value}");
            }
        }
        text
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats() {
        let mut metrics = Metrics::default();
        let label = |value: &str| vec![("name".to_owned(), value.to_owned())];
        metrics.info("a", "An a", label("x\"y\\"));
        metrics.counter("b", "Many b", Vec::new(), 3);
        metrics.info("a", "An a", label("z"));
        assert_eq!(
            metrics.prometheus(),
            "# HELP a_info An a\n# TYPE a_info gauge\na_info{name=\"x\\\"y\\\\\"} 1\na_info{name=\"z\"} 1\n\
             # HELP b_total Many b\n# TYPE b_total counter\nb_total 3\n"
        );
        assert_eq!(
            metrics.openmetrics(),
            "# HELP a An a\n# TYPE a info\na_info{name=\"x\\\"y\\\\\"} 1\na_info{name=\"z\"} 1\n\
             # HELP b Many b\n# TYPE b counter\nb_total 3\n# EOF\n"
        );
    }
}
