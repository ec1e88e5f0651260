//! S1: bytes that were there before the boundary can never be read after it, whenever they arrive and whatever they look like.

use hex_literal::hex;
use proptest::prelude::*;
use starttls_core::{Error, Incoming, Output, Phase, Plain, Tls, Upgrade};
use starttls_protocols::smtp;
use starttls_tests::certs::{client, server};
use starttls_tests::memory::{drain, give, settle};

/// What an attacker on the path puts behind the go-ahead or the request.
const INJECTIONS: [&[u8]; 7] = [
    b"250 injected\r\n",
    b"MAIL FROM:<attacker@example.org>\r\n",
    b"x",
    b"\r\n",
    // a record header that makes TLS wait for 512 bytes
    &hex!("16 03 01 02 00"),
    // a whole handshake record of nonsense
    &hex!("16 03 03 00 04 01 02 03 04"),
    // a fatal alert
    &hex!("15 03 03 00 02 02 28"),
];

#[test]
fn refused_with_the_go_ahead() {
    for injected in INJECTIONS {
        let mut plain = Plain::new();
        give(&mut plain, &[b"220 go\r\n", injected].concat(), usize::MAX);
        plain.consume(8);
        let Err(Error::UnreadPlaintext { count, sample }) = plain.start_tls(client()) else {
            panic!("{injected:?} was taken over");
        };
        assert_eq!((count, sample.as_bytes()), (injected.len(), injected));
    }
}

#[test]
fn refused_with_the_request_also_when_the_hello_is_chosen_by() {
    for injected in INJECTIONS {
        let mut plain = Plain::new();
        give(
            &mut plain,
            &[b"STARTTLS\r\n", injected].concat(),
            usize::MAX,
        );
        plain.consume(10);
        assert!(matches!(plain.accept(), Err(Error::UnreadPlaintext { .. })));
    }
}

/// It arrives one read later, so that TLS gets it: the handshake fails, and nothing is ever readable.
fn fails(mut victim: Tls, injected: &[u8]) {
    give(&mut victim, injected, 1);
    victim.handle_eof();
    let mut out = Vec::new();
    victim.poll_transmit(&mut out);
    let (data, end) = drain(&mut victim);
    assert_eq!(data, b"");
    assert!(end.is_err(), "{injected:?}: {end:?}");
    assert_eq!(drain(&mut victim), (Vec::new(), end));
}

#[test]
fn fails_in_tls_when_it_comes_later() {
    for injected in INJECTIONS {
        fails(Plain::new().start_tls(client()).unwrap(), injected);
        fails(Plain::new().start_tls(server()).unwrap(), injected);
        // taken over on purpose, as for a protocol without a go-ahead: still not data
        fails(
            Plain::with_prefix(injected).start_tls_with_unread(server()),
            b"",
        );
    }
}

#[test]
fn fails_in_front_of_a_real_handshake() {
    for injected in INJECTIONS {
        let mut client = Plain::new().start_tls(client()).unwrap();
        let mut server = Plain::new().start_tls(server()).unwrap();
        give(&mut server, injected, usize::MAX);
        settle(&mut client, &mut server);
        client.handle_eof();
        server.handle_eof();
        settle(&mut client, &mut server);
        for side in [&mut client, &mut server] {
            let (data, end) = drain(side);
            assert_eq!(data, b"");
            assert!(end.is_err(), "{injected:?}: {end:?}");
        }
    }
}

#[test]
fn what_is_not_tls_is_named_at_its_first_byte() {
    let mut victim = Plain::new().start_tls(client()).unwrap();
    victim.poll_transmit(&mut Vec::new());
    give(&mut victim, b"220 mail.example.org ESMTP\r\n", usize::MAX);
    assert_eq!(victim.read(&mut [0; 10]), Ok(Incoming::NeedTransmit));
    let mut alert = Vec::new();
    victim.poll_transmit(&mut alert);
    assert_eq!(alert[..5], hex!("15 03 03 00 02"));
    let Err(Error::NotTls { sample }) = victim.read(&mut [0; 10]) else {
        panic!("it was taken for TLS");
    };
    assert_eq!(sample.escaped(), r"220 mail.example.org ESMTP\r\n");
}

/// The same with a whole negotiation, in both directions and at every cut.
#[test]
fn refused_by_an_upgrade_at_every_cut() {
    let server_says = b"220 mail\r\n250-mail\r\n250 STARTTLS\r\n220 go\r\n";
    let client_says = b"EHLO me\r\nSTARTTLS\r\n";
    for injected in INJECTIONS {
        for cut in 0..server_says.len() {
            let mut upgrade = Upgrade::new(smtp::Client::new("me"), client());
            never_upgrades(&mut upgrade, &[server_says, injected].concat(), cut);
        }
        for cut in 0..client_says.len() {
            let mut upgrade = Upgrade::new(smtp::Server::new("mail"), server());
            never_upgrades(&mut upgrade, &[client_says, injected].concat(), cut);
        }
    }
}

fn never_upgrades<N: starttls_core::Negotiator>(upgrade: &mut Upgrade<N>, wire: &[u8], cut: usize) {
    let (first, second) = wire.split_at(cut);
    let mut pieces = vec![second, first];
    let error = loop {
        match upgrade.poll_output() {
            Ok(Output::Transmit(_)) => {}
            Ok(Output::Upgraded(_)) => panic!("upgraded in spite of an injection"),
            Ok(Output::NeedInput) => match pieces.pop() {
                Some(piece) => assert_eq!(upgrade.handle_input(piece), piece.len()),
                None => upgrade.handle_eof(),
            },
            Err(error) => break error,
        }
    };
    for _ in 0..3 {
        assert_eq!(upgrade.poll_output().unwrap_err(), error);
    }
}

proptest! {
    /// S3: what came in was used, or is refused, or goes to TLS; there is no fourth place.
    #[test]
    fn every_byte_is_accounted_for(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20),
        used in prop::collection::vec(0..400usize, 0..20),
    ) {
        let mut plain = Plain::new();
        let mut used = used.into_iter();
        let (mut received, mut consumed) = (Vec::new(), Vec::new());
        for piece in &pieces {
            give(&mut plain, piece, usize::MAX);
            received.extend_from_slice(piece);
            let n = used.next().unwrap_or(0).min(plain.peek().len());
            consumed.extend_from_slice(&plain.peek()[..n]);
            plain.consume(n);
        }
        let rest = &received[consumed.len()..];
        prop_assert_eq!(&received[..consumed.len()], &consumed[..]);
        prop_assert_eq!(plain.total_received(), received.len() as u64);
        prop_assert_eq!(plain.peek(), rest);
        match plain.start_tls(server()) {
            Ok(_) => prop_assert!(rest.is_empty()),
            Err(Error::UnreadPlaintext { count, sample }) => {
                prop_assert_eq!(count, rest.len());
                prop_assert_eq!(sample.as_bytes(), &rest[..rest.len().min(256)]);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
