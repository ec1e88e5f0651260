use std::io::{Read, Write};

use anyhow::{Context, Result, ensure};
use starttls_core::{Incoming, Negotiator, Phase, Plain, Progress};
use starttls_protocols::{ldap, postgres, smtp};
use tokio::io::{DuplexStream, duplex};

use super::null_provider;
use crate::binding::{Binding, Pipe, Runtime, Side, run as run_both};
use crate::in_memory::{carry, established, rustls_established};
use crate::measures::{ping, pong};
use crate::rows::{Buffered, PlainStarttls, StarttlsTokio, TokioRustls};
use crate::runtimes::both;
use crate::setup::{Setup, Tls};

/// Something that is done so often, and counted.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// Kept and judged.
    pub(super) ours: bool,
    /// The scenario that it is compared with.
    pub(super) beside: Option<&'static str>,
    pub(super) repetitions: usize,
    run: fn(&'static Tls, usize) -> Result<()>,
}

const fn ours(
    name: &'static str,
    beside: Option<&'static str>,
    repetitions: usize,
    run: fn(&'static Tls, usize) -> Result<()>,
) -> Scenario {
    Scenario {
        name,
        ours: true,
        beside,
        repetitions,
        run,
    }
}

const fn other(
    name: &'static str,
    repetitions: usize,
    run: fn(&'static Tls, usize) -> Result<()>,
) -> Scenario {
    Scenario {
        name,
        ours: false,
        beside: None,
        repetitions,
        run,
    }
}

const LARGE: usize = 16 << 10;
const SMALL: usize = 64;

pub(super) const ALL: &[Scenario] = &[
    other("rustls: record of 16 KiB out", 100, |tls, n| {
        rustls_out(tls, n, LARGE)
    }),
    ours(
        "core: record of 16 KiB out",
        Some("rustls: record of 16 KiB out"),
        100,
        |tls, n| core_out(tls, n, LARGE),
    ),
    other("rustls: record of 64 bytes out", 300, |tls, n| {
        rustls_out(tls, n, SMALL)
    }),
    ours(
        "core: record of 64 bytes out",
        Some("rustls: record of 64 bytes out"),
        300,
        |tls, n| core_out(tls, n, SMALL),
    ),
    other("rustls: record of 16 KiB in", 100, |tls, n| {
        rustls_in(tls, n, LARGE)
    }),
    ours(
        "core: record of 16 KiB in",
        Some("rustls: record of 16 KiB in"),
        100,
        |tls, n| core_in(tls, n, LARGE),
    ),
    other("rustls: record of 64 bytes in", 300, |tls, n| {
        rustls_in(tls, n, SMALL)
    }),
    ours(
        "core: record of 64 bytes in",
        Some("rustls: record of 64 bytes in"),
        300,
        |tls, n| core_in(tls, n, SMALL),
    ),
    other("tokio-rustls: round trip", 300, round_trip::<TokioRustls>),
    ours(
        "tokio: round trip",
        Some("tokio-rustls: round trip"),
        300,
        round_trip::<StarttlsTokio>,
    ),
    other("tokio-rustls: handshake", 30, handshake::<TokioRustls>),
    ours(
        "tokio: handshake",
        Some("tokio-rustls: handshake"),
        30,
        handshake::<StarttlsTokio>,
    ),
    other(
        "BufReader: plaintext round trip",
        300,
        round_trip::<Buffered>,
    ),
    ours(
        "tokio: plaintext round trip",
        Some("BufReader: plaintext round trip"),
        300,
        round_trip::<PlainStarttls>,
    ),
    ours("core: negotiation of SMTP", None, 100, |_, n| {
        negotiation(n, || {
            (
                smtp::Client::new("localhost"),
                smtp::Server::new("localhost"),
            )
        })
    }),
    ours("core: negotiation of PostgreSQL", None, 100, |_, n| {
        negotiation(n, || (postgres::Client::new(), postgres::Server::new()))
    }),
    ours("core: negotiation of LDAP", None, 100, |_, n| {
        negotiation(n, || (ldap::Client::new(), ldap::Server::new()))
    }),
];

/// Runs all of them, one [`counted_section`] each.
pub(crate) fn run(aws_lc: bool) -> Result<()> {
    let tls = if aws_lc {
        &Setup::new()?.full
    } else {
        let (server, client) = null_provider::configs()?;
        Tls::leaked(server, client)?
    };
    for scenario in ALL {
        (scenario.run)(tls, scenario.repetitions)?;
    }
    Ok(())
}

/// The name by which callgrind knows [`counted_section`].
pub(super) const SECTION: &str = concat!(module_path!(), "::counted_section");

/// What is counted.
#[inline(never)]
fn counted_section(work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let done = work();
    // Not a tail call: the function is left when the work is done.
    std::hint::black_box(&done);
    done
}

fn core_out(tls: &'static Tls, repetitions: usize, size: usize) -> Result<()> {
    let (mut client, _server) = established(tls)?;
    let (data, mut wire) = (vec![b'x'; size], Vec::with_capacity(2 * LARGE));
    let mut out = |wire: &mut Vec<u8>| -> Result<()> {
        wire.clear();
        let mut data = &data[..];
        while !data.is_empty() {
            let n = client.write(data)?;
            data = data.get(n..).unwrap_or_default();
            client.poll_transmit(wire);
        }
        Ok(())
    };
    out(&mut wire)?;
    counted_section(&mut || (0..repetitions).try_for_each(|_| out(&mut wire)))
}

fn core_in(tls: &'static Tls, repetitions: usize, size: usize) -> Result<()> {
    let (mut client, mut server) = established(tls)?;
    let wires = records(repetitions + 1, |wire| {
        ensure!(client.write(&vec![b'x'; size])? == size);
        client.poll_transmit(wire);
        Ok(())
    })?;
    let mut buf = vec![0; LARGE];
    let mut take_in = |wire: &[u8]| -> Result<()> {
        let (mut wire, mut got) = (wire, 0);
        while got < size {
            let n = server.handle_input(wire);
            wire = wire.get(n..).unwrap_or_default();
            while let Incoming::Data(n) = server.read(&mut buf)? {
                got += n;
            }
        }
        Ok(())
    };
    take_in(&wires[0])?;
    counted_section(&mut || wires[1..].iter().try_for_each(|wire| take_in(wire)))
}

fn rustls_out(tls: &'static Tls, repetitions: usize, size: usize) -> Result<()> {
    let (mut client, _server) = rustls_established(tls)?;
    let (data, mut wire) = (vec![b'x'; size], Vec::with_capacity(2 * LARGE));
    let mut out = |wire: &mut Vec<u8>| -> Result<()> {
        wire.clear();
        client.writer().write_all(&data)?;
        while client.wants_write() {
            client.write_tls(wire)?;
        }
        Ok(())
    };
    out(&mut wire)?;
    counted_section(&mut || (0..repetitions).try_for_each(|_| out(&mut wire)))
}

fn rustls_in(tls: &'static Tls, repetitions: usize, size: usize) -> Result<()> {
    let (mut client, mut server) = rustls_established(tls)?;
    let wires = records(repetitions + 1, |wire| {
        client.writer().write_all(&vec![b'x'; size])?;
        while client.wants_write() {
            client.write_tls(wire)?;
        }
        Ok(())
    })?;
    let mut buf = vec![0; LARGE];
    let mut take_in = |mut wire: &[u8]| -> Result<()> {
        let mut got = 0;
        while got < size {
            while !wire.is_empty() {
                server.read_tls(&mut wire)?;
                server.process_new_packets()?;
            }
            while let Ok(n) = server.reader().read(&mut buf) {
                got += n;
            }
        }
        Ok(())
    };
    take_in(&wires[0])?;
    counted_section(&mut || wires[1..].iter().try_for_each(|wire| take_in(wire)))
}

/// What is taken in was made before.
fn records(n: usize, mut make: impl FnMut(&mut Vec<u8>) -> Result<()>) -> Result<Vec<Vec<u8>>> {
    (0..n)
        .map(|_| {
            let mut wire = Vec::new();
            make(&mut wire)?;
            Ok(wire)
        })
        .collect()
}

/// The same order of polls every time: one thread, and pipes in memory.
struct InMemory(tokio::runtime::Runtime);

impl InMemory {
    fn new() -> Result<Self> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        Ok(Self(builder.enable_time().build()?))
    }
}

impl Runtime for InMemory {
    fn run(&self, server: Side, client: Side) -> Result<()> {
        self.0.block_on(both(server, client))
    }
}

type Pair = (Box<dyn Pipe>, Box<dyn Pipe>);

fn connect<B: Binding<DuplexStream>>(runtime: &dyn Runtime, tls: &'static Tls) -> Result<Pair> {
    let (server, client) = duplex(64 << 10);
    let opened = run_both(runtime, B::server(tls, server), B::client(tls, client))?;
    round_trips(runtime, opened, 1)
}

fn round_trips(runtime: &dyn Runtime, (mut server, mut client): Pair, n: usize) -> Result<Pair> {
    let server = async move {
        for _ in 0..n {
            pong(&mut *server).await?;
        }
        Ok(server)
    };
    let client = async move {
        for _ in 0..n {
            ping(&mut *client).await?;
        }
        Ok(client)
    };
    run_both(runtime, server, client)
}

fn round_trip<B: Binding<DuplexStream>>(tls: &'static Tls, repetitions: usize) -> Result<()> {
    let runtime = InMemory::new()?;
    let mut pair = Some(connect::<B>(&runtime, tls)?);
    counted_section(&mut || {
        let opened = pair.take().context("counted twice")?;
        pair = Some(round_trips(&runtime, opened, repetitions)?);
        Ok(())
    })
}

/// With the streams around it, from their making to their end, and one message each way.
fn handshake<B: Binding<DuplexStream>>(tls: &'static Tls, repetitions: usize) -> Result<()> {
    let runtime = InMemory::new()?;
    drop(connect::<B>(&runtime, tls)?);
    counted_section(&mut || {
        (0..repetitions).try_for_each(|_| connect::<B>(&runtime, tls).map(drop))
    })
}

/// Both sides of a dialogue, to where TLS would begin.
fn negotiation<C: Negotiator, S: Negotiator>(
    repetitions: usize,
    sides: fn() -> (C, S),
) -> Result<()> {
    let dialogue = || -> Result<()> {
        let (mut client, mut server) = sides();
        let (mut here, mut there) = (Plain::new(), Plain::new());
        let (mut client_done, mut server_done) = (false, false);
        while !(client_done && server_done) {
            if !server_done {
                server_done = matches!(there.negotiate(&mut server)?, Progress::Done(_));
            }
            carry(&mut there, &mut here)?;
            if !client_done {
                client_done = matches!(here.negotiate(&mut client)?, Progress::Done(_));
            }
            carry(&mut here, &mut there)?;
        }
        Ok(())
    };
    dialogue()?;
    counted_section(&mut || (0..repetitions).try_for_each(|_| dialogue()))
}
