//! TLS back to plaintext at the exact byte, and up again (RFC 4217 section 5, RFC 4511 section 4.14.3).

use starttls_core::{Error, Incoming, Misuse, Phase, Tls};
use starttls_tests::certs::{VERSIONS, client, pair_of, server};
use starttls_tests::memory::{carry, drain, give, handshake};

fn established(version: usize) -> (Tls, Tls) {
    let (client, server) = pair_of(VERSIONS[version]);
    let (mut client, mut server) = (Tls::new_implicit(client), Tls::new_implicit(server));
    handshake(&mut client, &mut server, usize::MAX);
    (client, server)
}

#[test]
fn plaintext_in_the_same_segment_split_at_every_byte() {
    for version in 0..VERSIONS.len() {
        for after in [
            &b"220 plaintext again\r\n"[..],
            b"x",
            &[23, 3, 3, 0, 1, 0],
            &[21, 3, 3, 0, 2],
        ] {
            let mut cut = 0;
            loop {
                let (mut client, mut server) = established(version);
                let mut wire = Vec::new();
                assert_eq!(server.write(b"last data"), Ok(9));
                server.close();
                server.poll_transmit(&mut wire);
                wire.extend_from_slice(after);
                if cut > wire.len() {
                    break;
                }
                client.close();
                carry(&mut client, &mut server, usize::MAX);
                let (first, second) = wire.split_at(cut);
                give(&mut client, first, usize::MAX);
                give(&mut client, second, usize::MAX);
                assert_eq!(
                    drain(&mut client),
                    (b"last data".to_vec(), Ok(Incoming::Closed))
                );

                let mut plain = client.stop_tls().unwrap();
                assert_eq!(plain.peek(), after, "cut at {cut}");
                assert!(!plain.is_eof() && plain.wants_input());
                plain.consume(after.len());

                // plaintext both ways
                assert_eq!(drain(&mut server), (Vec::new(), Ok(Incoming::Closed)));
                let mut there = server.stop_tls().unwrap();
                plain.write_all(b"NOOP\r\n").unwrap();
                carry(&mut plain, &mut there, 1);
                assert_eq!(there.peek(), b"NOOP\r\n");
                there.consume(6);
                cut += 1;
            }
        }
    }
}

#[test]
fn and_a_second_start_tls() {
    let (mut here, mut there) = established(1);
    for round in 0..3 {
        here.close();
        carry(&mut here, &mut there, 3);
        assert_eq!(drain(&mut there), (Vec::new(), Ok(Incoming::Closed)));
        there.close();
        carry(&mut there, &mut here, 3);
        assert_eq!(drain(&mut here), (Vec::new(), Ok(Incoming::Closed)));
        let (mut plain_here, mut plain_there) =
            (here.stop_tls().unwrap(), there.stop_tls().unwrap());
        plain_here.write_all(b"STARTTLS\n").unwrap();
        carry(&mut plain_here, &mut plain_there, 2);
        plain_there.consume(9);
        here = plain_here.start_tls(client()).unwrap();
        there = plain_there.start_tls(server()).unwrap();
        handshake(&mut here, &mut there, 100);
        assert_eq!(here.write(&[round]), Ok(1));
        carry(&mut here, &mut there, 1);
        assert_eq!(drain(&mut there).0, [round]);
    }
}

/// Our `close_notify` was not sent when plaintext is queued: it goes first.
#[test]
fn close_notify_leaves_before_plaintext() {
    let (mut client, mut server) = established(1);
    client.close();
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(drain(&mut server), (Vec::new(), Ok(Incoming::Closed)));
    server.close();
    let mut plain = server.stop_tls().unwrap();
    plain.write_all(b"in plaintext").unwrap();
    let mut wire = Vec::new();
    plain.poll_transmit(&mut wire);
    give(&mut client, &wire, 1);
    assert_eq!(drain(&mut client), (Vec::new(), Ok(Incoming::Closed)));
    assert_eq!(client.stop_tls().unwrap().peek(), b"in plaintext");
}

#[test]
fn too_early_is_misuse() {
    let too_early = Err(Error::Misuse(Misuse::NotClosed));
    let (client, server) = established(1);
    assert_eq!(client.stop_tls().map(drop), too_early);
    let mut only_ours = server;
    only_ours.close();
    assert_eq!(only_ours.stop_tls().map(drop), too_early);

    let (client, mut server) = established(1);
    let mut only_theirs = client;
    server.close();
    carry(&mut server, &mut only_theirs, usize::MAX);
    assert_eq!(only_theirs.stop_tls().map(drop), too_early);

    // Data before the close_notify that nobody has read would be lost.
    let (mut unread, mut server) = established(1);
    unread.close();
    assert_eq!(server.write(b"data"), Ok(4));
    server.close();
    carry(&mut server, &mut unread, usize::MAX);
    assert_eq!(unread.stop_tls().map(drop), too_early);
}
