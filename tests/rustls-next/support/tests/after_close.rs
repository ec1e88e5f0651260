//! What a peer may send behind our `close_notify` (rule S20): a bad record is an error, in a debug build as well.

use starttls_core::{Error, Phase, Tls};
use starttls_tests::certs::{VERSIONS, pair_of};
use starttls_tests::memory::{carry, drain, give, handshake};

#[test]
fn a_bad_record_is_an_error_not_a_panic() {
    for version in VERSIONS {
        for record in [
            &[
                23, 3, 3, 0, 30, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
                19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
            ][..],
            &[22, 3, 3, 0, 4, 0, 0, 0, 0],
            &[20, 3, 3, 0, 1, 2],
            &[21, 3, 3, 0, 2, 9, 9],
            b"220 in plaintext\r\n",
        ] {
            let (client, server) = pair_of(version);
            let (mut client, mut server) = (Tls::new_implicit(client), Tls::new_implicit(server));
            handshake(&mut client, &mut server, usize::MAX);
            client.close();
            carry(&mut client, &mut server, usize::MAX);
            give(&mut client, record, usize::MAX);
            let (data, outcome) = drain(&mut client);
            assert!(data.is_empty());
            assert!(
                matches!(outcome, Err(Error::Tls(_))),
                "{record:?}: {outcome:?}"
            );
            let mut after = Vec::new();
            client.poll_transmit(&mut after);
            assert!(matches!(drain(&mut client).1, Err(Error::Tls(_))));
        }
    }
}
