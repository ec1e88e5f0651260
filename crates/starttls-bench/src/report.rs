/// What a row of a table stands for.
#[derive(Clone, Copy)]
pub(crate) struct Label {
    pub(crate) name: &'static str,
    /// What it stands beside: rows of one group are compared.
    pub(crate) group: &'static str,
    pub(crate) role: Role,
}

/// What a row is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// What everything costs without TLS or without a binding.
    Floor,
    /// What ours is compared with.
    Other,
    Ours,
}

/// Every value of every figure and row, in the order in which they came.
#[derive(Default)]
pub(crate) struct Report {
    values: Vec<Values>,
}

struct Values {
    figure: &'static str,
    row: &'static str,
    /// One a round.
    rounds: Vec<f64>,
}

/// A median, and the quarter of the values below and above it.
pub(crate) struct Spread {
    pub(crate) median: f64,
    low: f64,
    high: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (values.len().saturating_sub(1)) as f64 * part;
            let value = |index: f64| values.get(index as usize).copied().unwrap_or(f64::NAN);
            let (below, above) = (value(index.floor()), value(index.ceil()));
            below + (above - below) * index.fract()
        };
        Self {
            median: at(0.5),
            low: at(0.25),
            high: at(0.75),
        }
    }
}

impl Report {
    pub(crate) fn note(&mut self, figure: &'static str, row: &'static str, value: f64) {
        match self
            .values
            .iter_mut()
            .find(|values| values.figure == figure && values.row == row)
        {
            Some(values) => values.rounds.push(value),
            None => self.values.push(Values {
                figure,
                row,
                rounds: vec![value],
            }),
        }
    }

    /// A table for each figure: the median, the quartiles, and for ours the ratio to each other row of the group, round by round.
    pub(crate) fn print(&self, rows: &[Label]) {
        for figure in self.figures() {
            println!("| {figure} | median | quartiles | ratio (quartiles) |");
            println!("|---|---|---|---|");
            for row in rows {
                let Some(rounds) = self.rounds(figure, row) else {
                    continue;
                };
                let Spread { median, low, high } = Spread::of(rounds.to_vec());
                let ratios: Vec<String> = rows
                    .iter()
                    .filter(|other| {
                        row.role == Role::Ours
                            && other.role != Role::Ours
                            && other.group == row.group
                    })
                    .filter_map(|other| {
                        let ratio = self.ratio(figure, row, other)?;
                        // Where there is next to nothing without TLS, a ratio to it says nothing.
                        (ratio.median < 10.0).then(|| {
                            format!(
                                "{:.2} ({:.2}-{:.2}) of {}",
                                ratio.median, ratio.low, ratio.high, other.name
                            )
                        })
                    })
                    .collect();
                println!(
                    "| {} | {} | {}-{} | {} |",
                    row.name,
                    short(median),
                    short(low),
                    short(high),
                    ratios.join(", ")
                );
            }
            println!();
        }
    }

    /// Ours beside the existing binding, medians only, a column for each group: what one looks at first.
    pub(crate) fn print_summary(&self, labels: &[Label]) {
        let mut compared: Vec<(&Label, &Label)> = Vec::new();
        for ours in labels.iter().filter(|label| label.role == Role::Ours) {
            // The last of them is the same engine, the first of ours is the plain way.
            let other = labels
                .iter()
                .rfind(|other| other.role == Role::Other && other.group == ours.group);
            if let Some(other) = other
                && compared.iter().all(|(first, _)| first.group != ours.group)
            {
                compared.push((ours, other));
            }
        }
        let groups: Vec<&str> = compared.iter().map(|(ours, _)| ours.group).collect();
        println!("| ours / the existing one | {} |", groups.join(" | "));
        println!("|---|{}", "---|".repeat(groups.len()));
        for figure in self.figures() {
            let cells: Vec<String> = compared
                .iter()
                .map(|(ours, other)| {
                    self.ratio(figure, ours, other)
                        .map_or_else(String::new, |ratio| format!("{:.2}", ratio.median))
                })
                .collect();
            println!("| {figure} | {} |", cells.join(" | "));
        }
    }

    fn figures(&self) -> Vec<&'static str> {
        let mut figures = Vec::new();
        for values in &self.values {
            if !figures.contains(&values.figure) {
                figures.push(values.figure);
            }
        }
        figures
    }

    /// Round by round, so that what else the machine did in a round is in both.
    fn ratio(&self, figure: &str, row: &Label, other: &Label) -> Option<Spread> {
        let ratios: Vec<f64> =
            std::iter::zip(self.rounds(figure, row)?, self.rounds(figure, other)?)
                .map(|(ours, theirs)| ours / theirs)
                .filter(|ratio| ratio.is_finite())
                .collect();
        (!ratios.is_empty()).then(|| Spread::of(ratios))
    }

    fn rounds(&self, figure: &str, row: &Label) -> Option<&[f64]> {
        self.values
            .iter()
            .find(|values| values.figure == figure && values.row == row.name)
            .map(|values| &values.rounds[..])
    }
}

/// Three or four digits.
fn short(value: f64) -> String {
    match value {
        1000.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
