use anyhow::Result;

use crate::in_memory;
use crate::layout::{self, Layout};
use crate::measures::Measure;
use crate::report::Report;
use crate::rows;
use crate::setup::Setup;

/// What is measured and how often.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Little work and few rounds: shows that it runs, not what it costs.
    #[arg(long)]
    quick: bool,
    /// How often each row is measured; in every round, every row once.
    #[arg(long)]
    rounds: Option<usize>,
    /// Only this measure, as a profiler wants it.
    #[arg(long, value_enum)]
    measure: Option<Measure>,
    /// Only rows with this in their name.
    #[arg(long, default_value = "")]
    row: String,
    /// How much is done in one round: bytes, round trips, handshakes, or pairs.
    #[arg(long, requires = "measure")]
    amount: Option<usize>,
}

const ROUNDS: usize = 15;
/// The fewest of which a spread says something.
const QUICK_ROUNDS: usize = 5;

pub(crate) fn command(args: &Args) -> Result<()> {
    let mut rows = rows::rows();
    rows.retain(|row| row.label.name.contains(&args.row));
    let setup = Setup::new()?;
    let default = if args.quick { QUICK_ROUNDS } else { ROUNDS };
    let rounds = args.rounds.unwrap_or(default).max(1);

    let mut report = Report::default();
    for measure in Measure::ALL
        .iter()
        .copied()
        .filter(|measure| args.measure.is_none_or(|only| only == *measure))
    {
        let amount = args.amount.unwrap_or_else(|| measure.amount(args.quick));
        // One round of every row before the next of any, so that a drift of the machine hits all of them.
        for _ in 0..rounds {
            layout::next();
            for row in rows.iter().filter(|row| row.measures.contains(&measure)) {
                let _layout = Layout::new();
                for (figure, value) in measure.run(row.connect, setup, amount)? {
                    report.note(figure, row.label.name, value);
                }
            }
        }
    }
    let labels: Vec<_> = rows.iter().map(|row| row.label).collect();
    report.print(&labels);
    if args.measure.is_none() && args.row.is_empty() {
        core_in_memory(setup, args.quick, rounds)?;
        report.print_summary(&labels);
    }
    Ok(())
}

fn core_in_memory(setup: &'static Setup, quick: bool, rounds: usize) -> Result<()> {
    let total = if quick { 4 << 20 } else { 32 << 20 };
    for record in [16 << 10, 1 << 10] {
        let mut report = Report::default();
        let (out, into) = match record {
            0x4000 => (
                "in memory: CPU seconds per GiB, records of 16 KiB out",
                "in memory: CPU seconds per GiB, records of 16 KiB in",
            ),
            _ => (
                "in memory: CPU seconds per GiB, records of 1 KiB out",
                "in memory: CPU seconds per GiB, records of 1 KiB in",
            ),
        };
        for _ in 0..rounds {
            layout::next();
            for (label, run) in in_memory::ROWS {
                let _layout = Layout::new();
                let spent = run(setup, total, record)?;
                let gib = total as f64 / f64::from(1 << 30);
                report.note(out, label.name, spent.made.as_secs_f64() / gib);
                report.note(into, label.name, spent.taken_in.as_secs_f64() / gib);
            }
        }
        report.print(&in_memory::ROWS.map(|(label, _)| label));
    }
    Ok(())
}
