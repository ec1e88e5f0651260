//! The core on rustls 0.24 beside the core on rustls 0.23, and each rustls alone: records out and in without a socket, allocations, and
//! what a connection holds. `cargo run --release -p starttls-bench-next`, with `--quick` to see that it runs.

use std::alloc::System;
use std::time::Duration;

use anyhow::Result;
use cpu_time::ThreadTime;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod rustls_next;
mod rustls_today;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What is made before it is taken in.
const BATCH: usize = 64 << 10;

/// What one round of a row has come to.
#[derive(Default)]
struct Sample {
    out: Duration,
    taken_in: Duration,
    allocations: usize,
}

/// Two sides after the handshake, of any kind.
trait Sides {
    fn connected() -> Result<Self>
    where
        Self: Sized;

    /// Records with `data`, appended to `wire`.
    fn out(&mut self, data: &[u8], wire: &mut Vec<u8>) -> Result<()>;

    /// Takes all of `wire` in; how many bytes of data it had.
    fn take_in(&mut self, wire: &mut [u8], buf: &mut [u8]) -> Result<usize>;
}

macro_rules! core_row {
    ($name:ident, $krate:ident, $client:path, $server:path) => {
        struct $name {
            client: Box<$krate::Tls>,
            server: Box<$krate::Tls>,
        }

        impl Sides for $name {
            fn connected() -> Result<Self> {
                use $krate::{Phase, Tls};
                let mut client = Box::new(Tls::new_implicit($client()));
                let mut server = Box::new(Tls::new_implicit($server()));
                let carry = |from: &mut Tls, to: &mut Tls| {
                    let mut wire = Vec::new();
                    from.poll_transmit(&mut wire);
                    let taken = to.handle_input(&wire);
                    anyhow::ensure!(taken == wire.len(), "input is not taken");
                    Ok(())
                };
                while client.is_handshaking() || server.is_handshaking() || client.has_output() {
                    carry(&mut client, &mut server)?;
                    carry(&mut server, &mut client)?;
                }
                Ok(Self { client, server })
            }

            fn out(&mut self, mut data: &[u8], wire: &mut Vec<u8>) -> Result<()> {
                use $krate::Phase;
                while !data.is_empty() {
                    let n = self.client.write(data)?;
                    data = data.get(n..).unwrap_or_default();
                    self.client.poll_transmit(wire);
                }
                Ok(())
            }

            fn take_in(&mut self, wire: &mut [u8], buf: &mut [u8]) -> Result<usize> {
                use $krate::{Incoming, Phase};
                let (mut wire, mut got) = (&wire[..], 0);
                loop {
                    let n = self.server.handle_input(wire);
                    wire = wire.get(n..).unwrap_or_default();
                    while let Incoming::Data(n) = self.server.read(buf)? {
                        got += n;
                    }
                    if wire.is_empty() {
                        return Ok(got);
                    }
                }
            }
        }
    };
}

core_row!(CoreToday, today, rustls_today::client, rustls_today::server);
core_row!(
    CoreNext,
    next,
    starttls_tests::certs::client_without_resumption,
    starttls_tests::certs::server_without_resumption
);

fn round<S: Sides>(total: usize, record: usize) -> Result<Sample> {
    let mut sides = S::connected()?;
    let mut wire = Vec::with_capacity(2 * BATCH);
    let (data, mut buf) = (vec![b'x'; record], vec![0; BATCH]);
    let mut sample = Sample::default();
    let before = allocations();
    for _ in 0..total / BATCH {
        wire.clear();
        let began = ThreadTime::now();
        for _ in 0..BATCH / record {
            sides.out(&data, &mut wire)?;
        }
        sample.out += began.elapsed();
        let began = ThreadTime::now();
        let got = sides.take_in(&mut wire, &mut buf)?;
        sample.taken_in += began.elapsed();
        anyhow::ensure!(got == BATCH, "{got} bytes of {BATCH} arrived");
    }
    sample.allocations = allocations() - before;
    Ok(sample)
}

/// What both sides of a connection hold, each in a box.
fn heap<S: Sides>() -> Result<usize> {
    const PAIRS: usize = 20;
    drop(S::connected()?);
    let mut held = Vec::with_capacity(PAIRS);
    let before = in_use();
    for _ in 0..PAIRS {
        held.push(Box::new(S::connected()?));
    }
    Ok((in_use() - before) / PAIRS)
}

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

fn in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats
        .bytes_allocated
        .saturating_sub(stats.bytes_deallocated)
}

type Row = (
    &'static str,
    fn(usize, usize) -> Result<Sample>,
    fn() -> Result<usize>,
);

fn main() -> Result<()> {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let (rounds, total) = if quick { (5, 4 << 20) } else { (21, 32 << 20) };
    let gib = total as f64 / f64::from(1 << 30);
    let rows: [Row; 4] = [
        (
            "rustls 0.23, buffered",
            round::<rustls_today::Pair>,
            heap::<rustls_today::Pair>,
        ),
        (
            "starttls-core on 0.23",
            round::<CoreToday>,
            heap::<CoreToday>,
        ),
        (
            "rustls 0.24",
            round::<rustls_next::Pair>,
            heap::<rustls_next::Pair>,
        ),
        ("starttls-core on 0.24", round::<CoreNext>, heap::<CoreNext>),
    ];
    for record in [16 << 10, 1 << 10] {
        println!(
            "| records of {} KiB | out, CPU s/GiB | in, CPU s/GiB | allocations/GiB | heap of a pair |",
            record >> 10
        );
        println!("|---|---|---|---|---|");
        let mut samples: Vec<Vec<Sample>> = rows.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for ((_, run, _), samples) in rows.iter().zip(&mut samples) {
                samples.push(run(total, record)?);
            }
        }
        for ((name, _, heap), samples) in rows.iter().zip(samples) {
            let median = |value: fn(&Sample) -> f64| {
                let mut values: Vec<f64> = samples.iter().map(value).collect();
                values.sort_by(f64::total_cmp);
                values.get(values.len() / 2).copied().unwrap_or(f64::NAN) / gib
            };
            println!(
                "| {name} | {:.3} | {:.3} | {:.0} | {} |",
                median(|sample| sample.out.as_secs_f64()),
                median(|sample| sample.taken_in.as_secs_f64()),
                median(|sample| sample.allocations as f64),
                heap()?
            );
        }
        println!();
    }
    Ok(())
}
