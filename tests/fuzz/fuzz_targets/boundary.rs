//! What is received before the boundary is refused or belongs to TLS, and is never data.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use starttls_core::{Boundary, Error, Incoming, Phase, Plain};
use starttls_fuzz::{client, server};

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    consumed: &'a [u8],
    behind: &'a [u8],
    later: &'a [u8],
    pipelined: bool,
    is_client: bool,
}

fuzz_target!(|case: Case| {
    let (consumed, behind) = (case.consumed, case.behind);
    if consumed.len() + behind.len() > 64 * 1024 {
        return;
    }
    let mut plain = Plain::new();
    assert_eq!(plain.handle_input(consumed), consumed.len());
    assert_eq!(plain.handle_input(behind), behind.len());
    plain.consume(consumed.len());
    assert_eq!(plain.peek(), behind);
    assert_eq!(
        plain.total_received(),
        (consumed.len() + behind.len()) as u64
    );
    let boundary = if case.pipelined {
        Boundary::Pipelined
    } else {
        Boundary::Exact
    };
    let tls = if case.is_client {
        plain.start_tls_at(boundary, client())
    } else {
        plain.start_tls_at(boundary, server())
    };
    let mut tls = match tls {
        Ok(tls) => tls,
        Err(Error::UnreadPlaintext { count, .. }) => {
            assert!(!case.pipelined && count == behind.len() && count > 0);
            return;
        }
        Err(other) => panic!("{other:?}"),
    };
    assert!(case.pipelined || behind.is_empty());
    let _ = tls.handle_input(case.later);
    tls.handle_eof();
    // Nobody has shaken hands: whatever these bytes are, they are no data.
    for _ in 0..4 {
        let mut sent = Vec::new();
        tls.poll_transmit(&mut sent);
        assert!(
            sent.first().is_none_or(|byte| (20..=22).contains(byte)),
            "{sent:?}"
        );
        assert!(!matches!(tls.read(&mut [0; 64]), Ok(Incoming::Data(_))));
    }
    assert!(tls.error().is_some(), "the end came in the handshake");
});
