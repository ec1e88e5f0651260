//! 0-RTT and connections that are not fresh: refused, and nothing is taken that nobody can read.

use std::io::Write;
use std::sync::Arc;

use starttls_core::rustls::server::ServerSessionMemoryCache;
use starttls_core::rustls::{ClientConfig, ClientConnection, Connection, ServerConfig};
use starttls_core::{
    Boundary, Error, Incoming, Misuse, Negotiator, Output, Phase, Plain, Progress, Tls, Upgrade,
};
use starttls_tests::bare::{from_bare, shake_hands, to_bare, wire_of};
use starttls_tests::certs::{
    CERTS, VERSIONS, client, client_config_with, client_of, server, server_config_with, server_of,
};
use starttls_tests::memory::{drain, give};

const EARLY_DATA: Error = Error::Misuse(Misuse::EarlyData);
const USED: Error = Error::Misuse(Misuse::UsedConnection);

fn server_config(early_data: u32) -> ServerConfig {
    let mut config = server_config_with(&CERTS.server, &VERSIONS[1..]);
    config.max_early_data_size = early_data;
    config
}

/// A client that has a ticket of `server` and may send early data.
fn client_config(server: &Arc<ServerConfig>) -> Arc<ClientConfig> {
    let mut config = client_config_with(&VERSIONS[1..]);
    config.enable_early_data = true;
    let config = Arc::new(config);
    let mut first = Connection::from(client_of(&config));
    let mut there = Connection::from(server_of(server));
    loop {
        let (out, back) = (wire_of(&mut first), wire_of(&mut there));
        if out.is_empty() && back.is_empty() {
            break;
        }
        for (to, bytes) in [(&mut there, out), (&mut first, back)] {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                to.read_tls(&mut rest).unwrap();
                to.process_new_packets().unwrap();
            }
        }
    }
    config
}

/// A ticket is good for one connection.
fn with_early_data(server: &Arc<ServerConfig>, data: &[u8]) -> ClientConnection {
    let mut client = client_of(&client_config(server));
    let mut early = client.early_data().expect("a ticket that allows it");
    early.write_all(data).unwrap();
    client
}

/// Nothing is to be negotiated.
struct AtOnce;

impl Negotiator for AtOnce {
    type Tls = Connection;

    fn advance(&mut self, _: &mut Plain) -> Result<Progress, Error> {
        Ok(Progress::Done(Boundary::Exact))
    }
}

#[test]
fn a_client_that_has_written_some_is_refused_at_every_way_in() {
    let server_config = Arc::new(server_config(16_384));
    let early = || with_early_data(&server_config, b"EARLY");
    assert_eq!(Plain::new().start_tls(early()).map(drop), Err(EARLY_DATA));
    let mut upgrade = Upgrade::new(AtOnce, early().into());
    assert_eq!(upgrade.poll_output().map(drop), Err(EARLY_DATA));
    for mut tls in [
        Plain::new().start_tls_with_unread(early()),
        Tls::new_implicit(early()),
    ] {
        assert!(!tls.has_output(), "nothing of it goes out");
        assert!(tls.is_handshaking() && !tls.wants_input());
        assert_eq!(drain(&mut tls).1, Err(EARLY_DATA));
        assert_eq!(tls.write(b"x"), Err(EARLY_DATA));
    }
}

/// Who could have written some and has not, loses nothing.
#[test]
fn a_client_that_only_might_have_is_served() {
    let server_config = Arc::new(server_config(16_384));
    let config = client_config(&server_config);
    let mut there = Connection::from(server_of(&server_config));
    let mut ours = Plain::new().start_tls(client_of(&config)).unwrap();
    shake_hands(&mut there, &mut ours);
    assert_eq!(ours.write(b"late"), Ok(4));
    to_bare(&mut ours, &mut there);
    let mut heard = [0; 4];
    std::io::Read::read_exact(&mut there.reader(), &mut heard).unwrap();
    assert_eq!(&heard, b"late");
}

