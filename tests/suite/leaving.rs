//! Ways out of a stream: its parts, its transport, and an answer in plaintext to who does not speak TLS.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use starttls_core::{Boundary, Error as CoreError, Negotiator, Plain as CorePlain, Progress};
use starttls_stream::Error;
use starttls_tests::certs::{CERTS, VERSIONS, server_config_with};

use super::*;

/// A peer that speaks plaintext where a `ClientHello` is due is answered in plaintext; one that says hello gets TLS.
pub(crate) fn who_does_not_speak_tls_is_answered<R: Runtime>() {
    let config = Arc::new(server_config_with(&CERTS.server, &VERSIONS));
    let ((mut here, _), (there, _)) = R::pair(4096);
    R::both(
        async || {
            here.send(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
            assert_eq!(
                here.line().await.unwrap(),
                "HTTP/1.0 400 TLS is spoken here"
            );
        },
        async || {
            let arrived = there.accept_or_plaintext(config.clone()).await.unwrap();
            let mut plain = arrived.err().expect("plaintext");
            // S1: it is plaintext, unread, and TLS cannot begin on it.
            assert_eq!(plain.buffered(), b"GET / HTTP/1.0\r\n\r\n");
            plain
                .send(b"HTTP/1.0 400 TLS is spoken here\r\n")
                .await
                .unwrap();
            let again = plain.accept_or_plaintext(config.clone()).await.err();
            assert!(matches!(
                again,
                Some(Error::Protocol(CoreError::UnreadPlaintext {
                    count: 18,
                    ..
                }))
            ));
        },
    );

    let ((here, _), (there, _)) = R::pair(4096);
    R::both(
        async || {
            let mut tls = here.start_tls(client()).await.unwrap();
            assert_eq!(tls.line().await.unwrap(), "hello");
        },
        async || {
            let arrived = there.accept_or_plaintext(config.clone()).await.unwrap();
            let mut tls = arrived.ok().expect("TLS");
            tls.send(b"hello\n").await.unwrap();
        },
    );

    // S1: what had come before the boundary is not even looked at.
    let ((_here, _), (mut there, at_there)) = R::pair(4096);
    at_there.inject(b"STLS\r\n\x16");
    R::run(async {
        assert_eq!(there.line().await.unwrap(), "STLS");
        let arrived = there.accept_or_plaintext(config).await.err();
        assert!(matches!(
            arrived,
            Some(Error::Protocol(CoreError::UnreadPlaintext { count: 1, .. }))
        ));
    });
}

/// For another TLS library: the transport at the boundary, with everything said that was to be said, and nothing lost.
pub(crate) fn the_transport_after_a_negotiation<R: Runtime>() {
    /// Says something and is done with its boundary.
    struct Short(Boundary);

    impl Negotiator for Short {
        type Tls = starttls_core::rustls::Connection;

        fn advance(&mut self, plain: &mut CorePlain) -> Result<Progress, CoreError> {
            plain.write_all(b"go\n")?;
            Ok(Progress::Done(self.0))
        }
    }

    let ((here, at_here), (_there, _)) = R::pair(4096);
    R::run(here.into_transport(Short(Boundary::Exact))).unwrap();
    assert_eq!(at_here.sent(), b"go\n");

    // A ClientHello that came along is not thrown away.
    let ((here, at_here), (_there, _)) = R::pair(4096);
    at_here.inject(&[0x16, 3, 1]);
    let mut here = here;
    R::run(async {
        // So that it is there.
        let _ = here.next_line(1).await;
        let left = here.into_transport(Short(Boundary::Pipelined)).await;
        assert!(matches!(
            left.err(),
            Some(Error::Protocol(CoreError::UnreadPlaintext { count: 3, .. }))
        ));
    });
}

/// The parts of a TLS stream are the whole of it: rustls goes on alone.
pub(crate) fn the_parts_of_a_stream<R: Runtime>() {
    let ((mut here, at_here), (mut there, _)) = connected::<R>(1 << 16);
    R::run(async {
        there.send(b"read\nunread").await.unwrap();
        assert_eq!(here.line().await.unwrap(), "read");
        // The beginning of a record that is never finished.
        at_here.inject(&[0x17, 3, 3, 1, 0, 0xff]);
        assert_eq!(here.read_exact(1).await.unwrap(), b"u");
        here.refresh_traffic_keys().unwrap();
        let mut parts = here.into_parts().tls;
        assert_eq!(parts.decrypted, b"nread");
        let rest = &[0x17, 3, 3, 1, 0, 0xff][..];
        assert!(parts.received.is_empty() || parts.received == rest);
        assert!(parts.seen <= parts.received.len());
        // What is said now comes behind the request for new keys.
        parts.connection.writer().write_all(b"by hand\n").unwrap();
        let mut records = parts.unsent;
        while parts.connection.wants_write() {
            parts.connection.write_tls(&mut records).unwrap();
        }
        assert!(parts.connection.reader().read(&mut [0]).is_err());
        let _ = at_here;
        records
    });
}
