//! The documentation names tests, and they are there.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The source of a test target: its file, and all files of its folder.
fn source(target: &str) -> String {
    let tests = root().join("tests/tests");
    let file = fs::read_to_string(tests.join(target).with_extension("rs")).unwrap_or_default();
    // The suite for all adapters is beside the targets that instantiate it.
    let folders = [tests.join(target), root().join("tests").join(target)];
    let source = folders
        .iter()
        .fold(file, |source, folder| source + &sources_in(folder));
    assert!(!source.is_empty(), "there are no tests {target}");
    source
}

fn sources_in(folder: &Path) -> String {
    let Ok(entries) = fs::read_dir(folder) else {
        return String::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            if path.is_dir() {
                sources_in(&path)
            } else {
                fs::read_to_string(path).unwrap()
            }
        })
        .collect()
}

#[test]
fn every_test_that_attacks_md_names_exists() {
    let text = fs::read_to_string(root().join("docs/attacks.md")).unwrap();
    let mut names = 0;
    for quoted in text.split('`').skip(1).step_by(2) {
        let Some((target, function)) = quoted.split_once("::") else {
            continue;
        };
        if !target.starts_with(|c: char| c.is_ascii_lowercase())
            || ["rustls", "file"].contains(&target)
        {
            continue;
        }
        names += 1;
        let source = source(target);
        let is_there = ["(", "<"]
            .iter()
            .any(|end| source.contains(&format!("fn {function}{end}")));
        assert!(is_there, "there is no {quoted}");
    }
    assert!(names > 50, "only {names} names");
}

#[test]
fn every_rule_is_in_attacks_md() {
    let text = fs::read_to_string(root().join("docs/attacks.md")).unwrap();
    for rule in 1..=46 {
        assert!(
            text.contains(&format!("\n**S{rule}. ")),
            "S{rule} is not there"
        );
    }
    assert!(!text.contains('@'), "a place is not filled in");
}
