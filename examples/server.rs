//! The server of the PING / PONG dialogue, with certificate and key from files.
//!
//! `cargo run --example server -- --self-signed`

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use clap::Parser;
use starttls_examples::Identity;
use starttls_examples::dialogue::GoAhead;
use starttls_examples::runtime::Runtime;
use tokio::sync::oneshot;

/// The server of the PING and PONG dialogue, which the example `client` talks to.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    /// Do not answer STARTTLS: for clients that send their ClientHello without waiting for anything.
    #[arg(long)]
    no_go_ahead: bool,
    #[command(flatten)]
    identity: Identity,
    /// Which runtime to run on.
    #[arg(long, value_enum, default_value_t)]
    runtime: Runtime,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = arguments.identity.config()?;
    let go_ahead = if arguments.no_go_ahead {
        GoAhead::None {
            wait: Duration::ZERO,
        }
    } else {
        GoAhead::Line
    };
    let listener = TcpListener::bind(arguments.listen)?;
    println!("listening {}", listener.local_addr()?);
    let report = |outcome| {
        if let Err(error) = outcome {
            println!("server: {error:#}");
        }
    };
    let (_never, stop) = oneshot::channel();
    arguments
        .runtime
        .serve(listener, config, go_ahead, report, stop)
}
