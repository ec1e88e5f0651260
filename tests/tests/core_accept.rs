//! A server chooses its configuration when it has seen the ClientHello; client certificates, ALPN and resumption are the caller's configuration.

use std::sync::Arc;

use starttls_core::rustls::{Connection, HandshakeKind, ServerConfig};
use starttls_core::{Accepting, Error, Incoming, Phase, Plain, Stage, Tls};
use starttls_tests::certs::{
    CERTS, CLIENT, SERVER, VERSIONS, client, client_config_with, client_config_with_certificate,
    client_of, client_to, server_config_with, server_config_with_client_auth, server_of,
};
use starttls_tests::memory::{carry, drain, give, handshake, settle};

fn hello_name(accepting: &mut Accepting) -> Option<String> {
    match accepting.poll_hello().unwrap() {
        Incoming::Data(hello) => Some(hello.server_name().unwrap().to_owned()),
        Incoming::NeedInput => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn by_server_name_in_any_pieces() {
    let other = Arc::new(server_config_with(&CERTS.other, &VERSIONS));
    for piece in [1, 6, 100, usize::MAX] {
        for (name, config) in [("localhost", &*SERVER), ("other.example", &other)] {
            let mut client = Plain::new().start_tls(client_to(&CLIENT, name)).unwrap();
            let mut plain = Plain::new();
            plain.write_all(b"220 go\r\n").unwrap();
            let mut accepting = plain.accept().unwrap();
            let mut go_ahead = Vec::new();
            accepting.poll_transmit(&mut go_ahead);
            assert_eq!(go_ahead, b"220 go\r\n");
            assert_eq!(hello_name(&mut accepting), None);
            carry(&mut client, &mut accepting, piece);
            assert_eq!(hello_name(&mut accepting).as_deref(), Some(name));
            let mut server = accepting.start_tls(config.clone()).unwrap();
            handshake(&mut client, &mut server, piece);
            assert_eq!(client.write(b"hello"), Ok(5));
            carry(&mut client, &mut server, piece);
            assert_eq!(drain(&mut server).0, b"hello");
        }
    }
}

#[test]
fn what_was_received_can_be_passed_on() {
    let mut client = Plain::new().start_tls(client()).unwrap();
    let mut hello = Vec::new();
    client.poll_transmit(&mut hello);
    // Somebody who does not wait for the answer, and the beginning of one more record.
    hello.extend_from_slice(b"\x17\x03\x03\x00\x03abc\x17\x03");
    for piece in [1, 4, 5, 7, 100, usize::MAX] {
        for received in 0..=hello.len() {
            let mut accepting = Plain::new().accept().unwrap();
            for part in hello[..received].chunks(piece) {
                assert_eq!(accepting.handle_input(part), part.len());
            }
            assert_eq!(accepting.into_received(), &hello[..received]);
        }
    }
}

#[test]
fn a_pipelined_hello_is_taken_where_that_is_asked_for() {
    let mut client = Plain::new().start_tls(client()).unwrap();
    let mut wire = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec();
    let header = wire.len();
    client.poll_transmit(&mut wire);
    let mut plain = Plain::with_prefix(&wire);
    plain.consume(header);
    let mut accepting = plain.accept_with_unread();
    assert_eq!(hello_name(&mut accepting).as_deref(), Some("localhost"));
    let mut server = accepting.start_tls(SERVER.clone()).unwrap();
    handshake(&mut client, &mut server, usize::MAX);
}

#[test]
fn what_is_wrong_with_a_hello_is_told_to_both_sides() {
    // not TLS at all
    let mut accepting = Plain::new().accept().unwrap();
    give(&mut accepting, b"EHLO me\r\n", 1);
    assert!(matches!(accepting.poll_hello(), Ok(Incoming::NeedTransmit)));
    let mut alert = Vec::new();
    accepting.poll_transmit(&mut alert);
    assert_eq!(alert[0], 0x15);
    assert!(matches!(accepting.poll_hello(), Err(Error::NotTls { .. })));
    assert!(!accepting.wants_input());

    // the end in the middle of it
    let mut accepting = Plain::new().accept().unwrap();
    give(&mut accepting, &[22, 3, 1], 1);
    accepting.handle_eof();
    assert_eq!(
        accepting.poll_hello().unwrap_err(),
        Error::Truncated(Stage::Handshake)
    );

    // a configuration that cannot serve it
    let mut client = Plain::new()
        .start_tls(client_of(&Arc::new(client_config_with(&VERSIONS[..1]))))
        .unwrap();
    let mut accepting = Plain::new().accept().unwrap();
    carry(&mut client, &mut accepting, usize::MAX);
    let mut refused = accepting
        .start_tls(Arc::new(server_config_with(&CERTS.server, &VERSIONS[1..])))
        .unwrap_err();
    assert!(matches!(refused.poll_hello(), Ok(Incoming::NeedTransmit)));
    carry(&mut *refused, &mut client, usize::MAX);
    assert!(matches!(refused.poll_hello(), Err(Error::Tls(_))));
    assert!(matches!(drain(&mut client).1, Err(Error::Tls(_))));
}

#[test]
fn client_certificates_are_asked_for_and_shown() {
    let asking = Arc::new(server_config_with_client_auth());
    let mut client = Tls::new_implicit(client_of(&Arc::new(client_config_with_certificate())));
    let mut server = Tls::new_implicit(server_of(&asking));
    handshake(&mut client, &mut server, usize::MAX);
    assert_eq!(
        server.connection().peer_certificates(),
        Some(&[CERTS.client.certificate.clone()][..])
    );

    let mut without = Tls::new_implicit(self::client());
    let mut server = Tls::new_implicit(server_of(&asking));
    settle(&mut without, &mut server);
    assert!(matches!(drain(&mut server).1, Err(Error::Tls(_))));
    assert!(matches!(drain(&mut without).1, Err(Error::Tls(_))));
}

#[test]
fn alpn_and_resumption_are_what_the_configuration_says() {
    let mut server_config = ServerConfig::clone(&SERVER);
    server_config.alpn_protocols = vec![b"postgresql".to_vec()];
    let mut client_config = client_config_with(&VERSIONS);
    client_config.alpn_protocols = vec![b"postgresql".to_vec()];
    let (server_config, client_config) = (Arc::new(server_config), Arc::new(client_config));
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut client = Tls::new_implicit(client_of(&client_config));
        let mut server = Tls::new_implicit(server_of(&server_config));
        handshake(&mut client, &mut server, usize::MAX);
        let connection: &Connection = client.connection();
        assert_eq!(connection.alpn_protocol(), Some(&b"postgresql"[..]));
        assert_eq!(connection.handshake_kind(), Some(expected));
    }
}
