//! S1: what arrives before the boundary is never read after it, however it comes.

use starttls_core::Error as CoreError;
use starttls_core::rustls::Connection;
use starttls_stream::Error;

use super::*;

/// Plaintext, what looks like the beginning of a record, a whole one, an alert that says goodbye.
const INJECTED: [&[u8]; 6] = [
    b"\n",
    b"250 MAIL FROM:<victim>\r\n",
    b"no line end",
    &[0x16, 3, 1, 0, 200, 2],
    &[0x17, 3, 3, 0, 3, 1, 2, 3],
    &[0x15, 3, 3, 0, 2, 1, 0],
];

fn connections() -> [Connection; 2] {
    [client().into(), server().into()]
}

pub(crate) fn with_the_last_line<R: Runtime>() {
    for injected in INJECTED {
        for connection in connections() {
            let ((victim, at_victim), (peer, _)) = R::pair(4096);
            let (error, ()) = R::both(
                async || {
                    let mut plain = victim;
                    assert_eq!(plain.line().await.unwrap(), "now");
                    plain.start_tls(connection).await.err()
                },
                async || {
                    let mut peer = peer;
                    peer.send(&[b"now\n", injected].concat()).await.unwrap();
                    let _ = peer.read_to_end().await;
                },
            );
            assert_eq!(at_victim.sent(), b"");
            let Some(Error::Protocol(CoreError::UnreadPlaintext { count, sample })) = error else {
                panic!("{error:?}");
            };
            assert_eq!((count, sample.as_bytes()), (injected.len(), injected));
        }
    }
}

/// One read later it reaches the TLS engine, and fails there.
pub(crate) fn after_the_last_line<R: Runtime>() {
    for injected in INJECTED {
        for connection in connections() {
            let ((victim, _), (peer, _)) = R::pair(4096);
            let (error, ()) = R::both(
                async || {
                    let mut plain = victim;
                    assert_eq!(plain.line().await.unwrap(), "now");
                    plain.write_all(b"OK\n").await.unwrap();
                    plain.start_tls(connection).await.err()
                },
                async || {
                    let mut peer = peer;
                    peer.send(b"now\n").await.unwrap();
                    assert_eq!(peer.line().await.unwrap(), "OK");
                    peer.send(injected).await.unwrap();
                    peer.shutdown().await.unwrap();
                    let _ = peer.read_to_end().await;
                },
            );
            assert!(
                matches!(
                    error,
                    Some(Error::Protocol(
                        CoreError::NotTls { .. } | CoreError::Tls(_) | CoreError::Truncated(_)
                    ))
                ),
                "{error:?}"
            );
        }
    }
}
