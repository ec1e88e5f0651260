//! S14: a flush that is done has left nothing behind.

use std::sync::atomic::AtomicBool;

use super::*;

/// Over a transport that holds back what is written until it is flushed.
pub(crate) fn over_a_buffering_transport<R: Runtime>() {
    for slow in [false, true] {
        for capacity in [16, 4096] {
            let ((here, at_here), (there, at_there)) = R::pair(capacity);
            for watch in [&at_here, &at_there] {
                set(&watch.faults.buffering);
                watch.faults.slow_flush.store(slow, Ordering::SeqCst);
            }
            R::both(
                async || {
                    let mut plain = here;
                    plain.send(b"STARTTLS\n").await.unwrap();
                    assert_eq!(plain.line().await.unwrap(), "OK");
                    let mut tls = plain.start_tls(client()).await.unwrap();
                    for _ in 0..3 {
                        tls.send(b"PING\n").await.unwrap();
                        assert_eq!(tls.line().await.unwrap(), "PONG");
                    }
                    let mut plain = tls.stop_tls().await.unwrap();
                    assert_eq!(plain.line().await.unwrap(), "plain");
                    plain.write_all(b"last words").await.unwrap();
                    plain.shutdown().await.unwrap();
                },
                async || {
                    let mut plain = there;
                    assert_eq!(plain.line().await.unwrap(), "STARTTLS");
                    // Not flushed: the handshake does that.
                    plain.write_all(b"OK\n").await.unwrap();
                    let mut tls = plain.start_tls(server()).await.unwrap();
                    for _ in 0..3 {
                        assert_eq!(tls.line().await.unwrap(), "PING");
                        // Not flushed: waiting for the next line does that.
                        tls.write_all(b"PONG\n").await.unwrap();
                    }
                    let mut plain = tls.stop_tls().await.unwrap();
                    plain.send(b"plain\n").await.unwrap();
                    assert_eq!(plain.line().await.unwrap(), "last words");
                },
            );
        }
    }
}

fn set(fault: &AtomicBool) {
    fault.store(true, Ordering::SeqCst);
}

/// A `KeyUpdate` is answered by somebody who only reads, and with the read that took it in: there may be no other.
pub(crate) fn a_key_update_is_answered_by_reading<R: Runtime>() {
    let ((here, at_here), (there, _)) = R::pair(4096);
    let (mut tls, mut peer) = R::both(
        async || {
            let mut tls = here.start_tls(client()).await.unwrap();
            assert_eq!(tls.read_exact(1).await.unwrap(), b"1");
            tls
        },
        async || {
            let mut peer = Bare::handshake(there).await;
            peer.say(b"1").await;
            peer
        },
    );
    let before = at_here.sent().len();
    R::run(async {
        peer.tls.refresh_traffic_keys().unwrap();
        peer.say(b"2").await;
        assert_eq!(tls.read_exact(1).await.unwrap(), b"2");
    });
    // One record: its header, a message of five bytes, its type, the tag.
    assert_eq!(at_here.sent().len() - before, 5 + 5 + 1 + 16);
    R::run(async {
        assert_eq!((peer.hear().await, peer.quiet_records), (0, 1));
        peer.say(b"3").await;
        assert_eq!(tls.read_exact(1).await.unwrap(), b"3");
    });
}

/// S26, in a half that only reads: a peer that asks for new keys, sends a byte, asks again and never reads has one answer at a time.
pub(crate) fn key_updates_that_nobody_reads<R: Runtime>() {
    of_a_flood_of_key_updates::<R>(2_000, || ());
}

/// The same, with a look at it when all has been said.
pub(crate) fn of_a_flood_of_key_updates<R: Runtime>(requests: usize, look: impl FnOnce()) {
    const CAPACITY: usize = 1024;
    let ((here, at_here), (there, at_there)) = R::pair(1 << 20);
    let (tls, mut peer) = R::both(
        async || here.start_tls(client()).await.unwrap(),
        async || Bare::handshake(there).await,
    );
    at_here.narrow(CAPACITY);
    let (mut reader, writer) = tls.split();
    at_here.forget_sent();
    for _ in 0..requests {
        R::run(async {
            peer.tls.refresh_traffic_keys().unwrap();
            peer.say(b"x").await;
            assert_eq!(reader.read_exact(1).await.unwrap(), b"x");
        });
        at_there.forget_sent();
    }
    look();
    // And now there is room: what comes out is what was held.
    at_here.narrow(1 << 30);
    let mut tls = R::Tls::reunite(reader, writer);
    R::run(tls.send(b"that is all")).unwrap();
    const ANSWER: usize = 5 + 5 + 1 + 16;
    // Beside what the pipe holds, and the last words: a few that are being written, and one that is not yet.
    let most = CAPACITY + 6 * ANSWER + 5 + 11 + 1 + 16;
    let sent = at_here.forget_sent();
    assert!(sent <= most, "{sent}");
}
