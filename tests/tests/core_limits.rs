//! S17 and S18: memory is bounded in each phase, and floods that yield nothing end the connection.

use std::io::Write;

use starttls_core::rustls::{ServerConfig, ServerConnection};
use starttls_core::{Boundary, Error, Incoming, Limits, Misbehaviour, Phase, Plain, Progress, Tls};
use starttls_protocols::smtp;
use starttls_tests::certs::{
    SERVER, VERSIONS, client, client_config_with, client_of, pair_of, server, server_of,
};
use starttls_tests::memory::{carry, drain, give};
use std::sync::Arc;

#[test]
fn a_negotiation_has_a_limit_for_lines_for_their_number_and_for_all() {
    let too_long = |what, limit| Err(Error::Misbehaved(Misbehaviour::TooLong { what, limit }));
    // A line without an end.
    let mut plain = Plain::new();
    let mut client = smtp::Client::new("me");
    give(&mut plain, &[b'2'; 8_194], 100);
    assert_eq!(plain.negotiate(&mut client), too_long("line", 8_192));
    // Lines without an end, in number.
    let mut plain = Plain::new();
    let mut client = smtp::Client::new("me");
    give(&mut plain, &b"220-x\r\n".repeat(129), 100);
    assert_eq!(plain.negotiate(&mut client), too_long("lines", 128));
    // Lines within both limits, in bytes.
    let mut plain = Plain::new();
    let mut client = smtp::Client::new("me");
    let mut line = b"220-".to_vec();
    line.resize(8_000, b'x');
    line.extend_from_slice(b"\r\n");
    let end = loop {
        give(&mut plain, &line, usize::MAX);
        match plain.negotiate(&mut client) {
            Ok(_) => assert!(plain.total_received() <= 65_536),
            end => break end,
        }
    };
    assert_eq!(end, too_long("negotiation", 65_536));
}

/// The limit is for the negotiation, not for what was said before it.
#[test]
fn a_long_plaintext_session_can_still_be_upgraded() {
    let mut plain = Plain::new();
    for _ in 0..100 {
        give(&mut plain, &[b'x'; 1_000], usize::MAX);
        plain.consume(1_000);
    }
    let mut client = smtp::Client::at_command();
    assert_eq!(plain.negotiate(&mut client), Ok(Progress::NeedInput));
    give(&mut plain, b"220 go\r\n", 1);
    assert_eq!(
        plain.negotiate(&mut client),
        Ok(Progress::Done(Boundary::Exact))
    );
}

/// TLS 1.3 tickets: rustls has no limit for them.
#[test]
fn a_ticket_flood_ends_the_connection() {
    let mut config = ServerConfig::clone(&SERVER);
    config.send_tls13_tickets = 200;
    // A record each, and more: rustls puts what it can into one.
    config.max_fragment_size = Some(64);
    let mut client = Tls::new_implicit(client());
    let mut server = Tls::new_implicit(server_of(&Arc::new(config)));
    while server.is_handshaking() {
        carry(&mut client, &mut server, usize::MAX);
        carry(&mut server, &mut client, usize::MAX);
    }
    carry(&mut server, &mut client, usize::MAX);
    assert_eq!(
        drain(&mut client).1,
        Err(Error::Misbehaved(Misbehaviour::TooLong {
            what: "records without data",
            limit: 64
        }))
    );
}

/// Our client, connected to bare rustls.
fn with_bare_server() -> (Tls, ServerConnection) {
    let (client, mut server) = pair_of(VERSIONS[1]);
    let mut client = Tls::new_implicit(client);
    while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
        to_bare(&mut client, &mut server);
        from_bare(&mut server, &mut client);
    }
    (client, server)
}

fn to_bare(client: &mut Tls, server: &mut ServerConnection) -> usize {
    let mut wire = Vec::new();
    client.poll_transmit(&mut wire);
    let mut rest = &wire[..];
    while !rest.is_empty() {
        server.read_tls(&mut rest).unwrap();
        server.process_new_packets().unwrap();
    }
    wire.len()
}

fn from_bare(server: &mut ServerConnection, client: &mut Tls) {
    let mut wire = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut wire).unwrap();
    }
    give(client, &wire, 100);
}

#[test]
fn a_key_update_flood_ends_the_connection() {
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
fn a_key_update_is_answered_without_a_write() {
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

#[test]
fn handshake_bytes_have_a_limit() {
    let mut limits = Limits::default();
    limits.handshake = 100;
    let client = client_of(&Arc::new(client_config_with(&VERSIONS[..1])));
    let mut client = Plain::with_limits(limits).start_tls(client).unwrap();
    let mut server = Tls::new_implicit(server());
    carry(&mut client, &mut server, usize::MAX);
    carry(&mut server, &mut client, usize::MAX);
    client.poll_transmit(&mut Vec::new());
    assert_eq!(
        drain(&mut client).1,
        Err(Error::Misbehaved(Misbehaviour::TooLong {
            what: "handshake",
            limit: 100
        }))
    );
}
