use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use futures_util::io::{AsyncReadExt, ReadHalf, WriteHalf};
use rustls::Connection;
use starttls_stream::core::{Boundary, Limits, Negotiator, Plain};
use starttls_stream::{Deadlines, Driver, Error, Negotiation, Side, rustls};

use super::accepted::Accepted;
use super::stream::{Bridge, Stream};
use super::tls_stream::TlsStream;
use crate::Timer;
use crate::timer::Deadline;

/// A connection in its plaintext phase, to be upgraded.
///
/// It is read and written like any stream. It buffers what it has read, so that nothing which arrived before the switch can be read after
/// it: what is unread at [`start_tls`](Self::start_tls) is an error.
///
/// ```no_run
/// # use starttls_futures::rustls;
/// use futures_util::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt};
/// use starttls_futures::PlainStream;
///
/// # async fn f<IO>(socket: IO, connection: rustls::ClientConnection) -> Result<(), Box<dyn std::error::Error>>
/// # where IO: AsyncRead + AsyncWrite + Unpin {
/// let mut plain = PlainStream::new(socket);
/// plain.write_all(b"STARTTLS\n").await?;
/// plain.flush().await?;
/// let mut line = String::new();
/// plain.read_line(&mut line).await?;
/// assert_eq!(line, "OK\n");
///
/// let mut tls = plain.start_tls(connection).await?;
/// tls.write_all(b"PING\n").await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PlainStream<IO, T: Timer> {
    pub(crate) inner: Stream<IO, Plain, T>,
}

/// What [`PlainStream::into_parts`] gives back.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts<IO> {
    /// The transport.
    pub io: IO,
    /// Bytes read from it that nobody has read from the stream.
    pub unread: Vec<u8>,
    /// Bytes written to the stream that were not written to it.
    pub unsent: Vec<u8>,
}

impl<IO, T: Timer> PlainStream<IO, T> {
    /// A connection on which nothing was read yet.
    pub fn new(io: IO) -> Self {
        Self::with_limits(io, Limits::default())
    }

    /// The same with other limits, such as how much is read ahead (64 KiB by default).
    pub fn with_limits(io: IO, limits: Limits) -> Self {
        Self {
            inner: Stream::new(io, Driver::plain(limits)),
        }
    }

    /// A connection from which somebody else has already read `prefix`.
    pub fn with_prefix(io: IO, prefix: &[u8]) -> Self {
        Self {
            inner: Stream::new(io, Driver::with_prefix(prefix)),
        }
    }

