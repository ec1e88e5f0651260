//! The two directions of TLS end each for itself, at any time, and what a peer makes of that is an error at worst.

use std::io::{self, ErrorKind, Read, Write};

use starttls_core::rustls::{self, AlertDescription, ContentType};
use starttls_core::{
    Boundary, Error, Incoming, Limits, Misbehaviour, Negotiator, Output, Phase, Plain, Progress,
    Stage, Tls, UntrustedText, Upgrade,
};
use starttls_stream::adapter::Driver;
use starttls_tests::certs::{VERSIONS, client, pair_of, server};
use starttls_tests::memory::{carry, drain, give, handshake};

/// In plaintext, as it may come as long as nothing is encrypted.
const CLOSE_NOTIFY: [u8; 7] = [21, 3, 3, 0, 2, 1, 0];

fn closed_by_peer() -> Error {
    Error::Tls(rustls::Error::AlertReceived(AlertDescription::CloseNotify))
}

fn established(version: usize) -> (Tls, Tls) {
    let (client, server) = pair_of(VERSIONS[version]);
    let (mut client, mut server) = (Tls::new_implicit(client), Tls::new_implicit(server));
    handshake(&mut client, &mut server, usize::MAX);
    (client, server)
}

/// Nothing is to be negotiated.
struct AtOnce;

impl Negotiator for AtOnce {
    type Tls = rustls::Connection;

    fn advance(&mut self, _: &mut Plain) -> Result<Progress, Error> {
        Ok(Progress::Done(Boundary::Exact))
    }
}

