//! The client of the PING / PONG dialogue, with the authority to trust from a file.
//!
//! `cargo run --example client -- 127.0.0.1:10001 --ca ca.pem`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use starttls_examples::dialogue::GoAhead;
use starttls_examples::runtime::Runtime;
use starttls_examples::{Versions, client_config};

/// The client of the PING and PONG dialogue, for the example `server`
#[derive(Parser)]
struct Arguments {
    /// The server.
    address: SocketAddr,
    /// The certificate authorities to trust, PEM.
    #[arg(long)]
    ca: PathBuf,
    /// The name that the server's certificate must have.
    #[arg(long, default_value = "localhost")]
    name: String,
    /// The server does not answer STARTTLS: wait so many milliseconds instead.
    #[arg(long, value_name = "MS")]
    no_go_ahead: Option<u64>,
    /// TLS versions to allow.
    #[arg(long, value_enum, default_value_t)]
    tls: Versions,
    /// Which runtime to run on.
    #[arg(long, value_enum, default_value_t)]
    runtime: Runtime,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = client_config(&arguments.ca, arguments.tls)?;
    let go_ahead = match arguments.no_go_ahead {
        Some(wait) => GoAhead::None {
            wait: Duration::from_millis(wait),
        },
        None => GoAhead::Line,
    };
    arguments.runtime.client(
        arguments.address,
        config,
        arguments.name.try_into()?,
        go_ahead,
    )
}
