//! Idle means empty, a write is taken whole or waits, and what goes past a buffer is counted all the same.

use std::io::{self, ErrorKind, Read, Write};

use starttls_core::{Boundary, Error, Incoming, Limits, Phase, Plain, Tls};
use starttls_stream::adapter::Driver;
use starttls_tests::certs::{VERSIONS, client, pair_of, server};
use starttls_tests::memory::{carry, drain, give, handshake};

fn established(version: usize) -> (Tls, Tls) {
    let (client, server) = pair_of(VERSIONS[version]);
    let (mut client, mut server) = (Tls::new_implicit(client), Tls::new_implicit(server));
    handshake(&mut client, &mut server, usize::MAX);
    (client, server)
}

#[test]
fn a_write_is_taken_whole_or_waits() {
    let (mut client, mut server) = established(1);
    // Nothing is queued: as much as there is room for.
    assert_eq!(client.write(&[b'x'; 100_000]), Ok(65_536));
    assert_eq!(client.write(b"x"), Ok(0));
    // Room that comes back byte by byte makes no record.
    while client.has_output() {
        let mut one = [0; 1];
        assert_eq!(client.transmit_to(&mut &mut one[..]).unwrap(), 1);
        give(&mut server, &one, 1);
        if client.has_output() {
            assert_eq!(client.write(&[b'y'; 65_536]), Ok(0));
        }
        assert!(drain(&mut server).1.is_ok());
    }
    // Small ones join what is queued, up to the limit and not in part.
    let mut taken = 0;
    while client.write(&[b'z'; 1000]).unwrap() == 1000 {
        taken += 1000;
    }
    assert!((50_000..=65_000).contains(&taken), "{taken}");
    assert_eq!(client.write(&[b'z'; 1000]), Ok(0));
    let wire = carry(&mut client, &mut server, usize::MAX);
    assert!(wire.len() < 65_536 + 2_000, "{} bytes", wire.len());
    assert_eq!(drain(&mut server).0, vec![b'z'; taken]);
}

/// A thread's buffer is held for as long as it has records that wait, and no longer; what it held is the same in any pieces.
#[test]
fn a_lent_buffer_comes_back() {
    for version in 0..VERSIONS.len() {
        for piece in [1, 3, 5, 1_000, 17_000, 40_000, 65_536] {
            let (mut client, mut server) = established(version);
            let (mut wire, mut sent) = (Vec::new(), Vec::new());
            for n in [10, 20_000, 3, 16_384, 40_000, 0, 5] {
                sent.extend(vec![n as u8; n]);
                server.write(&vec![n as u8; n]).unwrap();
                server.poll_transmit(&mut wire);
            }
            let mut received = Vec::new();
            for piece in wire.chunks(piece) {
                let mut piece = piece;
                while !piece.is_empty() {
                    let most = client.takes_buffer();
                    if most == 0 {
                        // Something is held, which goes first.
                        let n = client.handle_input(piece);
                        piece = &piece[n..];
                    } else {
                        let n = piece.len().min(most);
                        let mut buffer = vec![0xaa; 65_536];
                        buffer[..n].copy_from_slice(&piece[..n]);
                        piece = &piece[n..];
                        client.received_in(&mut buffer, n);
                        assert!([0, 65_536].contains(&buffer.len()));
                    }
                    let (data, end) = drain(&mut client);
                    received.extend(data);
                    assert_eq!(end, Ok(Incoming::NeedInput));
                    let _ = client.reclaim_buffer();
                    assert!(client.reclaim_buffer().is_none());
                }
            }
            assert!(received == sent, "in pieces of {piece}");
            assert!(client.takes_buffer() > 0, "it holds nothing");
        }
    }
}

/// The bytes behind `close_notify` are plaintext: the buffer that they are in stays with them.
#[test]
fn a_buffer_with_plaintext_in_it_does_not_come_back() {
    let (mut client, mut server) = established(1);
    client.close();
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(drain(&mut server).1, Ok(Incoming::Closed));
    server.close();
    let mut wire = Vec::new();
    server.poll_transmit(&mut wire);
    let close = wire.len();
    wire.extend([b'p'; 10_000]);
    let n = wire.len();
    wire.resize(65_536, 0);
    client.received_in(&mut wire, n);
    assert!(wire.is_empty(), "it is taken");
    assert_eq!(drain(&mut client).1, Ok(Incoming::Closed));
    assert!(client.reclaim_buffer().is_none());
    let mut plain = client.stop_tls().unwrap();
    assert_eq!(plain.peek().len(), n - close);
    plain.consume(n);
    assert!(plain.reclaim_buffer().is_none());
    assert_eq!(plain.takes_buffer(), 0);
}

