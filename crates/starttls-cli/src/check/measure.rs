//! Metrics, with the names that dashboards for blackbox_exporter know.

use crate::check::Checked;
use crate::check::judge::{Level, earliest};
use crate::metrics::Metrics;
use crate::report::Outcome;

/// Several servers in one text: each with its protocol and target.
pub(crate) fn labelled(checked: &[Checked]) -> Metrics {
    let mut metrics = Metrics::default();
    for one in checked {
        let target = one.target();
        let labels = [("protocol", one.attempt.name.text()), ("target", &target)];
        measure(&mut metrics, one, &labels);
    }
    metrics
}

/// One server, whose labels are those that the scraper adds.
pub(crate) fn single(checked: &Checked) -> Metrics {
    let mut metrics = Metrics::default();
    measure(&mut metrics, checked, &[]);
    metrics
}

fn measure(metrics: &mut Metrics, checked: &Checked, own: &[(&str, &str)]) {
    let report = &checked.attempted.report;
    let with = |more: &[(&'static str, &str)]| -> Vec<(String, String)> {
        own.iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let unmet =
        |finding: &&super::Finding| finding.about != "expiry" && finding.level != Level::Warning;
    let success = report.outcome == Outcome::Secured && !checked.findings.iter().any(|f| unmet(&f));
    metrics.gauge(
        "probe_success",
        "Displays whether or not the probe was a success",
        with(&[]),
        f64::from(u8::from(success)),
    );
    metrics.gauge(
        "probe_duration_seconds",
        "Returns how long the probe took to complete in seconds",
        with(&[]),
        report.seconds.total,
    );
    if let Some(address) = &report.address {
        let version = if address.starts_with('[') { 6.0 } else { 4.0 };
        metrics.gauge(
            "probe_ip_protocol",
            "Specifies whether probe ip protocol is IP4 or IP6",
            with(&[]),
            version,
        );
    }
    if let Some((expiry, _)) = earliest(&checked.attempted) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds until the year 285,000,000"
        )]
        metrics.gauge(
            "probe_ssl_earliest_cert_expiry",
            "Returns last SSL chain expiry in unixtime",
            with(&[]),
            expiry as f64,
        );
    }
    if let Some(first) = report.chain.first() {
        metrics.info(
            "probe_ssl_last_chain",
            "Contains SSL leaf certificate information",
            with(&[
                ("fingerprint_sha256", &first.sha256),
                ("subject", &first.subject),
                ("issuer", &first.issuer),
                ("subjectalternative", &first.names.join(",")),
                ("serialnumber", &first.serial),
            ]),
        );
    }
    if let Some(tls) = &report.tls {
        metrics.info(
            "probe_tls_version",
            "Returns the TLS version used or NaN when unknown",
            with(&[("version", &tls.version)]),
        );
        metrics.info(
            "probe_tls_cipher",
            "Returns the TLS cipher negotiated during handshake",
            with(&[("cipher", &tls.cipher_suite)]),
        );
        let mut labels = with(&[
            ("group", tls.group.as_deref().unwrap_or_default()),
            ("handshake", tls.handshake),
        ]);
        if own.is_empty() {
            labels.push((
                "protocol".to_owned(),
                checked.attempt.name.text().to_owned(),
            ));
        }
        metrics.info("probe_starttls", "How the connection was secured", labels);
    }
    if let Some(offered) = report.plaintext_authentication {
        metrics.gauge(
            "probe_starttls_plaintext_authentication",
            "Whether a login is offered before TLS",
            with(&[]),
            f64::from(u8::from(offered)),
        );
    }
    let outcome = serde_json::to_value(report.outcome).unwrap_or_default();
    metrics.info(
        "probe_starttls_outcome",
        "What came of the attempt",
        with(&[("outcome", outcome.as_str().unwrap_or_default())]),
    );
    metrics.gauge(
        "probe_starttls_level",
        "0 ok, 1 warning, 2 critical, 3 unknown, with the thresholds of the check",
        with(&[]),
        f64::from(checked.level().code()),
    );
    for (phase, seconds) in [
        ("connect", report.seconds.connect),
        ("negotiate", report.seconds.negotiate),
        ("handshake", report.seconds.handshake),
    ] {
        if let Some(seconds) = seconds {
            metrics.gauge(
                "probe_starttls_phase_seconds",
                "How long each part took",
                with(&[("phase", phase)]),
                seconds,
            );
        }
    }
}
