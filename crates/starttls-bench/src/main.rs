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
    /// How often each row is measured; the best counts.
    #[arg(long)]
    repetitions: Option<usize>,
    /// Only this measure, as a profiler wants it.
    #[arg(long, value_enum)]
    measure: Option<Measure>,
    /// Only rows with this in their name.
    #[arg(long, default_value = "")]
    row: String,
}

/// How much work one repetition is: little, for on a machine with other things to do the best of many short ones is what it costs.
struct Amount {
    bulk_bytes: usize,
    round_trips: usize,
    handshakes: usize,
    idle_pairs: usize,
    repetitions: usize,
}

const FULL: Amount = Amount {
    bulk_bytes: 128 << 20,
    round_trips: 500,
    handshakes: 50,
    idle_pairs: 100,
    repetitions: 41,
};

const QUICK: Amount = Amount {
    bulk_bytes: 64 << 20,
    round_trips: 250,
    handshakes: 20,
    idle_pairs: 20,
    repetitions: 5,
};

fn main() -> Result<()> {
    let args = Args::parse();
    let amount = if args.quick { QUICK } else { FULL };
    let repetitions = args.repetitions.unwrap_or(amount.repetitions).max(1);
    let mut rows = bindings::rows();
    rows.retain(|row| row.name.contains(&args.row));
    let setup = Setup::new()?;

    let mut report = Report::default();
    for measure in Measure::all().filter(|measure| args.measure.is_none_or(|only| only == *measure))
    {
        // One repetition of every row before the next of any, so that a drift of the machine hits all of them.
        for _ in 0..repetitions {
            layout::next();
            for row in &rows {
                let _layout = Layout::new();
                run(measure, row, &setup, &amount, &mut report)?;
            }
        }
    }
    println!("best of {repetitions} interleaved repetitions each\n");
    report.print(&rows);
    Ok(())
}

fn run(
    measure: Measure,
    row: &Row,
    setup: &Setup,
    amount: &Amount,
    report: &mut Report,
) -> Result<()> {
    match measure {
        Measure::Bulk => {
            let sample = (row.bulk)(setup, amount.bulk_bytes)?;
            report.note(
                "CPU seconds per GiB, 64 KiB writes",
                row,
                sample.cpu_per_gib,
            );
            report.note("read calls per GiB", row, sample.reads_per_gib);
        }
        Measure::PingPong => {
            let sample = (row.ping_pong)(setup, amount.round_trips)?;
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
            let cpu_ms = (row.handshake)(setup, amount.handshakes)?;
            report.note("CPU ms per upgrade and full handshake", row, cpu_ms);
        }
        Measure::Heap => {
            let bytes = (row.heap)(setup, amount.idle_pairs)?;
            report.note("heap bytes of an idle pair", row, bytes);
        }
    }
    Ok(())
}
