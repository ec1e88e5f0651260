//! S19: deadlines, by each runtime's own clock.

use std::thread;
use std::time::{Duration, Instant};

use starttls_core::rustls::Connection;
use starttls_protocols::smtp;
use starttls_stream::{Deadlines, Error};

use super::*;

const LIMIT: Duration = Duration::from_millis(200);

/// Fails with the deadline, after it and not long after it.
fn meets_the_deadline<T>(attempt: impl FnOnce() -> Result<T, Error>) {
    let start = Instant::now();
    let error = attempt().err();
    let took = start.elapsed();
    assert!(matches!(error, Some(Error::Deadline { .. })), "{error:?}");
    assert!(took >= LIMIT && took < 20 * LIMIT, "{took:?}");
}

/// The beginning of a record, and then nothing. Only a clock can tell.
pub(crate) fn the_beginning_of_a_record_meets_the_deadline<R: Runtime>() {
    for connection in [Connection::from(client()), Connection::from(server())] {
        let ((victim, at_victim), (_peer, at_peer)) = R::pair(4096);
        let plain = victim.with_deadlines(Deadlines::default().upgrade(LIMIT));
        at_victim.inject(&[0x16, 3, 1]);
        meets_the_deadline(|| R::run(plain.start_tls_with_unread(connection)));
        assert!(at_victim.is_closed() && !at_peer.is_closed());
    }
}

/// Negotiation and handshake have one deadline together.
pub(crate) fn a_slow_negotiation_and_no_handshake<R: Runtime>() {
    // Longer than the others: this one must tell it from a deadline for each.
    const LIMIT: Duration = Duration::from_secs(1);
    let ((here, _), (there, _)) = R::pair(4096);
    let plain = here.with_deadlines(Deadlines::default().upgrade(LIMIT));
    let start = Instant::now();
    R::both(
        async || {
            let upgraded = plain.upgrade(smtp::Client::new("me"), client()).await;
            assert!(matches!(upgraded, Err(Error::Deadline { .. })));
            let took = start.elapsed();
            assert!(took >= LIMIT && took < LIMIT * 17 / 10, "{took:?}");
        },
        async || {
            let mut peer = there;
            thread::sleep(LIMIT * 3 / 4);
            peer.send(b"220 hi\r\n").await.unwrap();
            assert_eq!(peer.line().await.unwrap(), "EHLO me");
            peer.send(b"250-mx\r\n250 STARTTLS\r\n").await.unwrap();
            assert_eq!(peer.line().await.unwrap(), "STARTTLS");
            peer.send(b"220 go\r\n").await.unwrap();
            // It has a ClientHello, and says nothing.
            let _ = peer.read_to_end().await;
        },
    );
}

pub(crate) fn a_peer_that_does_not_take_our_close_notify<R: Runtime>() {
    let ((here, at_here), (_there, _)) = connected::<R>(1000);
    let mut here = here.with_deadlines(Deadlines::default().close(LIMIT));
    at_here.be_impatient();
    while here.try_write(&[7; 1000]).is_some() {}
    // A shorter timeout of its own would be kept.
    at_here.be_patient();
    meets_the_deadline(|| Ok(R::run(here.shutdown())?));
    // It has not come any further.
    let again = R::run(here.shutdown()).map_err(Error::from);
    assert!(matches!(again, Err(Error::Deadline { .. })));
}

pub(crate) fn a_peer_that_does_not_answer_it<R: Runtime>() {
    let ((here, at_here), (_there, _)) = connected::<R>(1000);
    let here = here.with_deadlines(Deadlines::default().close(LIMIT));
    meets_the_deadline(|| R::run(here.stop_tls()));
    assert!(at_here.is_closed());
}
