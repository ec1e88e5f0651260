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
        if whole.is_unread() {
            assert!(pieces.is_unread(), "{whole:?} whole and {pieces:?}");
            assert_eq!(pieces.left, whole.left);
        } else {
            assert_eq!(pieces, whole);
        }
    }
    assert!(
        whole.sent.len() <= 128 * 1024,
        "it says {} bytes",
        whole.sent.len()
    );
});
