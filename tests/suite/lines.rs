//! Lines with a limit, in plaintext and in TLS.

use starttls_core::{Error as CoreError, Misbehaviour, Stage};
use starttls_stream::Error;

use super::*;

fn too_long(limit: usize) -> CoreError {
    Misbehaviour::TooLong {
        what: "line",
        limit,
    }
    .into()
}

fn protocol<T: std::fmt::Debug>(result: Result<T, Error>) -> CoreError {
    match result {
        Err(Error::Protocol(error)) => error,
        other => panic!("{other:?}"),
    }
}

async fn lines(reader: &mut impl Lines, writer: &mut impl Lines, truncated: CoreError) {
    writer.send(b"one\r\ntwo\n\r\nhalf of a li").await.unwrap();
    for line in ["one", "two", ""] {
        assert_eq!(reader.next_line(5).await.unwrap().unwrap(), line.as_bytes());
    }
    writer.send(b"ne\n").await.unwrap();
    assert_eq!(
        reader.next_line(100).await.unwrap().unwrap(),
        b"half of a line"
    );
    // The limit is of the whole line, its end included; with one byte less there is no such line, and nothing is lost.
    writer.send(b"12345\r\n").await.unwrap();
    assert_eq!(protocol(reader.next_line(6).await), too_long(6));
    assert_eq!(protocol(reader.next_line(6).await), too_long(6));
    assert_eq!(reader.next_line(7).await.unwrap().unwrap(), b"12345");
    // As long as a limit without an end to it: more is not waited for.
    writer.send(b"123456").await.unwrap();
    assert_eq!(protocol(reader.next_line(6).await), too_long(6));
    assert_eq!(reader.read_exact(4).await.unwrap(), b"1234");
    writer.send(b"78\nrest").await.unwrap();
    assert_eq!(reader.line().await.unwrap(), "5678");
    writer.shutdown().await.unwrap();
    assert_eq!(protocol(reader.next_line(100).await), truncated);
    assert_eq!(reader.read_exact(4).await.unwrap(), b"rest");
    assert_eq!(reader.next_line(100).await.unwrap(), None);
}

pub(crate) fn in_plaintext_and_in_tls<R: Runtime>() {
    let ((mut here, _), (mut there, _)) = R::pair(4096);
    R::run(lines(
        &mut here,
        &mut there,
        CoreError::Truncated(Stage::Negotiation),
    ));
    let ((mut here, _), (mut there, _)) = connected::<R>(4096);
    R::run(lines(
        &mut here,
        &mut there,
        CoreError::Truncated(Stage::Traffic),
    ));
}

/// Longer than what is decrypted at once.
pub(crate) fn over_many_records<R: Runtime>() {
    let ((mut here, _), (mut there, _)) = connected::<R>(1 << 20);
    let long = vec![b'a'; 100_000];
    R::run(async {
        there.write_all(&long).await.unwrap();
        there.send(b"\nnext\n").await.unwrap();
        assert_eq!(protocol(here.next_line(100_000).await), too_long(100_000));
        assert!(here.next_line(100_001).await.unwrap().unwrap() == long);
        assert_eq!(here.line().await.unwrap(), "next");
    });
}
