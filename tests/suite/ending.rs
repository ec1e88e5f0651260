//! How connections end, and what there is to read and write after that.

use std::io::{self, ErrorKind};

use starttls_core::{Error as CoreError, Misuse, Stage};
use starttls_protocols::smtp;
use starttls_stream::Error;

use super::*;

fn protocol(error: io::Error) -> CoreError {
    match Error::from(error) {
        Error::Protocol(error) => error,
        other => panic!("{other:?}"),
    }
}

/// S11: in the negotiation, in the handshake and in the traffic, each by its name; after everything that came before.
pub(crate) fn truncation_is_told_by_stage<R: Runtime>() {
    let truncated = |stage| Error::from(CoreError::Truncated(stage)).to_string();

    let ((here, at_here), (_there, _)) = R::pair(4096);
    at_here.inject(b"220 mx.example\r\n250-mx.exa");
    at_here.cut();
    let error = R::run(here.upgrade(smtp::Client::new("me"), client())).err();
    assert_eq!(error.unwrap().to_string(), truncated(Stage::Negotiation));

    let ((here, at_here), (_there, _)) = R::pair(4096);
    at_here.inject(&[0x16, 3, 3]);
    at_here.cut();
    let error = R::run(here.start_tls_with_unread(client())).err();
    assert_eq!(error.unwrap().to_string(), truncated(Stage::Handshake));

    let ((mut here, at_here), (mut there, _)) = connected::<R>(4096);
    R::run(there.send(b"and then")).unwrap();
    at_here.cut();
    let (data, end) = R::run(here.read_to_end());
    assert_eq!(data, b"and then");
    let end = end.unwrap_err();
    assert_eq!(end.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(protocol(end), CoreError::Truncated(Stage::Traffic));
    // S9
    let again = R::run(here.read(&mut [0])).unwrap_err();
    assert_eq!(protocol(again), CoreError::Truncated(Stage::Traffic));
}

/// S12: one side says that it has said everything, the other goes on for a megabyte.
pub(crate) fn half_closed_in_both_directions<R: Runtime>() {
    for swapped in [false, true] {
        let (a, b) = connected::<R>(1024);
        let (mut first, mut last) = if swapped { (b.0, a.0) } else { (a.0, b.0) };
        let much = data(1024 * 1024, 3);
        R::both(
            async || {
                first.send(b"that is all").await.unwrap();
                first.shutdown().await.unwrap();
                let (received, end) = first.read_to_end().await;
                end.unwrap();
                assert!(received == much);
            },
            async || {
                let (received, end) = last.read_to_end().await;
                end.unwrap();
                assert_eq!(received, b"that is all");
                last.send(&much).await.unwrap();
                last.shutdown().await.unwrap();
            },
        );
    }
}

pub(crate) fn reading_after_the_end_and_writing_after_closing<R: Runtime>() {
    let ((mut here, _), (mut there, _)) = connected::<R>(4096);
    R::run(async {
        here.send(b"x").await.unwrap();
        here.shutdown().await.unwrap();
        // Closing twice is closing once.
        here.shutdown().await.unwrap();
        for _ in 0..3 {
            let error = here.write(b"more").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            assert_eq!(protocol(error), CoreError::Misuse(Misuse::WriteAfterClose));
        }
        assert_eq!(there.read_exact(1).await.unwrap(), b"x");
        for _ in 0..3 {
            assert_eq!(there.read(&mut [0; 10]).await.unwrap(), 0);
        }
        // The other direction is open.
        there.send(b"y").await.unwrap();
        assert_eq!(here.read_exact(1).await.unwrap(), b"y");
    });
}

/// S9, S10: a record that cannot be decrypted. What came before is read, the peer gets an alert, and every call tells the same error.
pub(crate) fn an_error_stays_the_same<R: Runtime>() {
    let ((mut here, at_here), (mut there, _)) = connected::<R>(4096);
    R::run(async {
        there.send(b"good").await.unwrap();
        at_here.inject(&[0x17, 3, 3, 0, 20]);
        at_here.inject(&[0; 20]);
        let (data, end) = here.read_to_end().await;
        assert_eq!(data, b"good");
        let first = protocol(end.unwrap_err());
        assert!(matches!(first, CoreError::Tls(_)));
        for _ in 0..2 {
            assert_eq!(protocol(here.read(&mut [0]).await.unwrap_err()), first);
            assert_eq!(protocol(here.write(b"x").await.unwrap_err()), first);
            assert_eq!(protocol(here.shutdown().await.unwrap_err()), first);
        }
        let told = there.read(&mut [0]).await.unwrap_err().to_string();
        assert!(told.contains("BadRecordMac"), "{told}");
        // S8: there is no way back from here.
        assert!(matches!(here.stop_tls().await, Err(Error::Protocol(_))));
    });
}

/// S15
pub(crate) fn a_transport_that_takes_nothing_is_write_zero<R: Runtime>() {
    let ((mut here, at_here), (_there, _)) = connected::<R>(4096);
    at_here.faults.writes_nothing.store(true, Ordering::SeqCst);
    R::run(async {
        assert_eq!(here.write(b"x").await.unwrap(), 1);
        for _ in 0..2 {
            let error = here.flush().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WriteZero);
            let error = here.write(b"y").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WriteZero);
        }
    });

    let ((here, at_here), (_there, _)) = R::pair(4096);
    at_here.faults.writes_nothing.store(true, Ordering::SeqCst);
    at_here.cut();
    let error = R::run(here.start_tls(client())).err().unwrap();
    assert!(matches!(
        error.kind(),
        ErrorKind::WriteZero | ErrorKind::UnexpectedEof
    ));
}

/// A transport that reports this as an error has armed no waker: it is told, not waited for.
pub(crate) fn would_block_as_an_error_is_an_error<R: Runtime>() {
    let ((mut here, at_here), (_there, _)) = connected::<R>(4096);
    at_here.faults.would_block.store(true, Ordering::SeqCst);
    R::run(async {
        let error = here.read(&mut [0]).await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(here.write(b"x").await.unwrap(), 1);
        let error = here.flush().await.unwrap_err();
        assert_ne!(error.kind(), ErrorKind::WouldBlock);
    });
}
