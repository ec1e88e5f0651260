//! How an attack is compared with what an honest client hears.

use crate::probe::attacks::Outcome;
use crate::probe::drive::Edit;
use crate::probe::{Evidence, Verdict};
use crate::report::Failure;

pub(super) fn passed(because: impl Into<String>) -> Outcome {
    (Verdict::Pass, because.into(), Vec::new())
}

pub(super) fn skipped(because: &str) -> Outcome {
    (Verdict::Skipped, because.to_owned(), Vec::new())
}

/// As far as a reply goes in which a tag may stand in front of the verdict; all of it where it is no text.
pub(super) fn two_words(reply: &[u8]) -> &[u8] {
    let mut spaces = reply.iter().enumerate().filter(|(_, byte)| **byte == b' ');
    let second = spaces.nth(1).filter(|_| reply.is_ascii());
    second.and_then(|(at, _)| reply.get(..at)).unwrap_or(reply)
}

/// Whether an answer is in there. Its beginning must do: later on there may be a date or a number.
pub(super) fn has_beginning_of(heard: &[u8], answer: &[u8]) -> bool {
    let line = answer
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let beginning = line.get(..8).unwrap_or(line);
    !beginning.is_empty()
        && heard
            .windows(beginning.len())
            .any(|window| window == beginning)
}

/// This message instead of that one.
pub(super) fn instead(request: &[u8], attack: &[u8]) -> impl Edit {
    let (request, attack) = (request.to_vec(), attack.to_vec());
    move |message: &mut Vec<u8>, _: bool, _: &mut Vec<u8>| {
        if *message == request {
            message.clone_from(&attack);
        }
    }
}

/// Lines where it is text; whether there is anything where it is not.
pub(super) fn answers(heard: &[u8]) -> usize {
    if heard.is_ascii() {
        let ends = heard
            .iter()
            .filter(|byte| matches!(byte, b'\n' | b'>'))
            .count();
        ends.max(usize::from(!heard.is_empty()))
    } else {
        heard.len()
    }
}

pub(super) fn unclear(failure: &Failure) -> Outcome {
    (
        Verdict::Unclear,
        format!("no connection to attack: {failure}"),
        Vec::new(),
    )
}

/// The first lines of both.
pub(super) fn compared(
    usual: &[u8],
    heard: &[u8],
    otherwise: &str,
    evidence: Vec<Evidence>,
) -> Outcome {
    let first = |bytes: &[u8]| {
        let line = bytes.split(|byte| *byte == b'\n').next();
        line.unwrap_or_default().to_vec()
    };
    if heard.is_empty() || first(usual) == first(heard) {
        (
            Verdict::Pass,
            "the answer is that of a new session".to_owned(),
            evidence,
        )
    } else {
        (Verdict::Fail, otherwise.to_owned(), evidence)
    }
}
