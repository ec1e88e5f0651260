//! S9 and S10: errors stay, the alert goes out before the error does, and what was valid before it is still delivered.

use starttls_core::{Error, Incoming, Misuse, Output, Phase, Plain, Stage, Tls, Upgrade};
use starttls_protocols::smtp;
use starttls_tests::certs::{
    CLIENT, VERSIONS, client, client_config_without_roots, client_of, client_to, pair_of, server,
};
use starttls_tests::memory::{carry, drain, give, handshake, settle};
use std::sync::Arc;

fn established() -> (Tls, Tls) {
    let mut pair = (Tls::new_implicit(client()), Tls::new_implicit(server()));
    handshake(&mut pair.0, &mut pair.1, usize::MAX);
    for side in [&mut pair.0, &mut pair.1] {
        side.poll_transmit(&mut Vec::new());
    }
    pair
}

/// Breaks the authentication tag of the record that `from` sends next.
fn broken_record(from: &mut Tls) -> Vec<u8> {
    let mut wire = Vec::new();
    assert_eq!(from.write(b"tampered with"), Ok(13));
    from.poll_transmit(&mut wire);
    *wire.last_mut().unwrap() ^= 1;
    wire
}

#[test]
fn data_then_alert_then_the_same_error_for_ever() {
    let (mut client, mut server) = established();
    let mut wire = Vec::new();
    assert_eq!(server.write(b"valid"), Ok(5));
    server.poll_transmit(&mut wire);
    wire.extend(broken_record(&mut server));
    wire.extend_from_slice(&[23; 4000]);
    give(&mut client, &wire, usize::MAX);

    let mut buf = [0; 100];
    assert_eq!(client.read(&mut buf), Ok(Incoming::Data(5)));
    assert_eq!(client.read(&mut buf), Ok(Incoming::NeedTransmit));
    assert_eq!(client.peek(), Ok(Incoming::NeedTransmit));
    assert_eq!(client.write(b"more"), Ok(0));

    // the alert, and the peer understands it
    carry(&mut client, &mut server, 1);
    assert!(matches!(
        drain(&mut server).1,
        Err(Error::Tls(_)) | Ok(Incoming::NeedTransmit)
    ));

    let error = client.read(&mut buf).unwrap_err();
    assert!(matches!(error, Error::Tls(_)));
    for _ in 0..3 {
        assert_eq!(client.read(&mut buf), Err(error.clone()));
        assert_eq!(client.peek(), Err(error.clone()));
        assert_eq!(client.write(b"more"), Err(error.clone()));
        assert_eq!(client.error(), Some(&error));
        assert_eq!(client.handle_input(b"whatever"), 8);
        client.received(0);
        client.handle_eof();
        client.close();
        assert!(!client.wants_input() && !client.has_output());
    }
    assert_eq!(client.stop_tls().map(drop), Err(error));
}

/// rustls has a debug assertion on this path; whatever it does, it is an error here.
#[test]
fn a_bad_record_after_our_close_is_an_error_not_a_panic() {
    for version in VERSIONS {
        let (client, server) = pair_of(version);
        let (mut client, mut server) = (Tls::new_implicit(client), Tls::new_implicit(server));
        handshake(&mut client, &mut server, usize::MAX);
        client.close();
        client.poll_transmit(&mut Vec::new());
        give(&mut client, &broken_record(&mut server), 10);
        client.poll_transmit(&mut Vec::new());
        assert!(matches!(drain(&mut client).1, Err(Error::Tls(_))));
    }
}

#[test]
fn an_untrusted_or_wrong_server_is_refused_with_an_alert_that_arrives() {
    let untrusting = client_of(&Arc::new(client_config_without_roots()));
    let elsewhere = client_to(&CLIENT, "elsewhere.example");
    for connection in [untrusting, elsewhere] {
        let mut client = Plain::new().start_tls(connection).unwrap();
        let mut server = Plain::new().start_tls(server()).unwrap();
        settle(&mut client, &mut server);
        for side in [&mut client, &mut server] {
            assert!(
                matches!(side.read(&mut [0; 9]), Err(Error::Tls(_))),
                "{side:?}"
            );
            assert!(side.is_handshaking());
        }
    }
}

#[test]
fn writing_after_close_is_refused_and_reading_goes_on() {
    let (mut client, mut server) = established();
    client.close();
    client.close();
    for _ in 0..2 {
        assert_eq!(
            client.write(b"x"),
            Err(Error::Misuse(Misuse::WriteAfterClose))
        );
    }
    carry(&mut client, &mut server, 1);
    assert_eq!(server.write(b"still here"), Ok(10));
    carry(&mut server, &mut client, 1);
    assert_eq!(
        drain(&mut client),
        (b"still here".to_vec(), Ok(Incoming::NeedInput))
    );
    // One close_notify only, and nothing behind it.
    assert!(!client.has_output());
}

