//! S20: no panic is raised, not even one that is caught: with `panic=abort` it would end the process. One test, alone in its process: the hook
//! sees all of it.

use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};

use starttls_core::{Phase, Tls};
use starttls_tests::certs::{VERSIONS, pair_of};
use starttls_tests::memory::{drain, give, handshake};

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn whatever_comes_in_plaintext_behind_our_close_raises_none() {
    panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        eprintln!("{info}");
    }));
    let mut inputs = vec![b"200 plaintext\r\n".to_vec(), vec![0xff; 100_000]];
    // Every first byte of a header, and what is not a length.
    inputs.extend((0..=255).map(|kind| vec![kind; 100]));
    inputs.extend((20..=24).map(|kind| vec![kind, 3, 3, 0, 0, 0]));
    inputs.extend((20..=24).map(|kind| vec![kind, 3, 3, 0xff, 0xff, 0]));
    inputs.extend([20, 24].map(|kind| vec![kind, 3, 3, 0, 1, 1]));
    for version in VERSIONS {
        for input in &inputs {
            for piece in [1, 3, usize::MAX] {
                let (client, server) = pair_of(version);
                let (mut client, mut server) =
                    (Tls::new_implicit(client), Tls::new_implicit(server));
                handshake(&mut client, &mut server, usize::MAX);
                client.close();
                client.poll_transmit(&mut Vec::new());
                let input = &input[..input.len().min(60_000)];
                give(&mut client, input, piece);
                let end = drain(&mut client).1;
                client.handle_eof();
                assert!(end.is_err() || drain(&mut client).1.is_err());
            }
        }
    }
    let _ = panic::take_hook();
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
}
