//! What the streams are as types: what can be sent where, what can be named, how large it is.

use std::os::fd::{AsFd, AsRawFd};

use starttls_core::rustls::ClientConnection;
use starttls_protocols::smtp;
use starttls_tests::certs::client;
use starttls_tokio::{PlainStream, TlsStream, UpgradeableStream};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, duplex};

fn goes_anywhere<T: Send + Sync + Unpin + 'static>() {}
fn is_buffered<T: AsyncBufRead + AsyncRead>() {}
fn is_written<T: AsyncWrite>() {}
fn has_a_handle<T: AsFd + AsRawFd>() {}

/// The size of a future that can be sent to another thread.
fn size<F: Future + Send>(future: &F) -> usize {
    size_of_val(future)
}

#[test]
fn streams_go_anywhere() {
    type Tcp = tokio::net::TcpStream;
    goes_anywhere::<PlainStream<Tcp>>();
    goes_anywhere::<TlsStream<Tcp>>();
    goes_anywhere::<UpgradeableStream<Tcp>>();
    goes_anywhere::<starttls_tokio::Accepted<Tcp>>();
    goes_anywhere::<starttls_tokio::Negotiated<Tcp>>();
    goes_anywhere::<starttls_tokio::Error>();
    goes_anywhere::<starttls_smol::TlsStream<smol::net::TcpStream>>();
    goes_anywhere::<starttls_smol::UpgradeableStream<smol::net::TcpStream>>();
    goes_anywhere::<starttls_async_std::TlsStream<async_std::net::TcpStream>>();
    goes_anywhere::<starttls_stream::TlsStream<std::net::TcpStream>>();
    goes_anywhere::<starttls_stream::ReadHalf<std::net::TcpStream>>();
    goes_anywhere::<starttls_stream::WriteHalf<std::net::TcpStream>>();
}

/// Halves can be named from the crate that makes them, and are buffered as the stream is.
#[test]
fn halves_are_named_and_buffered() {
    type Tls = TlsStream<tokio::net::TcpStream>;
    is_buffered::<starttls_tokio::ReadHalf<Tls>>();
    is_written::<starttls_tokio::WriteHalf<Tls>>();
    goes_anywhere::<starttls_tokio::ReadHalf<Tls>>();
    fn reads_lines<T: std::io::BufRead>() {}
    reads_lines::<starttls_stream::ReadHalf<std::net::TcpStream>>();
    fn futures_io<T: futures_util::io::AsyncBufRead>() {}
    futures_io::<starttls_smol::ReadHalf<starttls_smol::TlsStream<smol::net::TcpStream>>>();
}

#[test]
fn streams_over_a_socket_have_its_handle() {
    has_a_handle::<PlainStream<tokio::net::TcpStream>>();
    has_a_handle::<TlsStream<tokio::net::TcpStream>>();
    has_a_handle::<TlsStream<TlsStream<tokio::net::UnixStream>>>();
    has_a_handle::<starttls_stream::TlsStream<std::net::TcpStream>>();
    has_a_handle::<starttls_smol::TlsStream<smol::net::TcpStream>>();
}

/// A program has as many of them as it has connections under way, and every future around one holds it whole. The connection itself is 1.2 KB, and is boxed.
#[test]
fn futures_are_small() {
    let plain = || PlainStream::new(duplex(10).0);
    let smtp = || smtp::Client::new("me");
    let mut in_place = UpgradeableStream::new(duplex(10).0);
    let sizes = [
        ("start_tls", size(&plain().start_tls(client())), 3000),
        ("upgrade", size(&plain().upgrade(smtp(), client())), 4000),
        (
            "upgrade_opportunistically",
            size(&plain().upgrade_opportunistically(smtp(), client())),
            4000,
        ),
        ("in place", size(&in_place.upgrade(smtp(), client())), 4200),
        (
            "a TLS stream",
            size_of::<TlsStream<tokio::net::TcpStream>>(),
            1000,
        ),
    ];
    for (what, size, most) in sizes {
        println!("{what}: {size} bytes");
        assert!(size <= most, "{what}: {size} bytes");
    }
    assert!(size_of::<ClientConnection>() > 1000);
}
