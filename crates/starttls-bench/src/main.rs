//! What an upgraded connection costs, beside the bindings that exist: `cargo run --release -p starttls-bench`.

use std::alloc::System;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

mod binding;
mod counted;
mod growing;
mod in_memory;
mod instructions;
mod layout;
mod measures;
mod meter;
mod report;
mod rows;
mod runtimes;
mod setup;
mod timing;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What an upgraded connection costs, beside the bindings that exist.
///
/// Without a command: processor time, calls, allocations and heap.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    timing: timing::Args,
}

#[derive(Subcommand)]
enum Command {
    /// Counts instructions (with valgrind) and fails if there are more than the kept ones.
    Instructions {
        /// Keep the new figures.
        #[arg(long)]
        keep: bool,
        /// With real cryptography: shown and not judged, since it depends on the processor.
        #[arg(long)]
        aws_lc: bool,
        /// Leave callgrind's file here, for `callgrind_annotate`.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// What a connection costs among many, and a byte of a large transfer.
    Growth {
        /// Little work: shows that it runs, not what it costs.
        #[arg(long)]
        quick: bool,
        /// Only rows with this in their name.
        #[arg(long, default_value = "")]
        row: String,
    },
    /// What is counted: `instructions` runs it in valgrind.
    #[command(hide = true)]
    Scenarios {
        #[arg(long)]
        aws_lc: bool,
    },
}

fn main() -> Result<()> {
    let args = Args::parse();
    match args.command {
        None => timing::command(&args.timing),
        Some(Command::Instructions {
            keep,
            aws_lc,
            output,
        }) => instructions::command(keep, aws_lc, output),
        Some(Command::Growth { quick, row }) => growing::command(quick, &row),
        Some(Command::Scenarios { aws_lc }) => instructions::run_scenarios(aws_lc),
    }
}