/// A configuration that takes early data is refused where it is seen; where only a connection is, when it takes some. What the client has sent is
/// never part of the stream.
#[test]
fn a_server_that_takes_some_is_refused_at_every_way_in() {
    let server_config = Arc::new(server_config(16_384));
    let hello = || wire_of(&mut with_early_data(&server_config, b"EARLY").into());

    for piece in [1, 100, usize::MAX] {
        let mut accepting = Plain::new().accept().unwrap();
        give(&mut accepting, &hello(), piece);
        assert!(matches!(accepting.poll_hello(), Ok(Incoming::Data(_))));
        let mut refused = accepting.start_tls(server_config.clone()).unwrap_err();
        let mut alert = Vec::new();
        assert!(refused.poll_transmit(&mut alert));
        assert_eq!(alert, [21, 3, 3, 0, 2, 2, 80]);
        assert_eq!(refused.poll_hello().map(drop), Err(EARLY_DATA));

        for mut tls in [
            Plain::new().start_tls(server_of(&server_config)).unwrap(),
            Tls::new_implicit(server_of(&server_config)),
        ] {
            give(&mut tls, &hello(), piece);
            assert_eq!(tls.error(), Some(&EARLY_DATA));
            assert!(tls.is_handshaking());
            assert_eq!(drain(&mut tls).1, Ok(Incoming::NeedTransmit));
            tls.poll_transmit(&mut Vec::new());
            assert_eq!(drain(&mut tls), (Vec::new(), Err(EARLY_DATA)));
        }

        let mut upgrade = Upgrade::new(AtOnce, server_of(&server_config).into());
        let error = loop {
            match upgrade.poll_output() {
                Ok(Output::Transmit(_)) => {}
                Ok(Output::NeedInput) => {
                    let wire = hello();
                    for piece in wire.chunks(piece.min(wire.len())) {
                        assert_eq!(upgrade.handle_input(piece), piece.len());
                    }
                }
                Ok(Output::Upgraded(tls)) => panic!("{tls:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error, EARLY_DATA);
    }
}

/// The client learns it by a fatal alert, and cannot take what it has sent for received.
#[test]
fn and_the_client_is_told() {
    let server_config = Arc::new(server_config(16_384));
    let mut there = Connection::from(with_early_data(&server_config, b"EARLY"));
    let mut ours = Tls::new_implicit(server_of(&server_config));
    from_bare(&mut there, &mut ours);
    let mut wire = Vec::new();
    ours.poll_transmit(&mut wire);
    let mut rest = &wire[..];
    let mut outcome = Ok(());
    while !rest.is_empty() && outcome.is_ok() {
        there.read_tls(&mut rest).unwrap();
        outcome = there.process_new_packets().map(drop);
    }
    assert!(outcome.is_err());
}

/// A server without early data rejects it, and the connection goes on without: at every cut of a ClientHello of any size with data behind it.
#[test]
fn what_a_server_does_not_take_is_skipped_at_every_cut() {
    let taking = Arc::new(server_config(16_384));
    let mut not_taking = ServerConfig::clone(&taking);
    not_taking.max_early_data_size = 0;
    // It does not know the ticket either.
    not_taking.session_storage = ServerSessionMemoryCache::new(32);
    let not_taking = Arc::new(not_taking);
    for size in [10, 3_000] {
        let early = vec![7; size];
        let wire_length = wire_of(&mut with_early_data(&taking, &early).into()).len();
        for cut in (1..wire_length).step_by(13) {
            let mut there = Connection::from(with_early_data(&taking, &early));
            let wire = wire_of(&mut there);
            let mut accepting = Plain::new().accept().unwrap();
            let mut fed = accepting.handle_input(&wire[..cut]);
            if !matches!(accepting.poll_hello(), Ok(Incoming::Data(_))) {
                fed += accepting.handle_input(&wire[fed..]);
            }
            let mut ours = accepting.start_tls(not_taking.clone()).unwrap();
            give(&mut ours, &wire[fed..], usize::MAX);
            shake_hands(&mut there, &mut ours);
            there.writer().write_all(b"after").unwrap();
            from_bare(&mut there, &mut ours);
            assert_eq!(drain(&mut ours).0, b"after", "cut at {cut}");
        }
    }
}

#[test]
fn a_connection_that_has_shaken_hands_is_refused_at_every_way_in() {
    let established = || {
        let (mut client, mut server) = (Connection::from(client()), Connection::from(server()));
        while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
            let out = wire_of(&mut client);
            server.read_tls(&mut &out[..]).unwrap();
            server.process_new_packets().unwrap();
            let back = wire_of(&mut server);
            client.read_tls(&mut &back[..]).unwrap();
            client.process_new_packets().unwrap();
        }
        [client, server]
    };
    for side in 0..2 {
        let used = || established().into_iter().nth(side).unwrap();
        assert_eq!(Plain::new().start_tls(used()).map(drop), Err(USED));
        let mut upgrade = Upgrade::new(AtOnce, used());
        assert_eq!(upgrade.poll_output().map(drop), Err(USED));
        for mut tls in [
            Plain::new().start_tls_with_unread(used()),
            Tls::new_implicit(used()),
        ] {
            assert!(tls.is_handshaking() && !tls.wants_input() && !tls.has_output());
            assert_eq!(drain(&mut tls).1, Err(USED));
            assert_eq!(tls.write(b"x"), Err(USED));
        }
    }
}
