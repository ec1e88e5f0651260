//! Counts instructions in valgrind's callgrind: what a change is judged by, since they do not depend on what else the machine does.
//!
//! So that they do not depend on the machine either, nothing that looks at the processor is counted: the cryptography is a
//! [null provider](null_provider), the transport is memory, and glibc is told to use its plain copy loops.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

mod null_provider;
mod scenarios;

pub(crate) use scenarios::run as run_scenarios;

/// How much more than the kept figure is a failure.
const TOLERANCE: f64 = 0.03;

/// `memcpy` and `memset` without what only some processors have. Under another C library it says nothing and does no harm.
const TUNABLES: &str = "glibc.cpu.hwcaps=-ERMS,-FSRM,-AVX2,-AVX2_Usable,-AVX512VL,-AVX512VL_Usable,-AVX_Fast_Unaligned_Load";

/// Counts every scenario, compares what is ours with the kept figures, and keeps the new ones if `keep`.
pub(crate) fn command(keep: bool, aws_lc: bool, output: Option<PathBuf>) -> Result<()> {
    let counts = count(aws_lc, output)?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    let kept = read(&fs::read_to_string(&path).unwrap_or_default())?;
    let mut above = Vec::new();
    println!("| instructions | starttls | kept | the other | ratio |");
    println!("|---|---|---|---|---|");
    for scenario in scenarios::ALL {
        let count = *counts.get(scenario.name).context("a scenario was lost")?;
        let before = kept.get(scenario.name).copied();
        let other = scenario.beside.and_then(|name| counts.get(name)).copied();
        if !scenario.ours {
            continue;
        }
        println!(
            "| {} | {count:.0} | {} | {} | {} |",
            scenario.name,
            before.map_or_else(|| "-".to_owned(), |before| format!("{before:.0}")),
            other.map_or_else(|| "-".to_owned(), |other| format!("{other:.0}")),
            other.map_or_else(|| "-".to_owned(), |other| format!("{:.3}", count / other)),
        );
        match before {
            Some(before) if count <= before * (1.0 + TOLERANCE) => {
                if count < before * (1.0 - TOLERANCE) {
                    println!("{}: fewer than kept; `--keep` keeps them", scenario.name);
                }
            }
            _ => above.push(scenario.name),
        }
    }
    if aws_lc {
        // Not judged: the cipher takes another path on another processor.
        return Ok(());
    }
    if keep {
        return Ok(fs::write(&path, written(&counts))?);
    }
    ensure!(
        above.is_empty(),
        "more than {:.0} % above the figures in {}, or none there: {}",
        TOLERANCE * 100.0,
        path.display(),
        above.join("; ")
    );
    Ok(())
}

/// Instructions of one repetition of each scenario, by its name.
fn count(aws_lc: bool, output: Option<PathBuf>) -> Result<BTreeMap<&'static str, f64>> {
    let temporary = env::temp_dir().join(format!("starttls-bench-{}", std::process::id()));
    let out = output.clone().unwrap_or(temporary);
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet", "--combine-dumps=yes"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        // Only what is done inside of this function, with everything that it calls, and a part of the file for each call.
        .arg(format!("--toggle-collect={}", scenarios::SECTION))
        .arg(format!("--dump-after={}", scenarios::SECTION))
        .arg(env::current_exe()?)
        .arg("scenarios")
        .env("GLIBC_TUNABLES", TUNABLES);
    if aws_lc {
        command.arg("--aws-lc");
    }
    let status = command
        .status()
        .context("valgrind is needed; on Debian: apt-get install valgrind")?;
    ensure!(status.success(), "valgrind: {status}");
    let text = fs::read_to_string(&out)?;
    if output.is_none() {
        fs::remove_file(&out)?;
    }
    let totals = parts(&text)?;
    ensure!(
        totals.len() == scenarios::ALL.len(),
        "{} scenarios and {} counts",
        scenarios::ALL.len(),
        totals.len()
    );
    Ok(std::iter::zip(scenarios::ALL, totals)
        .map(|(scenario, total)| (scenario.name, total / scenario.repetitions as f64))
        .collect())
}

/// The totals of all parts of a file of callgrind's that were dumped at the end of the section.
fn parts(text: &str) -> Result<Vec<f64>> {
    let mut totals = Vec::new();
    let mut of_section = false;
    for line in text.lines() {
        if let Some(trigger) = line.strip_prefix("desc: Trigger: --dump-after=") {
            of_section = trigger == scenarios::SECTION;
        } else if let Some(total) = line.strip_prefix("totals: ").filter(|_| of_section) {
            totals.push(total.trim().parse()?);
            of_section = false;
        }
    }
    Ok(totals)
}

fn read(text: &str) -> Result<BTreeMap<String, f64>> {
    let mut kept = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((count, name)) = line.split_once('\t') else {
            bail!("not a count and a name: {line:?}");
        };
        kept.insert(name.to_owned(), count.parse()?);
    }
    Ok(kept)
}

fn written(counts: &BTreeMap<&str, f64>) -> String {
    let mut text = "# Instructions of one repetition, by `cargo run --release -p starttls-bench -- instructions --keep`.\n\
                    # Another compiler, another rustls or another allocator may need new figures.\n"
        .to_owned();
    for scenario in scenarios::ALL.iter().filter(|scenario| scenario.ours) {
        let count = counts.get(scenario.name).copied().unwrap_or_default();
        text.push_str(&format!("{count:.0}\t{}\n", scenario.name));
    }
    text
}