#[test]
fn close_notify_in_the_handshake_ends_it_at_once() {
    for piece in [1, 6, 7] {
        let client = || rustls::Connection::from(client());
        let server = || rustls::Connection::from(server());
        for connection in [client(), server()] {
            let mut tls = Tls::new_implicit(connection);
            tls.poll_transmit(&mut Vec::new());
            give(&mut tls, &CLOSE_NOTIFY, piece);
            assert!(tls.is_handshaking() && !tls.wants_input() && !tls.has_output());
            assert_eq!(drain(&mut tls), (Vec::new(), Err(closed_by_peer())));
            assert_eq!(tls.write(b"secret"), Err(closed_by_peer()));
            tls.handle_eof();
            tls.close();
            assert_eq!(tls.stop_tls().map(drop), Err(closed_by_peer()));
        }
        for connection in [client(), server()] {
            let mut upgrade = Upgrade::new(AtOnce, connection);
            let error = loop {
                match upgrade.poll_output() {
                    Ok(Output::Transmit(_)) => {}
                    Ok(Output::NeedInput) => {
                        for piece in CLOSE_NOTIFY.chunks(piece) {
                            assert_eq!(upgrade.handle_input(piece), piece.len());
                        }
                    }
                    Ok(Output::Upgraded(tls)) => panic!("{tls:?}"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error, closed_by_peer());
        }
        let mut accepting = Plain::new().accept().unwrap();
        give(&mut accepting, &CLOSE_NOTIFY, piece);
        accepting.poll_transmit(&mut Vec::new());
        assert!(matches!(accepting.poll_hello(), Err(Error::Tls(_))));
    }
}

/// A stream with something to be read, that takes everything unless it is broken.
struct Script {
    input: Vec<u8>,
    /// Behind the input, there is nothing yet; otherwise it is the end.
    open: bool,
    broken: bool,
    sent: Vec<u8>,
    calls: usize,
}

impl Script {
    fn new(input: &[u8], open: bool) -> Self {
        Self {
            input: input.to_vec(),
            open,
            broken: false,
            sent: Vec::new(),
            calls: 0,
        }
    }
}

impl Read for Script {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        assert!(self.calls < 100, "it spins");
        if self.input.is_empty() && self.open {
            return Err(ErrorKind::WouldBlock.into());
        }
        let n = (&self.input[..]).read(buf)?;
        self.input.drain(..n);
        Ok(n)
    }
}

impl Write for Script {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.sent.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn close_notify_in_the_handshake_does_not_spin_a_driver() {
    for open in [false, true] {
        for connection in [rustls::Connection::from(client()), server().into()] {
            let mut driver = Driver::implicit(connection, Limits::default());
            let error = driver
                .handshake(&mut Script::new(&CLOSE_NOTIFY, open))
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
    }
}

/// S12: the peer's direction has ended, ours has not: an answer still goes out, and `close_notify` behind it.
#[test]
fn after_an_end_without_close_notify_our_direction_goes_on() {
    for version in 0..VERSIONS.len() {
        let (mut client, mut server) = established(version);
        assert_eq!(client.write(b"QUIT\r\n"), Ok(6));
        carry(&mut client, &mut server, usize::MAX);
        server.handle_eof();
        let truncated = Error::Truncated(Stage::Traffic);
        assert_eq!(
            drain(&mut server),
            (b"QUIT\r\n".to_vec(), Err(truncated.clone()))
        );
        assert_eq!(server.write(b"221 bye\r\n"), Ok(9));
        assert_eq!(drain(&mut server).1, Err(truncated.clone()), "{server:?}");
        carry(&mut server, &mut client, usize::MAX);
        server.close();
        carry(&mut server, &mut client, usize::MAX);
        assert_eq!(
            drain(&mut client),
            (b"221 bye\r\n".to_vec(), Ok(Incoming::Closed))
        );
        assert_eq!(drain(&mut server).1, Err(truncated.clone()));
        assert_eq!(server.stop_tls().map(drop), Err(truncated));
    }
}

#[test]
fn a_driver_closes_its_side_after_an_end_without_close_notify() {
    let (client, mut server) = driven();
    let mut client = client;
    let mut end = Script::new(&[], false);
    let error = client.read(&mut end, &mut [0; 9]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    client
        .shutdown(&mut end, |_| Ok(()))
        .expect("our side ends by the book");
    let mut there = Script::new(&end.sent, true);
    assert_eq!(server.read(&mut there, &mut [0; 9]).unwrap(), 0);
}

/// Both sides of a connection, driven over streams in memory.
fn driven() -> (Driver<Tls>, Driver<Tls>) {
    let mut client = Driver::implicit(client(), Limits::default());
    let mut server = Driver::implicit(server(), Limits::default());
    let (mut here, mut there) = (Script::new(&[], true), Script::new(&[], true));
    loop {
        let up = [
            client.handshake(&mut here).is_ok(),
            server.handshake(&mut there).is_ok(),
        ];
        if up == [true, true] && here.sent.is_empty() && there.sent.is_empty() {
            return (client, server);
        }
        there.input.append(&mut here.sent);
        here.input.append(&mut there.sent);
        if up[0] {
            // The tickets.
            assert!(client.read(&mut here, &mut [0; 9]).is_err());
        }
    }
}

/// The answer may be on its way: that sending has failed is told to whoever writes.
#[test]
fn reading_goes_on_when_writing_has_failed() {
    let (mut client, mut server) = driven();
    let mut here = Script::new(&[], true);
    here.broken = true;
    // Taken before it was known.
    assert_eq!(
        client
            .write(&mut here, &[io::IoSlice::new(b"request")])
            .unwrap(),
        7
    );
    let failed = client.flush(&mut here).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::BrokenPipe);
    for _ in 0..3 {
        let waiting = client.read(&mut here, &mut [0; 9]).unwrap_err();
        assert_eq!(waiting.kind(), ErrorKind::WouldBlock);
    }
    let mut there = Script::new(&[], true);
    server
        .write(&mut there, &[io::IoSlice::new(b"answer")])
        .unwrap();
    here.input = there.sent;
    let mut heard = [0; 9];
    assert_eq!(client.read(&mut here, &mut heard).unwrap(), 6);
    assert_eq!(&heard[..6], b"answer");
    let failed = client.flush(&mut here).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::BrokenPipe);
}

/// TLS under TLS: the peer may be gone when everything of ours has left and only the outer `close_notify` is to be sent. Any other failure is told.
#[test]
fn a_peer_that_is_gone_at_the_end_is_no_failure() {
    for (kind, gone) in [
        (ErrorKind::BrokenPipe, true),
        (ErrorKind::ConnectionReset, true),
        (ErrorKind::NotConnected, true),
        (ErrorKind::TimedOut, false),
    ] {
        let (mut client, _) = driven();
        let ended = client.shutdown(&mut Script::new(&[], true), |_| Err(kind.into()));
        assert_eq!(ended.is_ok(), gone, "{kind}");
        // Where ours did not leave, it is told whatever becomes of the end.
        let (mut client, _) = driven();
        let mut broken = Script::new(&[], true);
        broken.broken = true;
        assert!(client.shutdown(&mut broken, |_| Ok(())).is_err());
    }
}

/// FTP servers that go on in plaintext behind our `close_notify`, without one of their own.
#[test]
fn plaintext_behind_our_close_is_said_to_be_that() {
    let said = b"200 plaintext\r\n";
    for version in 0..VERSIONS.len() {
        for cut in 1..=said.len() {
            let (mut client, mut server) = established(version);
            client.close();
            client.poll_transmit(&mut Vec::new());
            assert_eq!(server.write(b"the last"), Ok(8));
            carry(&mut server, &mut client, usize::MAX);
            let (first, second) = said.split_at(cut);
            give(&mut client, first, usize::MAX);
            let (data, end) = drain(&mut client);
            assert_eq!(data, b"the last");
            give(&mut client, second, usize::MAX);
            assert!(!client.has_output(), "nothing follows close_notify");
            let Err(Error::Misbehaved(Misbehaviour::PlaintextInTls { sample })) = end else {
                panic!("{end:?}")
            };
            assert_eq!(sample, UntrustedText::new(first));
            assert!(client.stop_tls().is_err());
        }
    }
}

/// Records of types that nobody sends there are refused unseen.
#[test]
fn records_of_other_types_behind_our_close_are_refused() {
    for (version, kinds) in [(0, &[20, 24][..]), (1, &[20, 21, 22, 24])] {
        for kind in kinds {
            let (mut client, _) = established(version);
            client.close();
            client.poll_transmit(&mut Vec::new());
            give(&mut client, &[*kind, 3, 3, 0, 2, 1, 0], 3);
            assert_eq!(
                drain(&mut client).1,
                Err(Error::Tls(rustls::Error::InappropriateMessage {
                    expect_types: vec![ContentType::ApplicationData],
                    got_type: ContentType::from(*kind),
                }))
            );
        }
    }
}

/// Who has closed and reads no more looks at nothing that still comes.
#[test]
fn nothing_is_looked_at_behind_our_close_unless_it_is_read() {
    let (mut client, mut server) = established(1);
    client.close();
    client.poll_transmit(&mut Vec::new());
    give(&mut client, b"200 plaintext\r\n", 1);
    client.handle_eof();
    assert_eq!(client.error(), None);

    // To go back to plaintext, it is.
    server.close();
    let mut client = established(1).0;
    client.close();
    assert!(client.stop_tls().is_err());
    let (mut client, mut server) = established(1);
    client.close();
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(drain(&mut server).1, Ok(Incoming::Closed));
    server.close();
    carry(&mut server, &mut client, usize::MAX);
    assert!(client.stop_tls().unwrap().peek().is_empty());
}
