use anyhow::Result;

use crate::measures;
use crate::report::{Role, Spread};
use crate::rows;
use crate::setup::Setup;

/// Descriptors that are not for sockets: standard streams, pollers, wakers, the listener.
const OTHERS: u64 = 200;

/// Connections at 1, 100, 1,000 and as many as descriptors allow; messages from 1 KiB to 1 GiB.
pub(crate) fn command(quick: bool, only: &str) -> Result<()> {
    let setup = Setup::new()?;
    let mut rows = rows::rows();
    rows.retain(|row| {
        row.label.role != Role::Floor
            && row.label.group.ends_with("one thread")
            && row.label.name.contains(only)
    });
    let most = most_pairs()?;
    let counts = if quick {
        vec![1, 20]
    } else {
        vec![1, 100, 1_000, most]
    };
    println!(
        "| pairs | row | heap bytes each | CPU us to connect | CPU us a round trip of one more |"
    );
    println!("|---|---|---|---|---|");
    for pairs in counts {
        for row in &rows {
            let growth = measures::growth(row.connect, setup, pairs)?;
            println!(
                "| {pairs} | {} | {:.0} | {:.0} | {:.2} |",
                row.label.name, growth.heap_per_pair, growth.connect_us, growth.round_trip_us
            );
        }
    }
    println!();

    let largest = if quick { 1 << 20 } else { 1 << 30 };
    println!("| message | row | CPU ns a byte |");
    println!("|---|---|---|");
    for size in [
        1 << 10,
        16 << 10,
        256 << 10,
        1 << 20,
        16 << 20,
        256 << 20,
        1 << 30_usize,
    ]
    .into_iter()
    .filter(|size| *size <= largest)
    {
        let rounds = if quick || size >= 256 << 20 { 1 } else { 5 };
        let mut values = vec![Vec::new(); rows.len()];
        for _ in 0..rounds {
            for (row, values) in std::iter::zip(&rows, &mut values) {
                values.push(measures::per_byte(row.connect, setup, size)?);
            }
        }
        for (row, values) in std::iter::zip(&rows, values) {
            println!(
                "| {} KiB | {} | {:.2} |",
                size >> 10,
                row.label.name,
                Spread::of(values).median
            );
        }
    }
    Ok(())
}

/// The limit is raised as far as it goes without asking anybody.
fn most_pairs() -> Result<usize> {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX)?;
    Ok(usize::try_from(descriptors.saturating_sub(OTHERS) / 2)?.clamp(1, 10_000))
}
