//! What `ping_pong` does, on any of the runtimes: `cargo run --example runtimes -- --runtime smol`. What the two sides say is in `dialogue.rs`.

use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use clap::Parser;
use starttls_examples::dialogue::GoAhead;
use starttls_examples::made_on_the_spot;
use starttls_examples::runtime::Runtime;
use tokio::sync::oneshot;

/// PING and PONG, STARTTLS, PING and PONG encrypted, on a runtime of your choice
#[derive(Parser)]
struct Arguments {
    /// Which runtime to run on.
    #[arg(long, value_enum, default_value_t)]
    runtime: Runtime,
}

fn main() -> anyhow::Result<()> {
    let Arguments { runtime } = Arguments::parse();
    let (server, client) = made_on_the_spot()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (done, served) = mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = thread::spawn(move || {
        let report = move |outcome| drop(done.send(outcome));
        runtime.serve(listener, server, GoAhead::Line, report, stopped)
    });
    runtime.client(address, client, "localhost".try_into()?, GoAhead::Line)?;
    served.recv()??;
    println!("both sides closed cleanly");
    drop(stop);
    server.join().expect("the server does not panic")
}
