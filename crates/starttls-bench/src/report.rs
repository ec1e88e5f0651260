use clap::ValueEnum;

use crate::bindings::{Role, Row};

/// What one run of a binding can be made for; one gives one or two figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    Bulk,
    PingPong,
    Handshake,
    Heap,
}

impl Measure {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::value_variants().iter().copied()
    }
}

/// The best value of every figure and row, in the order in which they came.
#[derive(Default)]
pub(crate) struct Report {
    best: Vec<Best>,
}

struct Best {
    figure: &'static str,
    row: &'static str,
    value: f64,
}

impl Report {
    pub(crate) fn note(&mut self, figure: &'static str, row: &Row, value: f64) {
        match self
            .best
            .iter_mut()
            .find(|best| best.figure == figure && best.row == row.name)
        {
            Some(best) => best.value = best.value.min(value),
            None => self.best.push(Best {
                figure,
                row: row.name,
                value,
            }),
        }
    }

    pub(crate) fn print(&self, rows: &[Row]) {
        let mut figures: Vec<_> = self.best.iter().map(|best| best.figure).collect();
        figures.dedup();
        let mut seen = Vec::new();
        let mut worst: Option<(f64, String)> = None;
        for figure in figures {
            if seen.contains(&figure) {
                continue;
            }
            seen.push(figure);
            println!("{figure}");
            for row in rows {
                let Some(value) = self.value(figure, row) else {
                    continue;
                };
                print!("  {:<28}{value:>12.3}", row.name);
                let others = rows.iter().filter(|other| {
                    row.role == Role::Ours && other.role != Role::Ours && other.group == row.group
                });
                for other in others {
                    let Some(ratio) = self.value(figure, other).map(|other| value / other) else {
                        continue;
                    };
                    // Where there is next to nothing without TLS, a ratio to it says nothing.
                    if ratio < 10.0 {
                        print!("   {ratio:.2} of {}", other.name);
                    }
                    if other.role == Role::Other
                        && worst.as_ref().is_none_or(|(worst, _)| ratio > *worst)
                    {
                        worst = Some((ratio, format!("{figure}, {} / {}", row.name, other.name)));
                    }
                }
                println!();
            }
            println!();
        }
        if let Some((ratio, what)) = worst {
            println!("worst ratio to an existing binding: {ratio:.2} ({what})");
        }
    }

    fn value(&self, figure: &str, row: &Row) -> Option<f64> {
        self.best
            .iter()
            .find(|best| best.figure == figure && best.row == row.name)
            .map(|best| best.value)
    }
}
