//! What reading makes us send: answers to `KeyUpdate` (RFC 8446 section 4.6.3), never more than one at a time.

use std::io::Write;

use starttls_core::rustls::Connection;
use starttls_core::{Incoming, Phase, Tls};
use starttls_tests::bare::{from_bare, shake_hands, to_bare};
use starttls_tests::certs::{VERSIONS, pair_of};
use starttls_tests::memory::drain;

/// Our client, connected to bare rustls.
fn with_bare_server() -> (Tls, Connection) {
    let (client, server) = pair_of(VERSIONS[1]);
    let (mut client, mut server) = (Tls::new_implicit(client), server.into());
    shake_hands(&mut server, &mut client);
    (client, server)
}

#[test]
fn a_flood_ends_the_connection() {
    let (mut client, mut server) = with_bare_server();
    let mut updates = 0;
    while drain(&mut client).1 == Ok(Incoming::NeedInput) {
        updates += 1;
        assert!(updates < 1_000);
        server.refresh_traffic_keys().unwrap();
        from_bare(&mut server, &mut client);
    }
    client.poll_transmit(&mut Vec::new());
    assert!(drain(&mut client).1.is_err());
}

/// S14: who only reads answers a KeyUpdate all the same.
#[test]
fn is_answered_without_a_write() {
    let (mut client, mut server) = with_bare_server();
    assert!(!client.has_output());
    server.refresh_traffic_keys().unwrap();
    from_bare(&mut server, &mut client);
    assert_eq!(drain(&mut client), (Vec::new(), Ok(Incoming::NeedInput)));
    assert!(to_bare(&mut client, &mut server) > 0);
    // Both go on under the new keys.
    server.writer().write_all(b"data").unwrap();
    from_bare(&mut server, &mut client);
    assert_eq!(drain(&mut client).0, b"data");
}

/// S26: a peer that asks again and again and never reads is answered once, whatever it sends in between, and again when that answer has left.
#[test]
fn many_requests_have_one_answer_until_it_has_left() {
    let (mut client, mut server) = with_bare_server();
    for asked_for in 0..3 {
        for _ in 0..10_000 {
            server.refresh_traffic_keys().unwrap();
            server.writer().write_all(b"x").unwrap();
            from_bare(&mut server, &mut client);
            assert_eq!(drain(&mut client), (b"x".to_vec(), Ok(Incoming::NeedInput)));
        }
        let mut answers = 0;
        while client.has_output() {
            let mut wire = Vec::new();
            client.transmit_to(&mut wire).unwrap();
            assert!(wire.len() < 64, "{} bytes in round {asked_for}", wire.len());
            answers += 1;
            let mut rest = &wire[..];
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().unwrap();
        }
        // The one that was queued, and one for all that came while it was.
        assert_eq!(answers, 2);
        assert_eq!(client.write(b"still in step"), Ok(13));
        to_bare(&mut client, &mut server);
        let mut heard = [0; 13];
        std::io::Read::read_exact(&mut server.reader(), &mut heard).unwrap();
        assert_eq!(&heard, b"still in step");
    }
}

/// The same where data waits to be sent: the answer comes behind it, and the queue does not grow.
#[test]
fn waits_behind_data_that_is_queued() {
    let (mut client, mut server) = with_bare_server();
    assert_eq!(client.write(&[b'y'; 30_000]), Ok(30_000));
    for _ in 0..1_000 {
        server.refresh_traffic_keys().unwrap();
        server.writer().write_all(b"x").unwrap();
        from_bare(&mut server, &mut client);
        assert_eq!(drain(&mut client).0, b"x");
    }
    let sent = to_bare(&mut client, &mut server);
    assert!((30_000..30_200).contains(&sent), "{sent} bytes");
}

/// Nothing follows our `close_notify`, and reading goes on.
#[test]
fn is_not_answered_behind_our_close() {
    let (mut client, mut server) = with_bare_server();
    client.close();
    to_bare(&mut client, &mut server);
    for _ in 0..10 {
        server.refresh_traffic_keys().unwrap();
        server.writer().write_all(b"x").unwrap();
        from_bare(&mut server, &mut client);
        assert_eq!(drain(&mut client), (b"x".to_vec(), Ok(Incoming::NeedInput)));
        assert!(!client.has_output());
    }
}
