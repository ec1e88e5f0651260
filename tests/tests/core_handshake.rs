//! Any split of the bytes gives the same connection: both roles, TLS 1.2 and 1.3.

use proptest::prelude::*;
use starttls_core::rustls::ProtocolVersion;
use starttls_core::{Incoming, Phase, Plain, Tls};
use starttls_tests::certs::{VERSIONS, pair_of};
use starttls_tests::memory::{carry, drain, give, handshake};

/// Client and server that have had `STARTTLS` and `OK` in plaintext and are about to shake hands.
fn upgraded(version: usize, piece: usize) -> (Tls, Tls) {
    let (client, server) = pair_of(VERSIONS[version]);
    let (mut here, mut there) = (Plain::new(), Plain::new());
    here.write_all(b"STARTTLS\n").unwrap();
    carry(&mut here, &mut there, piece);
    assert_eq!(there.peek(), b"STARTTLS\n");
    there.consume(9);
    // Not transmitted yet: it leaves with the handshake, in front of it.
    there.write_all(b"OK\n").unwrap();
    let mut there = there.start_tls(server).unwrap();
    let mut go_ahead = Vec::new();
    there.poll_transmit(&mut go_ahead);
    assert_eq!(go_ahead, b"OK\n");
    give(&mut here, &go_ahead, piece);
    assert_eq!(here.peek(), b"OK\n");
    here.consume(3);
    (here.start_tls(client).unwrap(), there)
}

fn exchange(mut client: Tls, mut server: Tls, piece: usize) {
    handshake(&mut client, &mut server, piece);
    assert_eq!(client.write(b"to the server").unwrap(), 13);
    assert_eq!(server.write(b"to the client").unwrap(), 13);
    carry(&mut client, &mut server, piece);
    carry(&mut server, &mut client, piece);
    let more = Ok(Incoming::NeedInput);
    assert_eq!(
        drain(&mut server),
        (b"to the server".to_vec(), more.clone())
    );
    assert_eq!(drain(&mut client), (b"to the client".to_vec(), more));
    client.close();
    carry(&mut client, &mut server, piece);
    assert_eq!(drain(&mut server), (Vec::new(), Ok(Incoming::Closed)));
    // One side closed: the other still writes.
    assert_eq!(server.write(b"last words").unwrap(), 10);
    server.close();
    carry(&mut server, &mut client, piece);
    assert_eq!(
        drain(&mut client),
        (b"last words".to_vec(), Ok(Incoming::Closed))
    );
}

#[test]
fn whole_and_byte_by_byte() {
    for version in 0..VERSIONS.len() {
        for piece in [usize::MAX, 1, 2, 5, 6, 4096] {
            let (client, server) = upgraded(version, piece);
            exchange(client, server, piece);
        }
    }
}

#[test]
fn says_what_was_negotiated() {
    for (version, expected) in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3]
        .into_iter()
        .enumerate()
    {
        let (mut client, mut server) = upgraded(version, usize::MAX);
        assert_eq!(client.connection().protocol_version(), None);
        assert_eq!(client.tls_exporter(), None);
        handshake(&mut client, &mut server, usize::MAX);
        assert_eq!(client.connection().protocol_version(), Some(expected));
        assert_eq!(
            client.connection().peer_certificates().map(<[_]>::len),
            Some(1)
        );
        let starttls_core::rustls::Connection::Server(connection) = server.connection() else {
            panic!("the server's connection is a server's");
        };
        assert_eq!(connection.server_name(), Some("localhost"));
        assert_eq!(client.tls_exporter(), server.tls_exporter());
        assert_eq!(
            client.tls_exporter().is_some(),
            expected == ProtocolVersion::TLSv1_3
        );
    }
}

/// What one side sends is put into several slices, cut anywhere.
fn cut(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2)
        .map(|ends| bytes[ends[0]..ends[1]].to_vec())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The same bytes into a fresh client, cut anywhere: the same bytes out, the same data, the same end. A handshake has fresh randomness, so
    /// "the same" is told within one: whatever is received after it is a recording.
    #[test]
    fn random_cuts(version in 0..VERSIONS.len(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12), data in prop::collection::vec(any::<u8>(), 0..40_000)) {
        let (mut client, mut server) = upgraded(version, usize::MAX);
        handshake(&mut client, &mut server, usize::MAX);
        let mut written = 0;
        let mut wire = Vec::new();
        while written < data.len() {
            written += server.write(&data[written..]).unwrap();
            server.poll_transmit(&mut wire);
        }
        server.close();
        server.poll_transmit(&mut wire);
        wire.extend_from_slice(b"plaintext again");

        let mut received = Vec::new();
        for piece in cut(&wire, &cuts) {
            let mut piece = &piece[..];
            loop {
                let taken = client.handle_input(piece);
                piece = &piece[taken..];
                let (data, end) = drain(&mut client);
                received.extend(data);
                prop_assert!(end.is_ok());
                if piece.is_empty() { break; }
            }
        }
        prop_assert_eq!(&received, &data);
        client.close();
        let plain = client.stop_tls().unwrap();
        prop_assert_eq!(plain.peek(), b"plaintext again");
    }

    /// The handshake itself cut anywhere.
    #[test]
    fn random_pieces(version in 0..VERSIONS.len(), piece in 1..3_000usize) {
        let (client, server) = upgraded(version, piece);
        exchange(client, server, piece);
    }
}
