//! Every negotiator, whole and in pieces: the same verdict, the same words, the same bytes left.

#![no_main]

use libfuzzer_sys::fuzz_target;
use starttls_fuzz::deliver;

fuzz_target!(|data: &[u8]| {
    let [number, first, second, input @ ..] = data else {
        return;
    };
    let whole = deliver(*number, input, &[]);
    for lengths in [&[0][..], &[*first, *second]] {
        let pieces = deliver(*number, input, lengths);
        // What is behind the boundary is noticed in time or comes too late to be: that is all that cuts may change.
        let by_time = (whole.held_back() && pieces.went_ahead())
            || (whole.held_back() && pieces.held_back())
            || (whole.went_ahead() && pieces.went_ahead());
        assert!(by_time || pieces == whole, "{whole:?} whole and {pieces:?}");
    }
    assert!(
        whole.sent.len() <= 128 * 1024,
        "it says {} bytes",
        whole.sent.len()
    );
});
