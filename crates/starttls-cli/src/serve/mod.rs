//! What the servers here have in common: listening, limits, signals, metrics, logs.

mod counters;
mod engine;
mod places;
mod relay;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

pub(crate) use counters::{Counters, Direction};
pub(crate) use engine::{Connection, Service, run};
pub(crate) use relay::relay;

use crate::peer::duration;

/// How to serve.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArguments {
    /// Where to listen, if systemd gives no sockets
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Vec<SocketAddr>,
    /// The most connections [default: 10000]
    #[arg(
        long,
        value_name = "N",
        default_value = "10000",
        hide_default_value = true
    )]
    pub(crate) max_connections: u32,
    /// The most from one address [default: 1000]
    #[arg(
        long,
        value_name = "N",
        default_value = "1000",
        hide_default_value = true
    )]
    pub(crate) max_per_source: u32,
    /// For everything up to TLS [default: 30]
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = duration, hide_default_value = true)]
    pub(crate) timeout: Duration,
    /// Close after silence of so long [default: 3600]
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = duration, hide_default_value = true)]
    pub(crate) idle: Duration,
    /// After SIGTERM, for what is open [default: 30]
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = duration, hide_default_value = true)]
    pub(crate) drain: Duration,
    /// Read the files again so often [default: 3600]
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = duration, hide_default_value = true)]
    pub(crate) reload: Duration,
    /// Answer /metrics and /healthz there
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Log as text or json
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) log: Log,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Log {
    #[default]
    Text,
    Json,
}

impl Log {
    /// To standard error, a line an event.
    pub(crate) fn begin(self) {
        let builder = tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_target(false)
            .with_ansi(false);
        // Only one can be set, and this is the only place that does.
        let _ = match self {
            Self::Text => builder.try_init(),
            Self::Json => builder.json().flatten_event(true).try_init(),
        };
    }
}
