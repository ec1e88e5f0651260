//! What an upgraded connection costs, beside the bindings that exist: `cargo run --release -p starttls-bench`.

use std::alloc::System;

use anyhow::Result;
use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod bindings;
mod bulk;
mod handshake;
mod heap;
mod layout;
mod ping_pong;
mod reads;
mod report;
mod setup;

use bindings::Row;
use layout::Layout;
use report::{Measure, Report};
use setup::Setup;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[derive(Parser)]
#[command(about)]
struct Args {
    /// Little work and few repetitions: shows that it runs, not what it costs.
    #[arg(long)]
    quick: bool,
    /// How often each row is measured, one after the other; the best counts.
    #[arg(long)]
    repetitions: Option<usize>,
    /// Only this measure, as a profiler wants it.
    #[arg(long, value_enum)]
    measure: Option<Measure>,
    /// Only rows with this in their name.
    #[arg(long, default_value = "")]
    row: String,
}

/// What is done for a row: little at a time, for on a machine with other things to do the best of many short repetitions is what it costs.
#[derive(Clone, Copy)]
struct Work {
    /// Bytes, round trips, handshakes, or pairs.
    amount: usize,
    repetitions: usize,
}

fn work(measure: Measure, quick: bool) -> Work {
    let (amount, repetitions) = match (measure, quick) {
        (Measure::Bulk, false) => (64 << 20, 80),
        (Measure::Bulk, true) => (32 << 20, 8),
        (Measure::PingPong, false) => (250, 300),
        (Measure::PingPong, true) => (250, 30),
        (Measure::Handshake, false) => (10, 300),
        (Measure::Handshake, true) => (10, 30),
        (Measure::Heap, _) => (50, 1),
    };
    Work {
        amount,
        repetitions,
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut rows = bindings::rows();
    rows.retain(|row| row.name.contains(&args.row));
    let setup = Setup::new()?;

    let mut report = Report::default();
    for measure in Measure::all().filter(|measure| args.measure.is_none_or(|only| only == *measure))
    {
        let work = work(measure, args.quick);
        // One repetition of every row before the next of any, so that a drift of the machine hits all of them.
        for _ in 0..args.repetitions.unwrap_or(work.repetitions).max(1) {
            layout::next();
            for row in &rows {
                let _layout = Layout::new();
                run(measure, row, &setup, work.amount, &mut report)?;
            }
        }
    }
    report.print(&rows);
    Ok(())
}

fn run(
    measure: Measure,
    row: &Row,
    setup: &Setup,
    amount: usize,
    report: &mut Report,
) -> Result<()> {
    match measure {
        Measure::Bulk => {
            let sample = (row.bulk)(setup, amount)?;
            report.note(
                "CPU seconds per GiB, 64 KiB writes",
                row,
                sample.cpu_per_gib,
            );
            report.note("read calls per GiB", row, sample.reads_per_gib);
        }
        Measure::PingPong => {
            let sample = (row.ping_pong)(setup, amount)?;
            report.note(
                "CPU ms per 1000 round trips of 64 bytes",
                row,
                sample.cpu_ms,
            );
            report.note(
                "wall ms per 1000 round trips of 64 bytes",
                row,
                sample.wall_ms,
            );
        }
        Measure::Handshake => {
            let cpu_ms = (row.handshake)(setup, amount)?;
            report.note("CPU ms per upgrade and full handshake", row, cpu_ms);
        }
        Measure::Heap => {
            let bytes = (row.heap)(setup, amount)?;
            report.note("heap bytes of an idle pair", row, bytes);
        }
    }
    Ok(())
}
