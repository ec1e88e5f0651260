//! Back to plaintext, by the book, and to TLS again.

use starttls_core::{Error as CoreError, Misuse};
use starttls_stream::Error;

use super::*;

pub(crate) fn and_to_tls_again<R: Runtime>() {
    let ((here, at_here), (there, _)) = R::pair(4096);
    R::both(
        async || {
            let mut plain = here;
            for round in 0..3 {
                plain.send(b"STARTTLS\n").await.unwrap();
                assert_eq!(plain.line().await.unwrap(), "OK");
                let mut tls = plain.start_tls(client()).await.unwrap();
                tls.send(format!("secret {round}\n").as_bytes())
                    .await
                    .unwrap();
                assert_eq!(tls.line().await.unwrap(), "goodbye");
                plain = tls.stop_tls().await.unwrap();
                // It came behind the peer's close_notify, perhaps along with it.
                assert_eq!(plain.line().await.unwrap(), format!("public {round}"));
            }
        },
        async || {
            let mut plain = there;
            for round in 0..3 {
                assert_eq!(plain.line().await.unwrap(), "STARTTLS");
                plain.write_all(b"OK\n").await.unwrap();
                let mut tls = plain.start_tls(server()).await.unwrap();
                assert_eq!(tls.line().await.unwrap(), format!("secret {round}"));
                tls.send(b"goodbye\n").await.unwrap();
                plain = tls.stop_tls().await.unwrap();
                plain
                    .send(format!("public {round}\n").as_bytes())
                    .await
                    .unwrap();
            }
        },
    );
    let sent = String::from_utf8_lossy(&at_here.sent()).into_owned();
    assert_eq!(sent.matches("STARTTLS").count(), 3);
    assert!(!sent.contains("secret"));
}

pub(crate) fn not_while_there_is_something_to_read<R: Runtime>() {
    let ((here, _), (mut there, _)) = connected::<R>(4096);
    R::run(async {
        there.send(b"unread").await.unwrap();
        let refused = here.stop_tls().await.err();
        assert!(matches!(
            refused,
            Some(Error::Protocol(CoreError::Misuse(Misuse::NotClosed)))
        ));
    });
}

/// Whoever has been told goodbye while there is something to read, says it first, reads, and goes back then.
pub(crate) fn after_reading_what_is_left<R: Runtime>() {
    let ((mut here, _), (mut there, _)) = connected::<R>(4096);
    R::both(
        async || {
            here.send_close_notify().await.unwrap();
            assert_eq!(here.read_exact(4).await.unwrap(), b"rest");
            assert_eq!(here.read(&mut [0]).await.unwrap(), 0);
            let mut plain = here.stop_tls().await.unwrap();
            assert_eq!(plain.line().await.unwrap(), "plain");
        },
        async || {
            there.send(b"rest").await.unwrap();
            assert_eq!(there.read(&mut [0]).await.unwrap(), 0);
            let mut plain = there.stop_tls().await.unwrap();
            plain.send(b"plain\n").await.unwrap();
        },
    );
}

pub(crate) fn in_place<R: Runtime>() {
    let (here, there) = pipe::pipe(4096);
    R::both(
        async || {
            let mut stream = R::InPlace::new(R::io(here));
            for round in 0..2 {
                stream.send(b"STARTTLS\n").await.unwrap();
                assert_eq!(stream.line().await.unwrap(), "OK");
                assert!(!stream.is_tls());
                stream.start_tls(client()).await.unwrap();
                assert!(stream.is_tls());
                stream.send(format!("{round}\n").as_bytes()).await.unwrap();
                // It is TLS already, and stays that.
                let twice = stream.start_tls(client()).await.unwrap_err();
                assert!(matches!(
                    twice,
                    Error::Protocol(CoreError::Misuse(Misuse::Finished))
                ));
                stream.stop_tls().await.unwrap();
            }
            stream.shutdown().await.unwrap();
            assert_eq!(stream.line().await.unwrap(), "");
        },
        async || {
            let mut stream = R::InPlace::new(R::io(there));
            for round in 0..2 {
                assert_eq!(stream.line().await.unwrap(), "STARTTLS");
                stream.write_all(b"OK\n").await.unwrap();
                stream.start_tls(server()).await.unwrap();
                assert_eq!(stream.line().await.unwrap(), round.to_string());
                stream.stop_tls().await.unwrap();
            }
            assert_eq!(stream.line().await.unwrap(), "");
            stream.shutdown().await.unwrap();
        },
    );
}

