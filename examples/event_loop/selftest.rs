use std::alloc::System;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use starttls_core::rustls::{ClientConfig, ClientConnection};
use starttls_core::{Incoming, Phase, Plain, Tls};
use starttls_examples::made_on_the_spot;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use super::{Patience, Server};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const IDLE: usize = 2_000;
const BUSY: usize = 50;
const ROUNDS: usize = 100;

/// The server in this thread, all the clients in another, which gives back the sockets that it left open.
pub(crate) fn run() -> Result<()> {
    let descriptors = u64::try_from(2 * (IDLE + BUSY) + 100)?;
    let most = rlimit::increase_nofile_limit(descriptors)?;
    ensure!(
        most >= descriptors,
        "{descriptors} open files are needed, both ends of each connection being here, and the limit is {most}: raise it (`ulimit -n`)"
    );
    let (server_config, client_config) = made_on_the_spot()?;
    let mut server = Server::new("127.0.0.1:0".parse()?, server_config, IDLE + BUSY + 10)?;
    server.patience = Patience {
        upgrade: Duration::from_secs(5),
        ..Patience::default()
    };
    let address = server.address()?;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = thread::spawn({
        let (stop, waker) = (stop.clone(), server.waker.clone());
        move || {
            let outcome = clients(address, &client_config);
            stop.store(true, Ordering::Release);
            waker.wake()?;
            outcome
        }
    });
    server.run(&stop)?;
    let held = clients.join().expect("the clients do not panic")?;
    ensure!(
        server.connections.len() >= held.len(),
        "the server has only {} connections of {}",
        server.connections.len(),
        held.len()
    );
    println!("passed");
    Ok(())
}

fn clients(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Vec<TcpStream>> {
    let mut silent = socket(address)?;
    let mut first = Client::connect(address, config)?; // what is made once, on first use, is there from here on
    first.ping()?;

    let (heap, resident) = (heap(), resident());
    let began = Instant::now();
    let mut idle = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        idle.push(Client::connect(address, config)?);
    }
    println!(
        "{IDLE} idle connections upgraded in {:.1?}",
        began.elapsed()
    );
    settle();
    let both = self::heap().saturating_sub(heap);
    println!("{} bytes of heap a connection, both ends", both / IDLE);
    if let Some((before, after)) = resident.zip(self::resident()) {
        let grown = after.saturating_sub(before);
        println!("{} bytes resident a connection, both ends", grown / IDLE);
    }

    let mut busy = Vec::with_capacity(BUSY);
    for _ in 0..BUSY {
        busy.push(Client::connect(address, config)?);
    }
    let began = Instant::now();
    for _ in 0..ROUNDS {
        // All ask before the first is answered.
        for client in &mut busy {
            client.say("PING\n")?;
        }
        for client in &mut busy {
            client.hear("PONG\n")?;
        }
    }
    println!(
        "{} answers to {BUSY} busy connections in {:.1?}",
        ROUNDS * BUSY,
        began.elapsed()
    );
    for client in busy {
        client.quit()?;
    }

    for client in &mut idle {
        client.ping()?;
    }
    println!("every idle connection still answers");

    // What is left is the server's: the sockets stay open, and with them its ends.
    settle();
    let with_clients = self::heap();
    let mut sockets: Vec<_> = idle.into_iter().map(|client| client.socket).collect();
    let clients_share = with_clients.saturating_sub(self::heap());
    println!(
        "{} bytes of heap a connection at the server",
        both.saturating_sub(clients_share) / IDLE
    );
    sockets.push(first.socket);

    ensure!(injected(address)?.is_empty(), "TLS after an injection");
    println!("a line behind STARTTLS is refused");
    half_closed(address, config)?;
    println!("a peer that has closed its side is still answered");
    ensure!(
        silent.read(&mut [0])? == 0,
        "the server speaks to one who does not"
    );
    println!("one who says nothing is sent away");
    settle();
    Ok(sockets)
}

/// A client over a blocking socket.
struct Client {
    socket: TcpStream,
    tls: Box<Tls>,
}