#[test]
fn nothing_is_taken_for_sending_before_the_peer_is_known() {
    let mut client = Tls::new_implicit(client());
    assert_eq!(client.write(b"secret"), Ok(0));
    let mut hello = Vec::new();
    client.poll_transmit(&mut hello);
    assert_eq!(hello[0], 0x16);
    assert!(!hello.windows(6).any(|window| window == b"secret"));
    assert_eq!(client.write(b"secret"), Ok(0));
}

#[test]
fn an_upgrade_says_its_last_words_and_then_the_same_error() {
    let mut upgrade = Upgrade::new(smtp::Server::new("mail"), server());
    assert!(matches!(upgrade.poll_output(), Ok(Output::Transmit(_))));
    assert_eq!(upgrade.handle_input(b"QUIT\r\n"), 6);
    let Ok(Output::Transmit(bye)) = upgrade.poll_output() else {
        panic!("QUIT has an answer")
    };
    assert!(bye.starts_with(b"221"));
    let error = upgrade.poll_output().unwrap_err();
    assert_eq!(upgrade.poll_output().unwrap_err(), error);
    assert_eq!(upgrade.handle_input(b"more"), 4);
    upgrade.handle_eof();
    assert!(!upgrade.wants_input());
    assert_eq!(upgrade.poll_output().unwrap_err(), error);
}

#[test]
fn an_upgrade_gives_its_result_once() {
    let mut client = Upgrade::new(smtp::Client::new("me"), client());
    let mut server = Upgrade::new(smtp::Server::new("mail"), server());
    let (mut client_tls, mut server_tls) = (None, None);
    while client_tls.is_none() || server_tls.is_none() {
        step(&mut client, &mut server, &mut server_tls, &mut client_tls);
        step(&mut server, &mut client, &mut client_tls, &mut server_tls);
    }
    assert_eq!(
        client.poll_output().unwrap_err(),
        Error::Misuse(Misuse::Finished)
    );
    assert_eq!(
        server.poll_output().unwrap_err(),
        Error::Misuse(Misuse::Finished)
    );
}

/// One output of `from`, handed to `to` in whichever phase that is.
fn step<A, B>(
    from: &mut Upgrade<A>,
    to: &mut Upgrade<B>,
    peer: &mut Option<Box<Tls>>,
    done: &mut Option<Box<Tls>>,
) where
    A: starttls_core::Negotiator,
    B: starttls_core::Negotiator,
{
    if let Some(tls) = done {
        let mut out = Vec::new();
        if tls.poll_transmit(&mut out) {
            assert_eq!(to.handle_input(&out), out.len());
        }
        return;
    }
    match from.poll_output().unwrap() {
        Output::Transmit(bytes) => match peer {
            Some(tls) => give(&mut **tls, &bytes, usize::MAX),
            None => assert_eq!(to.handle_input(&bytes), bytes.len()),
        },
        Output::NeedInput => {}
        Output::Upgraded(tls) => *done = Some(tls),
    }
}

#[test]
fn truncation_is_told_by_stage() {
    let mut negotiating = Upgrade::new(smtp::Client::new("me"), client());
    negotiating.handle_eof();
    assert_eq!(
        negotiating.poll_output().unwrap_err(),
        Error::Truncated(Stage::Negotiation)
    );
    let mut handshaking = Upgrade::new(smtp::Server::at_command(), server());
    while !matches!(handshaking.poll_output(), Ok(Output::NeedInput)) {}
    handshaking.handle_eof();
    assert_eq!(
        handshaking.poll_output().unwrap_err(),
        Error::Truncated(Stage::Handshake)
    );
}

/// S24: the peer's words are in the value, not in the text that ends up in logs.
#[test]
fn words_of_the_peer_are_not_in_the_text_of_an_error() {
    let mut upgrade = Upgrade::new(smtp::Client::at_command(), client());
    let refusal = b"454 \x1b[31mlook here\x07\r\n";
    assert!(matches!(upgrade.poll_output(), Ok(Output::Transmit(_))));
    assert_eq!(upgrade.handle_input(refusal), refusal.len());
    let error = upgrade.poll_output().unwrap_err();
    assert_eq!(error.to_string(), "the peer refused TLS (code 454)");
    assert!(format!("{error:?}").is_ascii() && !format!("{error:?}").contains('\x1b'));
    let Error::Refused(refusal) = error else {
        panic!("454 is a refusal")
    };
    assert_eq!(refusal.text.escaped(), r"\x1b[31mlook here\x07");
}