/// S8: a failed upgrade in place leaves nothing that speaks plaintext.
pub(crate) fn in_place_there_is_no_way_back_from_an_error<R: Runtime>() {
    let (here, _there) = pipe::pipe(4096);
    let at_here = here.watch();
    R::run(async {
        let mut stream = R::InPlace::new(R::io(here));
        at_here.inject(b"OK\ninjected");
        assert_eq!(stream.line().await.unwrap(), "OK");
        let first = stream.start_tls(client()).await.unwrap_err();
        assert!(matches!(
            first,
            Error::Protocol(CoreError::UnreadPlaintext { .. })
        ));
        let first = first.to_string();
        assert_eq!(stream.write(b"x").await.unwrap_err().to_string(), first);
        assert_eq!(stream.read(&mut [0]).await.unwrap_err().to_string(), first);
        let again = stream.start_tls(client()).await.unwrap_err();
        assert_eq!(again.to_string(), first);
        assert_eq!(stream.stop_tls().await.unwrap_err().to_string(), first);
    });
    assert!(at_here.is_closed());
    assert_eq!(at_here.sent(), b"");
}

pub(crate) fn tls_in_tls<R: Runtime>() {
    let ((here, at_here), (there, _)) = connected::<R>(1024);
    R::both(
        async || {
            let mut plain = R::Inner::new(here);
            plain.send(b"STARTTLS\n").await.unwrap();
            assert_eq!(plain.line().await.unwrap(), "OK");
            let mut tls = plain.start_tls(client()).await.unwrap();
            tls.send(&data(20_000, 4)).await.unwrap();
            assert_eq!(tls.read_exact(4).await.unwrap(), b"done");
            // Inside out.
            let mut plain = tls.stop_tls().await.unwrap();
            assert_eq!(plain.line().await.unwrap(), "outer TLS");
            plain.shutdown().await.unwrap();
        },
        async || {
            let mut plain = R::Inner::new(there);
            assert_eq!(plain.line().await.unwrap(), "STARTTLS");
            plain.write_all(b"OK\n").await.unwrap();
            let mut tls = plain.start_tls(server()).await.unwrap();
            assert!(tls.read_exact(20_000).await.unwrap() == data(20_000, 4));
            tls.send(b"done").await.unwrap();
            let mut plain = tls.stop_tls().await.unwrap();
            plain.send(b"outer TLS\n").await.unwrap();
            assert_eq!(plain.line().await.unwrap(), "");
        },
    );
    assert!(!at_here.sent().windows(8).any(|some| some == b"STARTTLS"));
}

/// S32: the outer `close_notify` has nobody to go to when the peer has left after the inner one. All that was to be said is said.
pub(crate) fn tls_in_tls_and_a_peer_that_has_left<R: Runtime>() {
    let ((here, at_here), (there, _)) = connected::<R>(1 << 16);
    let (mut here, there) = R::both(
        async || R::Inner::new(here).start_tls(client()).await.unwrap(),
        async || R::Inner::new(there).start_tls(server()).await.unwrap(),
    );
    let mut there = there;
    R::run(async {
        there.send(b"bye").await.unwrap();
        there.shutdown().await.unwrap();
        assert_eq!(here.read_exact(3).await.unwrap(), b"bye");
        assert_eq!(here.read(&mut [0]).await.unwrap(), 0);
        here.send_close_notify().await.unwrap();
        at_here.break_writing();
        here.shutdown().await.unwrap();
    });
}
