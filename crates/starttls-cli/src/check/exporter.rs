//! `starttls exporter`: checks on request, for Prometheus.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use form_urlencoded::parse;
use hyper::body::Incoming;
use hyper::header::ACCEPT;
use hyper::{Method, Request, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::check::{Checked, Demands, measure};
use crate::dial::{Host, Name};
use crate::http::{Page, page, serve, text};
use crate::metrics::{Metrics, OPENMETRICS, PROMETHEUS};
use crate::peer::PeerArguments;
use crate::terminal;

/// Answer /probe?module=smtp&target=HOST for Prometheus
#[derive(Args)]
#[command(before_help = "Example: starttls exporter --listen 127.0.0.1:9116")]
pub(crate) struct Exporter {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9116")]
    listen: SocketAddr,
    #[command(flatten)]
    demands: Demands,
    /// How many servers at once
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u16).range(1..))]
    parallel: u16,
    #[command(flatten)]
    peer: PeerArguments,
}

struct State {
    exporter: Exporter,
    permits: Semaphore,
    /// By module and outcome.
    probes: Mutex<BTreeMap<(String, String), u64>>,
}

impl Exporter {
    pub(crate) async fn run(self) -> ExitCode {
        // Files that cannot be read are to be noticed now.
        if let Err(error) = self
            .peer
            .attempts(Name::of(starttls_protocols::registry::Protocol::Smtp), &[])
        {
            return terminal::usage(&error);
        }
        let listener = match TcpListener::bind(self.listen).await {
            Ok(listener) => listener,
            Err(error) => return terminal::usage(&format!("{}: {error}", self.listen)),
        };
        if let Ok(address) = listener.local_addr() {
            terminal::print(&format!("listening {address}\n"));
        }
        let state = Arc::new(State {
            permits: Semaphore::new(usize::from(self.parallel)),
            exporter: self,
            probes: Mutex::default(),
        });
        serve(listener, move |request| answer(state.clone(), request)).await;
        ExitCode::SUCCESS
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Page {
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "GET only");
    }
    match request.uri().path() {
        "/probe" => match state.probe(&request).await {
            Ok(metrics) => show(&metrics, &request),
            Err(error) => text(StatusCode::BAD_REQUEST, &error),
        },
        "/metrics" => show(&state.own(), &request),
        "/healthz" | "/-/healthy" => text(StatusCode::OK, "ok"),
        "/" => text(
            StatusCode::OK,
            "/probe?module=smtp&target=mail.example.org\n/metrics\n/healthz",
        ),
        _ => text(
            StatusCode::NOT_FOUND,
            "there is /probe, /metrics and /healthz",
        ),
    }
}

fn show(metrics: &Metrics, request: &Request<Incoming>) -> Page {
    let accepted = request
        .headers()
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("application/openmetrics-text")) {
        page(StatusCode::OK, OPENMETRICS, metrics.openmetrics())
    } else {
        page(StatusCode::OK, PROMETHEUS, metrics.prometheus())
    }
}

impl State {
    async fn probe(&self, request: &Request<Incoming>) -> Result<Metrics, String> {
        let mut target = None;
        let mut module = None;
        let mut peer = self.exporter.peer.clone();
        for (name, value) in parse(request.uri().query().unwrap_or_default().as_bytes()) {
            match &*name {
                "target" => target = Some(value.into_owned()),
                "module" => module = Some(value.into_owned()),
                "servername" | "hostname" => peer.reach.trust.servername = Some(value.into_owned()),
                "implicit" => peer.reach.implicit = value != "false",
                _ => {}
            }
        }
        let module = module.ok_or("module is missing: a protocol, such as smtp")?;
        let name: Name = module.parse()?;
        let target = target.ok_or("target is missing: HOST or HOST:PORT")?;
        let host: Host = target.parse().map_err(|error| format!("target: {error}"))?;
        // Prometheus says how long it will wait. A little of that is for the way back.
        let patience = request
            .headers()
            .get("x-prometheus-scrape-timeout-seconds")
            .and_then(|value| value.to_str().ok()?.parse::<f64>().ok())
            .map(|seconds| Duration::from_secs_f64((seconds - 0.5).clamp(0.1, 86_400.0)));
        peer.timeout = patience.map_or(peer.timeout, |patience| patience.min(peer.timeout));
        let attempt = peer.attempts(name, std::slice::from_ref(&host))?.pop();
        let attempt = attempt.ok_or("no target")?;
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|error| error.to_string())?;
        let checked = Checked::run(attempt, &self.exporter.demands).await;
        let outcome = serde_json::to_value(checked.attempted.report.outcome).unwrap_or_default();
        let key = (
            name.text().to_owned(),
            outcome.as_str().unwrap_or_default().to_owned(),
        );
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = probes.entry(key).or_default();
        *count = count.saturating_add(1);
        Ok(measure::single(&checked))
    }

    fn own(&self) -> Metrics {
        let mut metrics = Metrics::default();
        let probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        for ((module, outcome), count) in probes.iter() {
            metrics.counter(
                "starttls_exporter_probes",
                "Probes by module and outcome",
                vec![
                    ("module".to_owned(), module.clone()),
                    ("outcome".to_owned(), outcome.clone()),
                ],
                *count,
            );
        }
        metrics
    }
}
