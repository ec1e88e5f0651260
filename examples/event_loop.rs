//! An event loop of one's own: many upgraded connections in one thread, with `starttls-core` alone over mio. Lines that end with LF: `PING` is
//! answered with `PONG`, `STARTTLS` with `OK`, behind which everything is TLS; `QUIT` ends it.
//!
//! `cargo run --example event_loop -- --certificate server.pem --key server.key`, or `-- --selftest`

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use starttls_core::rustls::ServerConfig;
use starttls_examples::{Versions, server_config};

#[path = "event_loop/connection.rs"]
mod connection;
use connection::{Connection, Turn};

#[path = "event_loop/selftest.rs"]
mod selftest;

/// Thousands of connections in one thread, over mio and starttls-core
#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    /// A PEM file with the server's certificate chain.
    #[arg(long, required_unless_present = "selftest")]
    certificate: Option<PathBuf>,
    /// A PEM file with its key.
    #[arg(long, required_unless_present = "selftest")]
    key: Option<PathBuf>,
    /// With more connections than this, the others wait to be accepted.
    #[arg(long, default_value_t = 10_000)]
    connections: usize,
    /// Serve 50 busy clients beside 2,000 idle ones, tell what each of them costs, and end.
    #[arg(long)]
    selftest: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.selftest {
        return selftest::run();
    }
    let certificate = arguments.certificate.context("no certificate")?;
    let config = server_config(
        &certificate,
        &arguments.key.context("no key")?,
        Versions::Any,
    )?;
    let mut server = Server::new(arguments.listen, config, arguments.connections)?;
    println!("listening on {}", server.address()?);
    server.run(&AtomicBool::new(false))
}

/// How long a peer may take, since the core has no clock.
#[derive(Clone, Copy)]
struct Patience {
    /// From accept to the end of the handshake.
    upgrade: Duration,
    /// From one line to the next. A peer that has vanished without a word is noticed by this alone.
    idle: Duration,
    /// For closing.
    close: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            upgrade: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            close: Duration::from_secs(30),
        }
    }
}

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);

struct Server {
    poll: Poll,
    waker: Arc<Waker>,
    listener: TcpListener,
    config: Arc<ServerConfig>,
    patience: Patience,
    most: usize,
    connections: HashMap<Token, Connection>,
    /// When to look at which connection, the next one first.
    deadlines: BTreeSet<(Instant, Token)>,
    /// Something has happened to these, or they had more to do than one turn.
    ready: BTreeSet<Token>,
    /// Somebody may be waiting to be accepted.
    knocking: bool,
    last: Token,
}

impl Server {
    fn new(address: SocketAddr, config: Arc<ServerConfig>, most: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            waker: Arc::new(Waker::new(poll.registry(), WAKER)?),
            poll,
            listener,
            config,
            patience: Patience::default(),
            most,
            connections: HashMap::new(),
            deadlines: BTreeSet::new(),
            ready: BTreeSet::new(),
            knocking: false,
            last: WAKER,
        })
    }

    fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is set and the waker was used.
    fn run(&mut self, stop: &AtomicBool) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        while !stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.knocking = true,
                    WAKER => {}
                    connection => drop(self.ready.insert(connection)),
                }
            }
            if self.knocking {
                self.accept()?;
            }
            for token in std::mem::take(&mut self.ready) {
                self.turn(token);
            }
            self.expire();
        }
        Ok(())
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let (next, _) = self.deadlines.first()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn accept(&mut self) -> Result<()> {
        while self.connections.len() < self.most {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.knocking = false;
                    return Ok(());
                }
                // One who has hung up already, or no file descriptor is left: the next turn tries again.
                Err(error) => {
                    eprintln!("not accepted: {error}");
                    return Ok(());
                }
            };
            self.last = Token(self.last.0 + 1);
            socket.set_nodelay(true)?;
            self.poll.registry().register(
                &mut socket,
                self.last,
                Interest::READABLE | Interest::WRITABLE,
            )?;
            let connection = Connection::new(socket, self.config.clone(), self.patience);
            self.deadlines.insert((connection.deadline(), self.last));
            self.connections.insert(self.last, connection);
            // It may have spoken before it was registered.
            self.ready.insert(self.last);
        }
        Ok(())
    }

    fn turn(&mut self, token: Token) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let deadline = connection.deadline();
        let turn = connection.turn();
        if connection.deadline() != deadline {
            self.deadlines.remove(&(deadline, token));
            self.deadlines.insert((connection.deadline(), token));
        }
        match turn {
            Ok(Turn::Wait) => {}
            Ok(Turn::Again) => drop(self.ready.insert(token)),
            Ok(Turn::End) => self.remove(token),
            Err(error) => {
                eprintln!("connection {}: {error}", token.0);
                self.remove(token);
            }
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        while let Some(&(deadline, token)) = self.deadlines.first().filter(|next| next.0 <= now) {
            self.deadlines.remove(&(deadline, token));
            let Some(connection) = self.connections.get_mut(&token) else {
                continue;
            };
            if connection.leave_at_deadline() {
                self.deadlines.insert((connection.deadline(), token));
                self.ready.insert(token);
            } else {
                self.remove(token);
            }
        }
    }

    fn remove(&mut self, token: Token) {
        if let Some(connection) = self.connections.remove(&token) {
            self.deadlines.remove(&(connection.deadline(), token));
        }
    }
}
