//! The first bytes of anything: looking at them decides nothing twice, and more of them take nothing back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use starttls_core::{Error, Misbehaviour, UntrustedText};
use starttls_protocols::diagnose::{diagnose, recognise};
use starttls_protocols::sniff::{Sniffed, sniff};

fuzz_target!(|data: &[u8]| {
    let mut decided = None;
    for end in 0..=data.len().min(64) {
        let now = sniff(&data[..end]);
        match (decided, now) {
            (None, Sniffed::NeedMore) => {}
            (None, now) => decided = Some(now),
            (Some(before), now) => assert_eq!(before, now, "at {end}"),
        }
    }
    let _ = recognise(data);
    let sample = UntrustedText::new(data);
    let what = "greeting";
    for error in [
        Error::NotTls {
            sample: sample.clone(),
        },
        Error::Misbehaved(Misbehaviour::Malformed { what, sample }),
    ] {
        let said = diagnose(&error).map(|diagnosis| diagnosis.to_string());
        assert!(said.is_none_or(|said| said.is_ascii() && said.len() < 1000));
        assert!(format!("{error} {error:?}").is_ascii());
    }
});