/// What the next reads give, in pieces, and what was written.
struct Script {
    reads: Vec<&'static [u8]>,
    asked_for: Vec<usize>,
    written: Vec<u8>,
    blocked: bool,
}

impl Script {
    fn new(reads: &[&'static [u8]]) -> Self {
        Self {
            reads: reads.iter().rev().copied().collect(),
            asked_for: Vec::new(),
            written: Vec::new(),
            blocked: false,
        }
    }
}

impl Read for Script {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.asked_for.push(buf.len());
        let Some(next) = self.reads.pop() else {
            return Err(ErrorKind::WouldBlock.into());
        };
        let n = next.len().min(buf.len());
        buf[..n].copy_from_slice(&next[..n]);
        if n < next.len() {
            self.reads.push(&next[n..]);
        }
        Ok(n)
    }
}

impl Write for Script {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.blocked {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.written.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn plaintext_read_straight_is_counted_and_what_is_behind_it_is_refused() {
    for size in [1, 5, 100, 5_000] {
        let mut io = Script::new(&[b"220 go\r\n", b"more\r\n"]);
        let mut driver = Driver::plain(Limits::default());
        let mut buf = vec![0; size];
        let n = driver.read(&mut io, &mut buf).unwrap();
        assert_eq!(&buf[..n], &b"220 go\r\n"[..size.min(8)]);
        if size >= 4 * 1024 {
            assert_eq!(io.asked_for, [size], "straight");
        }
        assert_eq!(driver.phase().total_received(), 8);
        // What was received in the same piece is unread, and nothing else is.
        let refused = driver.start_tls(Boundary::Exact, client()).map(drop);
        let left = 8_usize.saturating_sub(size);
        match refused.map_err(|error| error.protocol().cloned()) {
            Err(Some(Error::UnreadPlaintext { count, .. })) => assert_eq!(count, left),
            Ok(()) => assert_eq!(left, 0),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn plaintext_is_written_straight_unless_something_is_queued() {
    let mut io = Script::new(&[]);
    let mut driver = Driver::plain(Limits::default());
    // More than is ever queued, in one call.
    assert_eq!(driver.write(&mut io, &[b'a'; 100_000]).unwrap(), 100_000);
    assert!(!driver.phase().has_output());
    // Blocked, it is queued, and nothing overtakes it.
    io.blocked = true;
    assert_eq!(driver.write(&mut io, b"first ").unwrap(), 6);
    assert_eq!(driver.write(&mut io, b"second ").unwrap(), 7);
    assert!(driver.phase().has_output());
    io.blocked = false;
    assert_eq!(driver.write(&mut io, b"third").unwrap(), 5);
    driver.flush(&mut io).unwrap();
    assert_eq!(&io.written[100_000..], b"first second third");
    // The same order holds across the boundary: the go-ahead leaves before TLS.
    io.blocked = true;
    assert_eq!(driver.write(&mut io, b"OK\n").unwrap(), 3);
    io.blocked = false;
    let mut tls = driver.start_tls(Boundary::Exact, server()).unwrap();
    let waiting = tls.handshake(&mut io).unwrap_err();
    assert_eq!(waiting.kind(), ErrorKind::WouldBlock);
    assert!(io.written.ends_with(b"thirdOK\n"));
}

#[test]
fn limits_hold_where_a_short_read_takes_more() {
    let mut limits = Limits::default();
    limits.plaintext_input = 3;
    let mut io = Script::new(&[b"abcdefgh"]);
    let mut driver = Driver::plain(limits);
    assert_eq!(driver.read(&mut io, &mut [0; 1]).unwrap(), 1);
    assert!(driver.buffered().len() <= 3);
    let mut rest = Vec::new();
    while let Ok(n) = driver.read(&mut io, &mut [0; 1]) {
        rest.push(n);
    }
    assert_eq!(rest.len(), 7, "nothing is lost");
    let mut plain = Plain::with_limits(limits);
    assert_eq!(plain.room(), 3);
    assert_eq!(plain.handle_input(b"ab"), 2);
    assert_eq!(plain.room(), 1);
}
