//! What only blocking streams on real sockets have: timeouts, and the deadlines that are kept with them.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use starttls_protocols::smtp;
use starttls_stream::{Deadlines, Duplicate, Error, PlainStream, TlsStream, Transport, Untimed};
use starttls_tests::certs::{client, server};

const LIMIT: Duration = Duration::from_millis(300);

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (here, listener.accept().unwrap().0)
}

fn connected<IO: Transport + Send>((here, there): (IO, IO)) -> (TlsStream<IO>, TlsStream<IO>) {
    thread::scope(|scope| {
        let here = scope.spawn(|| PlainStream::new(here).start_tls(client()).unwrap());
        let there = PlainStream::new(there).start_tls(server()).unwrap();
        (here.join().unwrap(), there)
    })
}

/// Within the deadline or a little later, and no earlier.
fn takes_the_limit<T>(what: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = what();
    let took = start.elapsed();
    assert!(took >= LIMIT && took < LIMIT * 8, "{took:?}");
    result
}

#[test]
fn a_timeout_is_told_as_one_and_loses_nothing() {
    let (mut here, mut there) = connected(pair());
    let own = Some(Duration::from_millis(50));
    here.get_ref().set_read_timeout(own).unwrap();
    let mut line = String::new();
    for _ in 0..2 {
        let error = here.read_line(&mut line).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
    there.write_all(b"half a").unwrap();
    assert_eq!(
        here.read_line(&mut line).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    there.write_all(b" line\n").unwrap();
    // What was read stays with who has asked for it.
    here.read_line(&mut line).unwrap();
    assert_eq!(line, "half a line\n");

    let (here, mut there) = pair();
    here.set_read_timeout(own).unwrap();
    let mut plain = PlainStream::new(here);
    assert_eq!(
        plain.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    there.write_all(b"x").unwrap();
    assert_eq!(plain.read(&mut [0]).unwrap(), 1);
}

#[test]
fn a_silent_or_slow_peer_meets_the_deadline() {
    for drips in [false, true] {
        let (here, mut there) = pair();
        let own = Some(Duration::from_secs(100));
        here.set_read_timeout(own).unwrap();
        let control = here.try_clone().unwrap();
        let plain = PlainStream::new(here).with_deadlines(Deadlines::default().upgrade(LIMIT));
        let (over, is_over) = channel::<()>();
        let peer = thread::spawn(move || {
            // A byte each time, long before any timeout.
            while is_over.recv_timeout(LIMIT / 20).is_err() {
                if drips {
                    there.write_all(b"2").unwrap();
                }
            }
            there
        });
        let upgrade = || plain.upgrade(smtp::Client::new("me"), client());
        assert!(matches!(
            takes_the_limit(upgrade),
            Err(Error::Deadline { .. })
        ));
        assert_eq!(control.read_timeout().unwrap(), own);
        assert_eq!(control.write_timeout().unwrap(), None);
        over.send(()).unwrap();
        drop(peer.join().unwrap());
    }
}

#[test]
fn closing_has_a_deadline() {
    // A peer that does not read.
    let (here, _there) = connected(pair());
    let mut here = here.with_deadlines(Deadlines::default().close(LIMIT));
    let own = Some(Duration::from_millis(20));
    here.get_ref().set_write_timeout(own).unwrap();
    while here.write(&[7; 100_000]).is_ok() {}
    let longer = Some(100 * LIMIT);
    here.get_ref().set_write_timeout(longer).unwrap();
    let closed = takes_the_limit(|| here.shutdown());
    assert!(matches!(closed, Err(Error::Deadline { .. })), "{closed:?}");
    assert_eq!(here.get_ref().write_timeout().unwrap(), longer);

    // A peer that does not answer.
    let (here, _there) = connected(pair());
    let here = here.with_deadlines(Deadlines::default().close(LIMIT));
    let stopped = takes_the_limit(|| here.stop_tls());
    assert!(matches!(stopped, Err(Error::Deadline { .. })));

    // The same for a half.
    let (here, _there) = connected(pair());
    let here = here.with_deadlines(Deadlines::default().close(LIMIT));
    here.get_ref().set_write_timeout(own).unwrap();
    let control = here.get_ref().try_clone().unwrap();
    let (_reader, mut writer) = here.split().unwrap();
    while writer.write(&[7; 100_000]).is_ok() {}
    control.set_write_timeout(None).unwrap();
    let closed = takes_the_limit(|| writer.shutdown());
    assert!(matches!(closed, Err(Error::Deadline { .. })), "{closed:?}");
}

#[test]
fn tls_in_tls_has_the_sockets_deadline() {
    let (here, _there) = connected(pair());
    let inner = PlainStream::new(here).with_deadlines(Deadlines::default().upgrade(LIMIT));
    let upgraded = takes_the_limit(|| inner.start_tls(client()));
    assert!(matches!(upgraded, Err(Error::Deadline { .. })));
}

#[test]
fn any_stream_will_do_without_a_deadline() {
    let (here, there) = pair();
    let (mut here, mut there) = connected((Untimed(here), Untimed(there)));
    here.write_all(b"hello\n").unwrap();
    let mut line = String::new();
    there.read_line(&mut line).unwrap();
    assert_eq!(line, "hello\n");
}

/// S16: both write before they read, much more than the sockets hold.
fn both_write_first<IO: Duplicate>(pair: (IO, IO)) {
    const LENGTH: usize = 16 << 20;
    let (here, there) = connected(pair);
    let side = |tls: TlsStream<IO>, says: u8, hears: u8| {
        let (mut reader, mut writer) = tls.split().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                writer.write_all(&vec![says; LENGTH]).unwrap();
                writer.shutdown().unwrap();
            });
            let mut received = Vec::new();
            reader.read_to_end(&mut received).unwrap();
            assert_eq!(received.len(), LENGTH);
            assert!(received.iter().all(|byte| *byte == hears));
        });
        reader.reunite(writer).ok().unwrap()
    };
    thread::scope(|scope| {
        scope.spawn(|| side(here, 1, 2));
        side(there, 2, 1);
    });
}

