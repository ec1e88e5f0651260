//! Any bytes where TLS is due, at either role: an error or a wait, the same whole and in pieces, with an alert that is one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use starttls_core::{Error, Incoming, Phase, Plain, Tls};
use starttls_fuzz::{client, server};

fn begin(is_client: bool) -> Tls {
    let plain = Plain::new();
    let tls = if is_client {
        plain.start_tls(client())
    } else {
        plain.start_tls(server())
    };
    tls.expect("nothing is unread")
}

/// What kind of end it comes to, and that no data comes of it.
fn run(mut tls: Tls, mut input: &[u8], piece: usize) -> Option<std::mem::Discriminant<Error>> {
    let mut sent = Vec::new();
    while !input.is_empty() {
        let taken = tls.handle_input(&input[..piece.min(input.len())]);
        tls.poll_transmit(&mut sent);
        input = &input[taken..];
        if taken == 0 {
            break;
        }
    }
    assert!(!matches!(tls.read(&mut [0; 64]), Ok(Incoming::Data(_))));
    tls.poll_transmit(&mut sent);
    assert!(sent.first().is_none_or(|byte| (20..=22).contains(byte)));
    tls.error().map(std::mem::discriminant)
}

fuzz_target!(|data: &[u8]| {
    let [choice, piece, input @ ..] = data else {
        return;
    };
    let is_client = choice & 1 == 0;
    let whole = run(begin(is_client), input, usize::MAX);
    let pieces = run(begin(is_client), input, usize::from(*piece) + 1);
    assert_eq!(whole, pieces);

    // The same for a server that waits for the ClientHello to choose.
    let mut accepting = Plain::new().accept().expect("nothing is unread");
    for piece in input.chunks(usize::from(*piece) + 1) {
        let _ = accepting.handle_input(piece);
    }
    let _ = accepting.poll_hello();
});
