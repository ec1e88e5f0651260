//! What is counted, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::metrics::Metrics;

/// Counts of one server.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: AtomicU64,
    active: AtomicU64,
    from_clients: AtomicU64,
    to_clients: AtomicU64,
    /// By family, label and value.
    labelled: Mutex<BTreeMap<(&'static str, &'static str, String), u64>>,
}

/// Which way data went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    FromClient,
    ToClient,
}

/// One active connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Active<'a>(&'a Counters);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Counters {
    pub(crate) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn active(&self) -> Active<'_> {
        self.active.fetch_add(1, Ordering::Relaxed);
        Active(self)
    }

    pub(crate) fn carried(&self, direction: Direction, bytes: u64) {
        let counter = match direction {
            Direction::FromClient => &self.from_clients,
            Direction::ToClient => &self.to_clients,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn rejected(&self, limit: &str) {
        self.count("starttls_rejected", "limit", limit);
    }

    pub(crate) fn ended(&self, outcome: &str) {
        self.count("starttls_ended", "outcome", outcome);
    }

    pub(crate) fn handshake(&self, group: &str) {
        self.count("starttls_handshakes", "group", group);
    }

    pub(crate) fn reloaded(&self, result: &str) {
        self.count("starttls_reloads", "result", result);
    }

    fn count(&self, family: &'static str, label: &'static str, value: &str) {
        let mut labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        let count = labelled
            .entry((family, label, value.to_owned()))
            .or_default();
        *count = count.saturating_add(1);
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::default();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let help = "Connections accepted";
        metrics.counter("starttls_accepted", help, Vec::new(), read(&self.accepted));
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 connections")]
        let active = read(&self.active) as f64;
        metrics.gauge(
            "starttls_active",
            "Connections under way",
            Vec::new(),
            active,
        );
        for (direction, counter) in [
            ("from_client", &self.from_clients),
            ("to_client", &self.to_clients),
        ] {
            let labels = vec![("direction".to_owned(), direction.to_owned())];
            let help = "Bytes of data carried";
            metrics.counter("starttls_carried_bytes", help, labels, read(counter));
        }
        let labelled = self.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        for ((family, label, value), count) in labelled.iter() {
            let help = match *family {
                "starttls_rejected" => "Connections over a limit, closed at once",
                "starttls_ended" => "Connections by what came of them",
                "starttls_handshakes" => "TLS handshakes completed",
                _ => "Files read again",
            };
            let labels = vec![((*label).to_owned(), value.clone())];
            metrics.counter(family, help, labels, *count);
        }
        metrics
    }
}