#[test]
fn halves_of_a_tcp_stream() {
    both_write_first(pair());
}

#[cfg(unix)]
#[test]
fn halves_of_a_unix_stream() {
    both_write_first(std::os::unix::net::UnixStream::pair().unwrap());
}

/// A half that reads tells a timeout, too, and goes on.
#[test]
fn a_half_tells_its_timeout() {
    let (here, mut there) = connected(pair());
    let own = Some(Duration::from_millis(50));
    here.get_ref().set_read_timeout(own).unwrap();
    let (mut reader, writer) = here.split().unwrap();
    assert_eq!(
        reader.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::TimedOut
    );
    there.write_all(b"x").unwrap();
    let mut buf = [0; 2];
    assert_eq!(reader.read(&mut buf).unwrap(), 1);
    // Two of different streams are none.
    let (other, _there) = connected(pair());
    let (_, other) = other.split().unwrap();
    let not_one = reader.reunite(other).unwrap_err();
    let mut here = not_one.0.reunite(writer).unwrap();
    there.write_all(b"y").unwrap();
    assert_eq!(here.read(&mut buf).unwrap(), 1);
}

/// S35: a timeout that the user has set, shorter than the deadline, is kept in the handshake as in the traffic.
#[test]
fn a_shorter_timeout_of_the_socket_is_kept() {
    for long in [
        Deadlines::default(),
        Deadlines::default().without_upgrade_deadline(),
    ] {
        // A peer that says nothing, and one that does not read either.
        for full in [false, true] {
            let (mut here, _there) = pair();
            here.set_nonblocking(true).unwrap();
            while full && here.write(&[0; 4096]).is_ok() {}
            here.set_nonblocking(false).unwrap();
            here.set_read_timeout(Some(LIMIT)).unwrap();
            here.set_write_timeout(Some(LIMIT)).unwrap();
            let upgrade = PlainStream::new(here).with_deadlines(long);
            let error = takes_the_limit(|| upgrade.start_tls(client())).unwrap_err();
            assert!(matches!(&error, Error::Io(_)), "{error:?}");
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
    }
}

/// S35: a socket that does not block is waited for, in upgrading and in closing, and the processor is not kept busy with it.
#[test]
fn a_socket_that_does_not_block_is_served() {
    let (here, there) = pair();
    here.set_nonblocking(true).unwrap();
    there.set_nonblocking(true).unwrap();
    let serving = thread::spawn(|| {
        let mut tls = PlainStream::new(there).start_tls(server()).unwrap();
        tls.write_all(b"x").unwrap();
        tls.stop_tls().unwrap();
    });
    let mut tls = PlainStream::new(here).start_tls(client()).unwrap();
    let mut data = [0];
    // Reading without a deadline says that there is nothing now.
    while let Err(error) = tls.read_exact(&mut data) {
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        thread::sleep(LIMIT / 100);
    }
    tls.stop_tls().unwrap();
    serving.join().unwrap();

    // A peer that does not read: calls are made now and then, not all the time.
    let calls = Arc::new(AtomicUsize::new(0));
    let never = Never(calls.clone());
    let plain = PlainStream::new(never).with_deadlines(Deadlines::default().upgrade(LIMIT));
    let error = takes_the_limit(|| plain.start_tls(client())).unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error:?}");
    let calls = calls.load(Ordering::SeqCst);
    assert!(calls < 1000, "{calls} calls");
}

/// A transport on which nothing can be done now, ever.
#[derive(Debug)]
struct Never(Arc<AtomicUsize>);

impl Read for Never {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Never {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Never {}

/// S34: two halves that are gone keep nothing open, even if there is an answer which the peer does not take; and there is never more than one thread for answers.
#[cfg(target_os = "linux")]
#[test]
fn dropped_halves_let_the_socket_go() {
    let (here, mut there) = pair();
    let serving = thread::spawn(|| {
        // Nothing here is to end by itself.
        let deadlines = Deadlines::default().without_close_deadline();
        let tls = PlainStream::new(here).start_tls(server()).unwrap();
        tls.with_deadlines(deadlines).split().unwrap()
    });
    let mut peer = client();
    while peer.is_handshaking() || peer.wants_write() {
        while peer.wants_write() {
            peer.write_tls(&mut there).unwrap();
        }
        if peer.is_handshaking() {
            peer.read_tls(&mut there).unwrap();
            peer.process_new_packets().unwrap();
        }
    }
    let (mut reader, writer) = serving.join().unwrap();
    let mut most = 0;
    for request in 0..20_000 {
        peer.refresh_traffic_keys().unwrap();
        peer.writer().write_all(b"x").unwrap();
        while peer.wants_write() {
            peer.write_tls(&mut there).unwrap();
        }
        reader.read_exact(&mut [0]).unwrap();
        if request % 500 == 0 {
            most = most.max(answering_threads());
        }
    }
    assert!(most <= 1, "{most} threads");
    // One is blocked with an answer, or has left it to the next.
    drop((reader, writer));
    there
        .set_read_timeout(Some(Duration::from_secs(240)))
        .unwrap();
    // Until the end: all that was sent, and then nothing of ours holds the socket.
    match io::copy(&mut there, &mut io::sink()) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

#[cfg(target_os = "linux")]
fn answering_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim() == "starttls answer")
        .count()
}
