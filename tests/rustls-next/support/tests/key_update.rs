//! What rustls 0.24 does with a `KeyUpdate`, as far as the core has to know (rule S14).

use starttls_core::{Incoming, Phase, Tls};
use starttls_tests::certs::{client, server};
use starttls_tests::memory::{carry, drain, give, handshake};

fn established() -> (Tls, Tls) {
    let (mut client, mut server) = (Tls::new_implicit(client()), Tls::new_implicit(server()));
    handshake(&mut client, &mut server, usize::MAX);
    assert_eq!(drain(&mut client), (Vec::new(), Ok(Incoming::NeedInput)));
    (client, server)
}

/// The answer waits for the next write: with nothing to write it cannot be let out. This is what to ask of upstream.
#[test]
fn is_answered_with_the_next_write_and_not_before() {
    let (mut client, mut server) = established();
    server.refresh_traffic_keys().unwrap();
    carry(&mut server, &mut client, usize::MAX);
    assert_eq!(drain(&mut client), (Vec::new(), Ok(Incoming::NeedInput)));
    assert!(!client.has_output());
    assert_eq!(client.write(b""), Ok(0));
    assert!(!client.has_output());

    assert_eq!(client.write(b"data"), Ok(4));
    let mut wire = Vec::new();
    client.poll_transmit(&mut wire);
    let first = 5 + usize::from(u16::from_be_bytes([wire[3], wire[4]]));
    assert!(
        first < wire.len(),
        "the answer is a record of its own, in front of the data"
    );
    give(&mut server, &wire, usize::MAX);
    assert_eq!(
        drain(&mut server),
        (b"data".to_vec(), Ok(Incoming::NeedInput))
    );
}
