//! Programs of operations on both ends of a connection, against a model: what is read is what was written, and nothing else.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use starttls_core::{Incoming, Phase, Plain, Tls};
use starttls_fuzz::{client, server};

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Operation {
    Write(u16),
    Read(u16),
    /// So many of the bytes that are under way arrive.
    Carry(u16),
    Close,
    NewKeys,
    /// Both sides have closed: plaintext, some of it, and TLS again.
    Restart,
}

struct Side {
    tls: Option<Tls>,
    /// Sent, and not yet arrived.
    wire: Vec<u8>,
    written: Vec<u8>,
    read: Vec<u8>,
    closed: bool,
}

impl Side {
    fn new(tls: Tls) -> Self {
        Self {
            tls: Some(tls),
            wire: Vec::new(),
            written: Vec::new(),
            read: Vec::new(),
            closed: false,
        }
    }

    fn tls(&mut self) -> &mut Tls {
        self.tls.as_mut().expect("it is there between operations")
    }

    fn read_some(&mut self, most: usize) {
        let mut buffer = vec![0; most];
        match self.tls().read(&mut buffer) {
            Ok(Incoming::Data(n)) => self.read.extend(&buffer[..n]),
            Ok(_) => {}
            Err(error) => panic!("nobody has done anything wrong: {error:?}"),
        }
    }
}

fn carry(from: &mut Side, to: &mut Side, most: usize) {
    let Side { tls, wire, .. } = from;
    tls.as_mut().expect("there").poll_transmit(wire);
    let piece = most.min(wire.len());
    let taken = to.tls().handle_input(&wire[..piece]);
    wire.drain(..taken);
}

fn settle(a: &mut Side, b: &mut Side) {
    for _ in 0..10_000 {
        carry(a, b, usize::MAX);
        carry(b, a, usize::MAX);
        a.read_some(64 * 1024);
        b.read_some(64 * 1024);
        let quiet = |side: &mut Side| side.wire.is_empty() && !side.tls().has_output();
        if quiet(a) && quiet(b) {
            return;
        }
    }
    panic!("they do not come to rest");
}

fuzz_target!(|program: Vec<(bool, Operation)>| {
    let begin = || {
        let client = Plain::new().start_tls(client()).expect("nothing is unread");
        let server = Plain::new().start_tls(server()).expect("nothing is unread");
        (Side::new(client), Side::new(server))
    };
    let (mut a, mut b) = begin();
    for (first, operation) in program.into_iter().take(64) {
        let (side, other) = if first {
            (&mut a, &mut b)
        } else {
            (&mut b, &mut a)
        };
        match operation {
            Operation::Write(length) if !side.closed => {
                let from = side.written.len();
                let data: Vec<u8> = (0..usize::from(length)).map(|i| (from + i) as u8).collect();
                let n = side.tls().write(&data).expect("open");
                side.written.extend(&data[..n]);
            }
            Operation::Write(_) => assert!(side.tls().write(b"x").is_err()),
            Operation::Read(most) => side.read_some(usize::from(most)),
            Operation::Carry(most) => carry(side, other, usize::from(most)),
            Operation::Close => {
                if !side.tls().is_handshaking() {
                    side.tls().close();
                    side.closed = true;
                }
            }
            Operation::NewKeys => {
                if !side.closed && !side.tls().is_handshaking() {
                    let _ = side.tls().refresh_traffic_keys();
                }
            }
            Operation::Restart => {
                settle(&mut a, &mut b);
                if !(a.closed && b.closed) {
                    continue;
                }
                assert_eq!((&a.read, &b.read), (&b.written, &a.written));
                let [mut one, mut two] = [&mut a, &mut b].map(|side| {
                    let tls = side.tls.take().expect("there");
                    tls.stop_tls().expect("both sides have closed")
                });
                one.write_all(b"plaintext").expect("room");
                let mut wire = Vec::new();
                one.poll_transmit(&mut wire);
                assert_eq!(two.handle_input(&wire), wire.len());
                assert_eq!(two.peek(), b"plaintext");
                (a, b) = begin();
            }
        }
        for side in [&mut a, &mut b] {
            let mut queued = Vec::new();
            side.tls().poll_transmit(&mut queued);
            assert!(
                queued.len() <= 160 * 1024,
                "{} bytes are queued",
                queued.len()
            );
            side.wire.append(&mut queued);
        }
    }
    settle(&mut a, &mut b);
    assert_eq!(a.read, b.written);
    assert_eq!(b.read, a.written);
});
