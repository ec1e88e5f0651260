//! S11: the end of the connection at any byte is an error, after everything before it was delivered; never a clean end.

use starttls_core::{Error, Incoming, Phase, Plain, Stage, Tls};
use starttls_tests::certs::{VERSIONS, pair_of};
use starttls_tests::memory::{carry, drain, give, handshake};

#[test]
fn in_the_traffic_at_every_byte() {
    for version in VERSIONS {
        // The same records for each cut: a recording is only good for one connection, so both are made anew for each.
        let mut cut = 0;
        loop {
            let (client, server) = pair_of(version);
            let mut client = Tls::new_implicit(client);
            let mut server = Tls::new_implicit(server);
            handshake(&mut client, &mut server, usize::MAX);
            let mut wire = Vec::new();
            let mut ends = Vec::new();
            for part in [&b"one"[..], b"two", b"three"] {
                assert_eq!(server.write(part), Ok(part.len()));
                server.poll_transmit(&mut wire);
                ends.push((wire.len(), part));
            }
            server.close();
            server.poll_transmit(&mut wire);
            if cut == wire.len() {
                break;
            }
            give(&mut client, &wire[..cut], 7);
            client.handle_eof();
            let whole: Vec<u8> = ends
                .iter()
                .filter(|(end, _)| *end <= cut)
                .flat_map(|(_, part)| part.iter().copied())
                .collect();
            assert_eq!(
                drain(&mut client),
                (whole, Err(Error::Truncated(Stage::Traffic))),
                "at {cut}"
            );
            cut += 1;
        }
    }
}

#[test]
fn in_the_handshake_at_every_byte() {
    for version in VERSIONS {
        for victim_is_client in [true, false] {
            for cut in 0.. {
                let (client, server) = pair_of(version);
                let mut client = Tls::new_implicit(client);
                let mut server = Tls::new_implicit(server);
                let (victim, peer) = if victim_is_client {
                    (&mut client, &mut server)
                } else {
                    (&mut server, &mut client)
                };
                let mut budget = cut;
                while victim.is_handshaking() && (victim.has_output() || peer.has_output()) {
                    carry(victim, peer, usize::MAX);
                    let mut wire = Vec::new();
                    peer.poll_transmit(&mut wire);
                    let pass = wire.len().min(budget);
                    give(victim, &wire[..pass], usize::MAX);
                    budget -= pass;
                    if pass < wire.len() {
                        break;
                    }
                }
                if !victim.is_handshaking() {
                    assert!(cut > 100, "a handshake is longer than that");
                    break;
                }
                victim.handle_eof();
                victim.poll_transmit(&mut Vec::new());
                assert_eq!(
                    drain(victim),
                    (Vec::new(), Err(Error::Truncated(Stage::Handshake))),
                    "at {cut}"
                );
            }
        }
    }
}

#[test]
fn in_the_negotiation_is_told_apart() {
    let mut plain = Plain::new();
    plain.handle_eof();
    assert!(plain.is_eof() && !plain.wants_input());
    let mut negotiator = starttls_protocols::smtp::Client::new("me");
    assert_eq!(
        plain.negotiate(&mut negotiator),
        Err(Error::Truncated(Stage::Negotiation))
    );
}

#[test]
fn is_not_a_close() {
    let (client, server) = pair_of(VERSIONS[1]);
    let mut client = Tls::new_implicit(client);
    let mut server = Tls::new_implicit(server);
    handshake(&mut client, &mut server, usize::MAX);
    server.close();
    carry(&mut server, &mut client, 1);
    client.handle_eof();
    assert_eq!(client.read(&mut [0; 8]), Ok(Incoming::Closed));
    assert_eq!(client.write(b"still open this way"), Ok(19));
}
