//! The help fits a screen and begins with an example; manual and completions are made of it.

mod common;

use common::{CERTS, starttls};

const COMMANDS: &[&[&str]] = &[
    &[],
    &["connect"],
    &["check"],
    &["exporter"],
    &["scan"],
    &["probe"],
    &["proxy"],
    &["tunnel"],
    &["route"],
    &["completions"],
    &["man"],
    &["schema"],
];

#[test]
fn help_fits_a_screen_and_begins_with_an_example() {
    for command in COMMANDS {
        for flag in ["-h", "--help"] {
            let ran = starttls(&[command, &[flag][..]].concat()).exits(0);
            let lines: Vec<_> = ran.stdout.lines().collect();
            assert!(
                lines[0].starts_with("Example: starttls "),
                "{command:?}: {}",
                lines[0]
            );
            assert!(lines.len() <= 40, "{command:?}: {} lines", lines.len());
            for line in lines {
                assert!(line.chars().count() <= 80, "{command:?}: {line}");
            }
        }
    }
}

#[test]
fn every_command_is_in_this_list() {
    let ran = starttls(&["--help"]);
    let commands = ran.stdout.split("Commands:\n").nth(1).unwrap();
    let named: Vec<_> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().next().unwrap())
        .filter(|name| *name != "help")
        .collect();
    let listed: Vec<_> = COMMANDS
        .iter()
        .filter_map(|command| command.first().copied())
        .collect();
    assert_eq!(named, listed);
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = CERTS.folder.path().join("man");
    starttls(&["man", &folder.display().to_string()]).exits(0);
    for command in COMMANDS {
        let page = [&["starttls"], *command].concat().join("-") + ".1";
        let text = std::fs::read_to_string(folder.join(&page)).unwrap_or_else(|_| panic!("{page}"));
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        starttls(&["completions", shell])
            .exits(0)
            .says("save-chain");
    }
}

#[test]
fn the_schemas_in_the_repository_are_those_of_the_program() {
    for of in ["connect", "check", "scan", "probe"] {
        let file = format!("{}/schema/{of}-1.json", env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read_to_string(&file).unwrap();
        let printed = starttls(&["schema", of]).exits(0).stdout;
        assert_eq!(printed, kept, "starttls schema {of} >{file}");
    }
}