    /// Sets how long upgrading and closing may take, for this and for the TLS stream that it becomes.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.inner.deadlines = deadlines;
        self
    }

    /// The transport, to look at. Reading from it or writing to it breaks the order of bytes.
    pub fn get_ref(&self) -> &IO {
        &self.inner.io
    }

    /// What was received and nobody has read yet.
    pub fn buffered(&self) -> &[u8] {
        self.inner.driver.buffered()
    }

    /// The transport, with the bytes that are neither in it nor with anybody.
    pub fn into_parts(self) -> Parts<IO> {
        let (unread, unsent) = self.inner.driver.into_parts();
        Parts {
            io: self.inner.io,
            unread,
            unsent,
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> PlainStream<IO, T> {
    /// Two halves, to be read in one task and written in another; to be made one again with [`ReadHalf::reunite`] before the upgrade.
    pub fn split(self) -> (ReadHalf<Self>, WriteHalf<Self>) {
        AsyncReadExt::split(self)
    }

    /// Switches to TLS and completes the handshake. `connection` is a `rustls::ClientConnection` or a `rustls::ServerConnection`. What was
    /// written before goes out first.
    ///
    /// When this future is dropped the connection is closed: there is no half-upgraded stream.
    ///
    /// # Errors
    /// [`UnreadPlaintext`](starttls_stream::core::Error::UnreadPlaintext) if anything was received that nobody has read; why the handshake failed;
    /// [`Error::Deadline`]. The connection is closed then.
    pub async fn start_tls(
        self,
        connection: impl Into<Connection>,
    ) -> Result<TlsStream<IO, T>, Error> {
        self.at(Boundary::Exact).start_tls(connection).await
    }

    /// Switches to TLS and takes what was received and not read as its beginning: only where the protocol has no go-ahead, so that the
    /// peer's `ClientHello` may be there already. As [`start_tls`](Self::start_tls) otherwise.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls), but for the first.
    pub async fn start_tls_with_unread(
        self,
        connection: impl Into<Connection>,
    ) -> Result<TlsStream<IO, T>, Error> {
        self.at(Boundary::Pipelined).start_tls(connection).await
    }

    /// Switches to TLS as a server and waits for the `ClientHello`, by which the configuration can be chosen.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls).
    pub async fn accept(self) -> Result<Accepted<IO, T>, Error> {
        self.at(Boundary::Exact).accept().await
    }

    /// Has the plaintext dialogue of a protocol. Lend the negotiator (`&mut negotiator`) to look at what it has learnt; it is gone
    /// otherwise.
    ///
    /// When this future is dropped the connection is closed.
    ///
    /// # Errors
    /// Why there will be no TLS, after what the negotiator had to say was sent; [`Error::Deadline`]. The connection is closed then.
    pub async fn negotiate<N: Negotiator>(self, negotiator: N) -> Result<Negotiated<IO, T>, Error> {
        match self.negotiate_or_keep(negotiator).await? {
            Ok(negotiated) => Ok(negotiated),
            Err((_, reason)) => Err(reason.into()),
        }
    }

    /// Has the plaintext dialogue of a protocol, then the handshake, under one deadline.
    ///
    /// When this future is dropped the connection is closed: there is no half-upgraded stream.
    ///
    /// # Errors
    /// As [`negotiate`](Self::negotiate) and [`start_tls`](Self::start_tls).
    pub async fn upgrade<N: Negotiator>(
        self,
        negotiator: N,
        connection: N::Tls,
    ) -> Result<TlsStream<IO, T>, Error> {
        self.negotiate(negotiator)
            .await?
            .start_tls(connection)
            .await
    }

    /// As [`upgrade`](Self::upgrade) for callers who go on in plaintext where the peer declines, knowing that anybody on the path can make it look so.
    /// There is no way on after any other failure.
    ///
    /// # Errors
    /// As [`upgrade`](Self::upgrade), but for the peer not offering TLS or refusing it.
    pub async fn upgrade_opportunistically<N: Negotiator>(
        self,
        negotiator: N,
        connection: N::Tls,
    ) -> Result<Opportunistic<IO, T>, Error> {
        match self.negotiate_or_keep(negotiator).await? {
            Ok(negotiated) => negotiated
                .start_tls(connection)
                .await
                .map(Opportunistic::Tls),
            Err((plain, reason)) if reason.is_declined() => {
                Ok(Opportunistic::Declined { plain, reason })
            }
            Err((_, reason)) => Err(reason.into()),
        }
    }

    async fn negotiate_or_keep<N: Negotiator>(
        mut self,
        negotiator: N,
    ) -> Result<Result<Negotiated<IO, T>, (Self, starttls_stream::core::Error)>, Error> {
        let mut deadline = self.inner.upgrade_deadline();
        let mut negotiation = Negotiation::new(negotiator);
        let outcome = self
            .inner
            .run(&mut deadline, |driver, io| {
                driver.negotiate(io, &mut negotiation)
            })
            .await;
        match outcome {
            Ok(boundary) => Ok(Ok(Negotiated {
                plain: self,
                boundary,
                deadline,
            })),
            Err(Error::Protocol(reason)) => Ok(Err((self, reason))),
            Err(error) => Err(error),
        }
    }

    fn at(self, boundary: Boundary) -> Negotiated<IO, T> {
        Negotiated {
            boundary,
            deadline: self.inner.upgrade_deadline(),
            plain: self,
        }
    }
}

/// A connection whose plaintext dialogue is over.
#[derive(Debug)]
#[must_use = "the peer waits for TLS"]
pub struct Negotiated<IO, T: Timer> {
    plain: PlainStream<IO, T>,
    boundary: Boundary,
    deadline: Deadline<T>,
}

impl<IO, T: Timer> Negotiated<IO, T> {
    /// After a tunnel was opened (`CONNECT`, SOCKS, a PROXY header): the plaintext stream inside it, with what has already come through.
    pub fn into_plain(self) -> PlainStream<IO, T> {
        self.plain
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> Negotiated<IO, T> {
    /// Completes the handshake, within what is left of the deadline.
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`].
    pub async fn start_tls(
        self,
        connection: impl Into<Connection>,
    ) -> Result<TlsStream<IO, T>, Error> {
        let boundary = self.boundary;
        let stream = self
            .plain
            .inner
            .try_map(|driver| driver.start_tls(boundary, connection))?;
        TlsStream::handshake(stream, self.deadline).await
    }

    /// Waits for the `ClientHello`, within what is left of the deadline.
    ///
    /// # Errors
    /// As [`PlainStream::accept`].
    pub async fn accept(self) -> Result<Accepted<IO, T>, Error> {
        let boundary = self.boundary;
        let stream = self.plain.inner.try_map(|driver| driver.accept(boundary))?;
        Accepted::hello(stream, self.deadline).await
    }
}

/// What came of an upgrade that the peer was free to decline.
#[derive(Debug)]
#[must_use = "there may be no TLS"]
#[expect(
    clippy::large_enum_variant,
    reason = "made once a connection and taken apart at once"
)]
pub enum Opportunistic<IO, T: Timer> {
    /// TLS is up.
    Tls(TlsStream<IO, T>),
    /// The peer does not offer TLS, or refused: everything on this connection is plaintext.
    Declined {
        /// The connection, after the refusal.
        plain: PlainStream<IO, T>,
        /// What the peer said.
        reason: starttls_stream::core::Error,
    },
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> AsyncRead for PlainStream<IO, T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .inner
            .poll(Side::Read, cx, |driver, io| driver.read(io, buf))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> AsyncBufRead for PlainStream<IO, T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let inner = &mut self.get_mut().inner;
        ready!(inner.poll(Side::Read, cx, |driver, io| driver.fill_buf(io)))?;
        Poll::Ready(Ok(inner.driver.buffered()))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.get_mut().inner.driver.consume(amt);
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> AsyncWrite for PlainStream<IO, T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .inner
            .poll(Side::Write, cx, |driver, io| driver.write(io, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .inner
            .poll(Side::Write, cx, |driver, io| driver.flush(io))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().inner.poll(Side::Write, cx, |driver, io| {
            driver.shutdown(io, Bridge::close)
        })
    }
}