impl Client {
    fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self> {
        let mut socket = socket(address)?;
        let mut plain = Plain::new();
        plain.write_all(b"STARTTLS\n")?;
        while !plain.peek().ends_with(b"\n") {
            ensure!(plain.wants_input(), "no go-ahead");
            step(&mut plain, &mut socket)?;
        }
        ensure!(plain.peek() == b"OK\n");
        plain.consume(3);
        let connection = ClientConnection::new(config.clone(), "localhost".try_into()?)?;
        let mut tls = Box::new(plain.start_tls(connection)?);
        while tls.is_handshaking() || tls.has_output() {
            match tls.error() {
                // First the alert leaves that tells the peer.
                Some(error) if !tls.has_output() => return Err(error.clone().into()),
                _ => step(&mut *tls, &mut socket)?,
            }
        }
        // The socket has nothing for us now: an idle connection has no buffer.
        tls.received(0);
        Ok(Self { socket, tls })
    }

    fn ping(&mut self) -> Result<()> {
        self.say("PING\n")?;
        self.hear("PONG\n")
    }

    fn say(&mut self, line: &str) -> Result<()> {
        ensure!(self.tls.write(line.as_bytes())? == line.len());
        while self.tls.has_output() {
            step(&mut *self.tls, &mut self.socket)?;
        }
        Ok(())
    }

    fn hear(&mut self, expected: &str) -> Result<()> {
        let mut line = vec![0; expected.len()];
        let mut filled = 0;
        while filled < line.len() {
            match self.tls.read(&mut line[filled..])? {
                Incoming::Data(n) => filled += n,
                Incoming::Closed => break,
                Incoming::NeedInput | Incoming::NeedTransmit => {
                    step(&mut *self.tls, &mut self.socket)?;
                }
            }
        }
        self.tls.received(0);
        ensure!(
            line == expected.as_bytes(),
            "{:?} instead of {expected:?}",
            line.escape_ascii().to_string()
        );
        Ok(())
    }

    fn quit(mut self) -> Result<()> {
        self.say("QUIT\n")?;
        self.hear("BYE\n")?;
        self.closed()?;
        self.tls.close();
        while self.tls.has_output() {
            step(&mut *self.tls, &mut self.socket)?;
        }
        Ok(())
    }

    fn closed(&mut self) -> Result<()> {
        loop {
            match self.tls.read(&mut [0])? {
                Incoming::Closed => return Ok(()),
                Incoming::Data(_) => anyhow::bail!("data behind the end"),
                Incoming::NeedInput | Incoming::NeedTransmit => {
                    step(&mut *self.tls, &mut self.socket)?;
                }
            }
        }
    }
}

/// A command in the same segment as STARTTLS: what the server says to that, in plaintext.
fn injected(address: SocketAddr) -> Result<Vec<u8>> {
    let mut socket = socket(address)?;
    let mut plain = Plain::new();
    plain.write_all(b"STARTTLS\nPING\n")?;
    while plain.wants_input() {
        step(&mut plain, &mut socket)?;
    }
    Ok(plain.peek().to_vec())
}

/// Closes its side right behind a question: the answer comes all the same, and then the server's `close_notify`.
fn half_closed(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<()> {
    let mut client = Client::connect(address, config)?;
    ensure!(client.tls.write(b"PING\n")? == 5);
    client.tls.close();
    while client.tls.has_output() {
        step(&mut *client.tls, &mut client.socket)?;
    }
    client.socket.shutdown(std::net::Shutdown::Write)?;
    client.hear("PONG\n")?;
    client.closed()
}

/// Sends if there is something to send, and receives otherwise.
fn step(phase: &mut impl Phase, socket: &mut TcpStream) -> Result<()> {
    if phase.has_output() {
        ensure!(phase.transmit_to(socket)? > 0, "the socket takes nothing");
        return Ok(());
    }
    ensure!(phase.wants_input(), "there is no room for what comes");
    match socket.read(phase.receive_buffer()) {
        Ok(0) => phase.handle_eof(),
        Ok(n) => phase.received(n),
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => return Err(error).context("waiting for the server"),
    }
    Ok(())
}

fn socket(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    Ok(socket)
}

/// Lets the server come to rest.
fn settle() {
    thread::sleep(Duration::from_millis(200));
}

fn heap() -> usize {
    let stats = ALLOCATOR.stats();
    stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated)
}

/// The resident set of this process, where the system tells it.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}
