//! S17 and S18: memory is bounded in each phase, and floods that yield nothing end the connection.

use std::io::{self, Read, Write};
use std::sync::Arc;

use starttls_core::rustls::{self, AlertDescription, ServerConfig};
use starttls_core::{Boundary, Error, Incoming, Limits, Misbehaviour, Phase, Plain, Progress, Tls};
use starttls_protocols::smtp;
use starttls_stream::adapter::Driver;
use starttls_tests::certs::{
    CLIENT, SERVER, VERSIONS, client, client_config_with, client_of, server, server_of,
};
use starttls_tests::memory::{carry, drain, give, handshake};

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
    assert_eq!(drain(&mut client).1, Ok(Incoming::NeedTransmit));
    tells_the_peer(&mut client, &mut server);
    assert_eq!(drain(&mut client).1, too_long("records without data", 64));
}

fn too_long<T>(what: &'static str, limit: usize) -> Result<T, Error> {
    Err(Misbehaviour::TooLong { what, limit }.into())
}

/// `from` has failed, and `to` learns by an alert that it has (S10).
fn tells_the_peer(from: &mut impl Phase, to: &mut Tls) {
    carry(from, to, usize::MAX);
    to.poll_transmit(&mut Vec::new());
    assert_eq!(
        drain(to).1,
        Err(Error::Tls(rustls::Error::AlertReceived(
            AlertDescription::DecodeError
        )))
    );
}

#[test]
fn handshake_bytes_have_a_limit() {
    let mut limits = Limits::default();
    limits.handshake = 100;
    for version in 0..VERSIONS.len() {
        let client = client_of(&Arc::new(client_config_with(&VERSIONS[version..=version])));
        let mut client = Tls::implicit_with_limits(client, limits);
        let mut server = Tls::new_implicit(server());
        carry(&mut client, &mut server, usize::MAX);
        carry(&mut server, &mut client, usize::MAX);
        tells_the_peer(&mut client, &mut server);
        assert_eq!(drain(&mut client).1, too_long("handshake", 100));
    }
}

/// Also while the ClientHello is awaited, and what it had counts for the handshake behind it.
#[test]
fn the_bytes_of_a_client_hello_are_counted() {
    let mut hello = Tls::new_implicit(client());
    let mut wire = Vec::new();
    hello.poll_transmit(&mut wire);
    let mut limits = Limits::default();
    for piece in [1, 77, usize::MAX] {
        limits.handshake = wire.len() - 1;
        let mut accepting = Plain::with_limits(limits).accept().unwrap();
        give(&mut accepting, &wire, piece);
        let mut client = Tls::new_implicit(client());
        client.poll_transmit(&mut Vec::new());
        assert!(matches!(accepting.poll_hello(), Ok(Incoming::NeedTransmit)));
        tells_the_peer(&mut accepting, &mut client);
        assert_eq!(
            accepting.poll_hello().map(drop),
            too_long("handshake", limits.handshake)
        );

        limits.handshake = wire.len();
        let mut accepting = Plain::with_limits(limits).accept().unwrap();
        give(&mut accepting, &wire, piece);
        let mut server = accepting.start_tls(SERVER.clone()).unwrap();
        let mut there = Tls::new_implicit(client_of(&CLIENT));
        // Another record of the handshake is one too many.
        carry(&mut server, &mut there, usize::MAX);
        give(&mut server, &[22, 3, 3, 0, 1, 1], piece);
        assert!(server.error().is_some());
    }
}

/// Records of one byte each: rustls takes 64 KiB of one message, and then no more. The client is told all the same.
#[test]
fn a_hello_that_never_ends_is_told_to_its_sender() {
    let mut message = vec![1, 0, 0xea, 0x60];
    message.resize(60_004, 0);
    let wire: Vec<u8> = message
        .iter()
        .flat_map(|byte| [22, 3, 1, 0, 1, *byte])
        .collect();
    let mut client = Tls::new_implicit(client());
    client.poll_transmit(&mut Vec::new());
    let mut accepting = Plain::new().accept().unwrap();
    give(&mut accepting, &wire, 1_400);
    tells_the_peer(&mut accepting, &mut client);
    assert!(matches!(accepting.poll_hello(), Err(Error::Tls(_))));

    let mut client = Tls::new_implicit(self::client());
    client.poll_transmit(&mut Vec::new());
    let mut server = Tls::new_implicit(server());
    give(&mut server, &wire, 1_400);
    assert!(carry(&mut server, &mut client, usize::MAX).starts_with(&[21]));
    assert!(client.error().is_some());
    assert!(matches!(drain(&mut server).1, Err(Error::Tls(_))));
}

#[test]
fn limits_of_nothing_move_a_byte_at_a_time_or_fail_at_once() {
    let mut limits = Limits::default();
    limits.plaintext_input = 0;
    limits.plaintext_output = 0;
    limits.tls_input = 0;
    limits.tls_output = 0;
    let mut plain = Plain::with_limits(limits);
    assert!(plain.wants_input());
    assert_eq!(plain.handle_input(b"ab"), 1);
    assert_eq!(plain.write(b"ab"), 1);
    assert_eq!(plain.write(b"b"), 0);
    plain.consume(1);
    plain.poll_transmit(&mut Vec::new());
    let mut client = plain.start_tls(client()).unwrap();
    let mut server = Tls::implicit_with_limits(server(), limits);
    handshake(&mut client, &mut server, 1);
    let mut heard = Vec::new();
    while heard.len() < 10 {
        assert_eq!(client.write(&[b'x'; 10]), Ok(1));
        carry(&mut client, &mut server, usize::MAX);
        heard.extend(drain(&mut server).0);
    }

    limits.handshake = 0;
    let mut server = Tls::implicit_with_limits(self::server(), limits);
    let mut client = Tls::new_implicit(self::client());
    carry(&mut client, &mut server, usize::MAX);
    tells_the_peer(&mut server, &mut client);
    assert_eq!(drain(&mut server).1, too_long("handshake", 0));

    limits.negotiation = 0;
    let mut plain = Plain::with_limits(limits);
    let mut client = smtp::Client::new("me");
    assert_eq!(plain.negotiate(&mut client), Ok(Progress::NeedInput));
    give(&mut plain, b"2", 1);
    assert_eq!(plain.negotiate(&mut client), too_long("negotiation", 0));
}

/// A stream over which nothing is received and nothing is sent, for now.
struct Blocked;

impl Read for Blocked {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Blocked {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn limits_of_nothing_do_not_spin_a_driver() {
    let mut limits = Limits::default();
    limits.plaintext_input = 0;
    limits.plaintext_output = 0;
    let mut driver = Driver::plain(limits);
    assert_eq!(driver.write(&mut Blocked, b"xy").unwrap(), 1);
    for blocked in [
        driver.write(&mut Blocked, b"y").unwrap_err(),
        driver.read(&mut Blocked, &mut [0; 10]).unwrap_err(),
        driver.read(&mut Blocked, &mut [0; 10_000]).unwrap_err(),
    ] {
        assert_eq!(blocked.kind(), io::ErrorKind::WouldBlock);
    }
}
