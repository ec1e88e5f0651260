//! Halves are buffered, and what one of them was shown is still where it was until it is consumed.

use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use futures_util::AsyncBufReadExt as _;
use starttls_core::Error as CoreError;
use starttls_stream::Error;
use starttls_tests::certs::{client, server};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, duplex};
use tokio_util::compat::TokioAsyncReadCompatExt;

/// S1: plaintext that a half was shown counts as unread when TLS begins.
#[tokio::test]
async fn shown_and_not_consumed_is_unread() {
    let (here, mut there) = duplex(4096);
    let (mut reader, writer) = starttls_tokio::PlainStream::new(here).split();
    AsyncWriteExt::write_all(&mut there, b"220 go\r\nEVIL")
        .await
        .unwrap();
    assert_eq!(
        AsyncBufReadExt::fill_buf(&mut reader).await.unwrap(),
        b"220 go\r\nEVIL"
    );
    AsyncBufReadExt::consume(&mut reader, 4);
    assert_eq!(reader.next_line(10).await.unwrap().unwrap(), b"go");
    assert_eq!(
        AsyncBufReadExt::fill_buf(&mut reader).await.unwrap(),
        b"EVIL"
    );
    let plain = reader.reunite(writer).unwrap();
    assert_eq!(plain.buffered(), b"EVIL");
    assert!(matches!(
        plain.start_tls(client()).await.err(),
        Some(Error::Protocol(CoreError::UnreadPlaintext { count: 4, .. }))
    ));

    let (here, mut there) = duplex(4096);
    let (mut reader, writer) = starttls_smol::PlainStream::new(here.compat()).split();
    AsyncWriteExt::write_all(&mut there, b"220 go\r\nEVIL")
        .await
        .unwrap();
    assert_eq!(reader.fill_buf().await.unwrap(), b"220 go\r\nEVIL");
    reader.consume_unpin(8);
    assert_eq!(reader.fill_buf().await.unwrap(), b"EVIL");
    let plain = reader.reunite(writer).unwrap();
    assert!(matches!(
        plain.start_tls(client()).await.err(),
        Some(Error::Protocol(CoreError::UnreadPlaintext { count: 4, .. }))
    ));
}

/// In TLS it is read after the halves are one again, in whatever way.
#[tokio::test]
async fn shown_and_not_consumed_is_read_later() {
    let (here, there) = duplex(4096);
    let (here, there) = tokio::join!(
        starttls_tokio::PlainStream::new(here).start_tls(client()),
        starttls_tokio::PlainStream::new(there).start_tls(server())
    );
    let (mut here, mut there) = (here.unwrap(), there.unwrap());
    there.write_all(b"one two\nthree\nfour").await.unwrap();
    let (mut reader, writer) = here.split();
    assert_eq!(reader.fill_buf().await.unwrap(), b"one two\nthree\nfour");
    AsyncBufReadExt::consume(&mut reader, 4);
    let mut some = [0; 2];
    reader.read_exact(&mut some).await.unwrap();
    assert_eq!(&some, b"tw");
    assert_eq!(reader.fill_buf().await.unwrap(), b"o\nthree\nfour");
    assert_eq!(reader.next_line(9).await.unwrap().unwrap(), b"o");
    assert!(reader.is_pair_of(&writer));
    here = reader.unsplit(writer);
    let mut line = String::new();
    here.read_line(&mut line).await.unwrap();
    assert_eq!(line, "three\n");
}

#[test]
fn of_a_blocking_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let there = listener.accept().unwrap().0;
    let serving = thread::spawn(|| {
        starttls_stream::PlainStream::new(there)
            .start_tls(server())
            .unwrap()
    });
    let here = starttls_stream::PlainStream::new(here)
        .start_tls(client())
        .unwrap();
    let mut there = serving.join().unwrap();
    Write::write_all(&mut there, b"one two\nthree\nfour\nfive").unwrap();
    let (mut reader, writer) = here.split().unwrap();
    assert_eq!(
        BufRead::fill_buf(&mut reader).unwrap(),
        b"one two\nthree\nfour\nfive"
    );
    BufRead::consume(&mut reader, 4);
    let mut some = [0; 2];
    Read::read_exact(&mut reader, &mut some).unwrap();
    assert_eq!(&some, b"tw");
    assert_eq!(reader.next_line(9).unwrap().unwrap(), b"o");
    let mut line = String::new();
    BufRead::read_line(&mut reader, &mut line).unwrap();
    assert_eq!(line, "three\n");
    let mut here = reader.reunite(writer).unwrap();
    assert_eq!(here.next_line(9).unwrap().unwrap(), b"four");
    Read::read_exact(&mut here, &mut some).unwrap();
    assert_eq!(&some, b"fi");
    assert_eq!(BufRead::fill_buf(&mut here).unwrap(), b"ve");
}

#[test]
fn halves_of_two_streams_stay_halves() {
    let half = || starttls_tokio::PlainStream::new(duplex(10).0).split();
    let ((reader, _), (_, writer)) = (half(), half());
    let starttls_tokio::ReuniteError(reader, writer) = reader.reunite(writer).unwrap_err();
    assert!(!reader.is_pair_of(&writer));
    assert!(
        reader
            .reunite(writer)
            .unwrap_err()
            .to_string()
            .contains("different")
    );
}
