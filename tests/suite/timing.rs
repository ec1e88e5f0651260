//! S19: deadlines, by each runtime's own clock.

use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use starttls_core::Limits;
use starttls_core::rustls::Connection;
use starttls_protocols::smtp;
use starttls_stream::{Deadlines, Error, Waiting};

use super::*;

const LIMIT: Duration = Duration::from_millis(200);

/// Fails with the deadline, after it and not long after it.
fn meets_the_deadline<T>(attempt: impl FnOnce() -> Result<T, Error>) {
    let start = Instant::now();
    let error = attempt().err();
    let took = start.elapsed();
    assert!(matches!(error, Some(Error::Deadline { .. })), "{error:?}");
    assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::TimedOut));
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

/// S32: so does closing what never was TLS.
pub(crate) fn a_peer_that_does_not_take_our_plaintext<R: Runtime>() {
    let ((here, at_here), (_there, _)) = R::pair(1000);
    let mut here = here.with_deadlines(Deadlines::default().close(LIMIT));
    at_here.be_impatient();
    while here.try_write(&[7; 1000]).is_some() {}
    at_here.be_patient();
    meets_the_deadline(|| Ok(R::run(here.shutdown())?));
}

/// S32: the longest time there is is no deadline, and no reason to panic.
pub(crate) fn a_limit_of_for_ever<R: Runtime>() {
    let deadlines = Deadlines::default()
        .upgrade(Duration::MAX)
        .close(Duration::MAX);
    let ((here, _), (there, _)) = R::pair(4096);
    let (mut here, there) = R::both(
        async || {
            let here = here.with_deadlines(deadlines);
            here.start_tls(client()).await.unwrap()
        },
        async || {
            let there = there.with_deadlines(deadlines);
            there.start_tls(server()).await.unwrap()
        },
    );
    R::run(here.send_close_notify()).unwrap();
    let (plain, _) = R::both(
        async || here.stop_tls().await,
        async || there.stop_tls().await,
    );
    let mut plain = plain.unwrap();
    R::run(plain.shutdown()).unwrap();
}

/// What was waited for, and whether anything was heard: silence has its own usual cause, and the text says which.
pub(crate) fn a_deadline_says_what_was_waited_for<R: Runtime>() {
    let soon = Deadlines::default().upgrade(LIMIT).close(LIMIT);
    let waited = |error: Option<Error>| match error {
        Some(error @ Error::Deadline { waiting, heard, .. }) => (waiting, heard, error.to_string()),
        other => panic!("{other:?}"),
    };
    for heard in [false, true] {
        let said = if heard { &b"2"[..] } else { b"" };
        let ((here, at_here), (_there, _)) = R::pair(4096);
        at_here.inject(said);
        let upgrade = here
            .with_deadlines(soon)
            .upgrade(smtp::Client::new("me"), client());
        let (waiting, has_heard, text) = waited(R::run(upgrade).err());
        assert_eq!((waiting, has_heard), (Waiting::Negotiation, heard));
        assert_eq!(text.contains("implicit TLS"), !heard, "{text}");

        let ((here, at_here), (_there, _)) = R::pair(4096);
        at_here.inject(if heard { &[0x16] } else { &[] });
        let start = here.with_deadlines(soon).start_tls(client());
        let (waiting, has_heard, text) = waited(R::run(start).err());
        assert_eq!((waiting, has_heard), (Waiting::Handshake, heard));
        assert_eq!(text.contains("STARTTLS"), !heard, "{text}");
    }
    let ((here, _), (_there, _)) = connected::<R>(1000);
    let stopped = R::run(here.with_deadlines(soon).stop_tls()).err();
    assert!(matches!(waited(stopped), (Waiting::Close, true, _)));
    // Implicit TLS has them as well.
    let (here, _there) = super::pipe::pipe(4096);
    let implicit = R::Tls::implicit_with(R::io(here), client(), Limits::default(), soon);
    assert!(matches!(
        waited(R::run(implicit).err()),
        (Waiting::Handshake, false, _)
    ));
}

/// A dialogue of the caller's own has a deadline if one is set, however slowly the peer speaks, and TLS has none of it.
pub(crate) fn a_dialogue_has_a_deadline<R: Runtime>() {
    let soon = Deadlines::default().dialogue(LIMIT);
    let ((here, at_here), (_there, _)) = R::pair(4096);
    let mut here = here.with_deadlines(soon);
    at_here.inject(b"EHLO ");
    meets_the_deadline(|| R::run(here.next_line(100)));
    // It stays over.
    let again = R::run(here.read_to_end()).1.map_err(Error::from);
    let Err(Error::Deadline { waiting, heard, .. }) = again else {
        panic!("{again:?}");
    };
    assert_eq!((waiting, heard), (Waiting::Negotiation, true));

    let ((here, _), (mut there, _)) = R::pair(4096);
    let (mut here, mut there) = R::both(
        async || {
            let mut here = here.with_deadlines(soon);
            assert_eq!(here.next_line(100).await.unwrap().unwrap(), b"220 go");
            here.start_tls(client()).await.unwrap()
        },
        async || {
            there.send(b"220 go\n").await.unwrap();
            there.start_tls(server()).await.unwrap()
        },
    );
    R::both(
        async || assert_eq!(here.line().await.unwrap(), "late"),
        async || {
            thread::sleep(2 * LIMIT);
            there.send(b"late\n").await.unwrap();
        },
    );
}
