//! S14: a flush that is done has left nothing behind.

use std::io::Write;
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

/// A `KeyUpdate` is answered by somebody who only reads.
pub(crate) fn a_key_update_is_answered_by_reading<R: Runtime>() {
    let ((here, _), (there, _)) = R::pair(4096);
    R::both(
        async || {
            let mut tls = here.start_tls(client()).await.unwrap();
            assert_eq!(tls.read_exact(1).await.unwrap(), b"1");
            // In the same task: both the answer and what comes after it.
            assert_eq!(tls.read_exact(1).await.unwrap(), b"2");
            assert_eq!(tls.read(&mut [0]).await.unwrap(), 0);
        },
        async || {
            let mut peer = Bare::handshake(there).await;
            peer.say(b"1").await;
            peer.tls.refresh_traffic_keys().unwrap();
            peer.send().await;
            assert_eq!((peer.hear().await, peer.quiet_records), (0, 1));
            peer.tls.writer().write_all(b"2").unwrap();
            peer.tls.send_close_notify();
            peer.send().await;
        },
    );
}
