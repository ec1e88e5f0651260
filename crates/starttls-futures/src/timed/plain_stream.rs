use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use rustls::Connection;
use starttls_stream::adapter::{Bridge, Negotiation, Side, Timer};
use starttls_stream::starttls_core::{Boundary, Error as CoreError, Negotiator, Plain};
use starttls_stream::{Error, Waiting, plain_stream_methods, rustls};

use super::accepted::{Accepted, Arrival};
use super::halves::{self, ReadHalf, WriteHalf};
use super::stream::{Deadline, Stream};
use super::tls_stream::TlsStream;

/// A connection in its plaintext phase, to be upgraded.
///
/// It is read and written like any stream. It buffers what it has read, so that nothing which arrived before the switch can be read after
/// it: what is unread at [`start_tls`](Self::start_tls) is an error.
///
/// ```no_run
/// # use starttls_futures::rustls;
/// use futures_util::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
/// use starttls_futures::PlainStream;
///
/// # async fn f<IO>(socket: IO, connection: rustls::ClientConnection) -> Result<(), Box<dyn std::error::Error>>
/// # where IO: AsyncRead + AsyncWrite + Unpin {
/// let mut plain = PlainStream::new(socket);
/// plain.write_all(b"STARTTLS\n").await?;
/// plain.flush().await?;
/// let line = plain.next_line(512).await?;
/// if line.as_deref() != Some(b"OK") {
///     return Err("the peer does not want TLS".into());
/// }
///
/// let mut tls = plain.start_tls(connection).await?;
/// tls.write_all(b"PING\n").await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[doc(alias = "TlsConnector")]
#[doc(alias = "TlsAcceptor")]
pub struct PlainStream<IO, T: Timer> {
    pub(crate) inner: Stream<IO, Plain, T>,
}

plain_stream_methods!(PlainStream<IO, T: Timer>);
#[cfg(feature = "policy")]
starttls_stream::policy_methods!(
    PlainStream<IO, T: Timer>, over (AsyncRead + AsyncWrite + Unpin), (async) (.await)
);

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> PlainStream<IO, T> {
    /// Two halves, to be read in one task and written in another; to be made one again with [`ReadHalf::reunite`] before the upgrade.
    pub fn split(self) -> (ReadHalf<Self>, WriteHalf<Self>) {
        halves::split(self)
    }

    /// Switches to TLS and completes the handshake. `connection` is a `rustls::ClientConnection` or a `rustls::ServerConnection`. What was
    /// written before goes out first.
    ///
    /// When this future is dropped the connection is closed: there is no half-upgraded stream.
    ///
    /// # Errors
    /// [`UnreadPlaintext`](CoreError::UnreadPlaintext) if anything was received that nobody has read; why the handshake failed;
    /// [`Error::Deadline`]. The connection is closed then.
    #[doc(alias = "STLS")]
    #[doc(alias = "AUTH TLS")]
    pub fn start_tls(
        self,
        connection: impl Into<Connection>,
    ) -> impl Future<Output = Result<TlsStream<IO, T>, Error>> {
        // Large, and needed late: in the future itself it would be there several times.
        let connection = Box::new(connection.into());
        async move { self.at(Boundary::Exact).handshake(connection).await }
    }

    /// Switches to TLS and takes what was received and not read as its beginning: only where the protocol has no go-ahead, so that the
    /// peer's `ClientHello` may be there already. As [`start_tls`](Self::start_tls) otherwise.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls), but for the first.
    pub fn start_tls_with_unread(
        self,
        connection: impl Into<Connection>,
    ) -> impl Future<Output = Result<TlsStream<IO, T>, Error>> {
        let connection = Box::new(connection.into());
        async move { self.at(Boundary::Pipelined).handshake(connection).await }
    }

    /// Switches to TLS as a server and waits for the `ClientHello`, by which the configuration can be chosen.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls).
    #[doc(alias = "LazyConfigAcceptor")]
    pub async fn accept(self) -> Result<Accepted<IO, T>, Error> {
        self.at(Boundary::Exact).accept().await
    }

    /// As [`accept`](Self::accept) for a server that answers in plaintext what is not TLS: it gives the stream back with that unread.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls), but for the peer sending something that does not begin as TLS does.
    #[doc(alias = "take_io")]
    pub async fn accept_or_plaintext(self) -> Result<Arrival<IO, T>, Error> {
        self.at(Boundary::Exact).accept_or_plaintext().await
    }

    /// Runs the plaintext dialogue of a protocol. Lend the negotiator (`&mut negotiator`) to look at what it has learnt; it is gone
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

    /// Runs the plaintext dialogue of a protocol, then the handshake, under one deadline.
    ///
    /// When this future is dropped the connection is closed: there is no half-upgraded stream.
    ///
    /// # Errors
    /// As [`negotiate`](Self::negotiate) and [`start_tls`](Self::start_tls).
    pub fn upgrade<N: Negotiator>(
        self,
        negotiator: N,
        connection: N::Tls,
    ) -> impl Future<Output = Result<TlsStream<IO, T>, Error>> {
        let connection = Box::new(connection);
        async move {
            let negotiated = self.negotiate(negotiator).await?;
            negotiated.start_tls(*connection).await
        }
    }

    /// As [`upgrade`](Self::upgrade) for callers who go on in plaintext where the peer declines, knowing that anybody on the path can make it look so.
    /// There is no way on after any other failure.
    ///
    /// # Errors
    /// As [`upgrade`](Self::upgrade), but for the peer not offering TLS or refusing it.
    pub fn upgrade_opportunistically<N: Negotiator>(
        self,
        negotiator: N,
        connection: N::Tls,
    ) -> impl Future<Output = Result<Opportunistic<IO, T>, Error>> {
        let connection = Box::new(connection);
        async move {
            match self.negotiate_or_keep(negotiator).await? {
                Ok(negotiated) => negotiated
                    .start_tls(*connection)
                    .await
                    .map(Opportunistic::Tls),
                Err((plain, reason)) if reason.is_declined() => {
                    Ok(Opportunistic::Declined { plain, reason })
                }
                Err((_, reason)) => Err(reason.into()),
            }
        }
    }

    /// Reads a line of at most `limit` bytes, its end included, and returns it without that (LF or CR LF); `None` at the end of the connection.
    /// There is no deadline over it: put a timeout around it. When this future is dropped nothing is lost.
    ///
    /// # Errors
    /// [`TooLong`](crate::starttls_core::Misbehaviour::TooLong) for a longer line, [`Truncated`](CoreError::Truncated) for one that ends with the connection;
    /// what there is of it is still there to be read. Otherwise as reading.
    pub async fn next_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        Ok(poll_fn(|cx| self.poll_next_line(cx, limit)).await?)
    }

    pub(crate) fn poll_next_line(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
    ) -> Poll<io::Result<Option<Vec<u8>>>> {
        self.inner
            .poll(Side::Read, cx, |driver, io| driver.next_line(io, limit))
    }

    /// Sends what was written and ends the transport's writing, within the deadline for closing. When this future is dropped and another is made,
    /// that has a time of its own.
    ///
    /// # Errors
    /// Those of the transport; [`Error::Deadline`].
    pub async fn close(&mut self) -> io::Result<()> {
        let mut deadline = self.inner.close_deadline();
        let close = self.inner.run(Waiting::Close, &mut deadline, |driver, io| {
            driver.shutdown(io, Bridge::close)
        });
        Ok(close.await?)
    }

    async fn negotiate_or_keep<N: Negotiator>(
        mut self,
        negotiator: N,
    ) -> Result<Result<Negotiated<IO, T>, (Self, CoreError)>, Error> {
        let mut deadline = self.inner.upgrade_deadline();
        let mut negotiation = Negotiation::new(negotiator);
        let waiting = Waiting::Negotiation;
        let outcome = self
            .inner
            .run(waiting, &mut deadline, |driver, io| {
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

    pub(crate) fn at(self, boundary: Boundary) -> Negotiated<IO, T> {
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
    /// What is left of it is for the handshake.
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
    pub fn start_tls(
        self,
        connection: impl Into<Connection>,
    ) -> impl Future<Output = Result<TlsStream<IO, T>, Error>> {
        self.handshake(Box::new(connection.into()))
    }

    fn handshake(
        self,
        connection: Box<Connection>,
    ) -> impl Future<Output = Result<TlsStream<IO, T>, Error>> {
        let boundary = self.boundary;
        let stream = self
            .plain
            .inner
            .try_map(|driver| driver.start_tls(boundary, *connection));
        let deadline = self.deadline;
        async move { TlsStream::handshake(stream?, deadline).await }
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

    /// Waits for the `ClientHello` or something else, as [`PlainStream::accept_or_plaintext`].
    ///
    /// # Errors
    /// As there.
    pub async fn accept_or_plaintext(mut self) -> Result<Arrival<IO, T>, Error> {
        let (boundary, waiting) = (self.boundary, Waiting::Handshake);
        let stream = &mut self.plain.inner;
        let begins_as_tls = stream
            .run(waiting, &mut self.deadline, |driver, io| {
                driver.begins_as_tls(io, boundary)
            })
            .await?;
        if !begins_as_tls {
            return Ok(Arrival::Plaintext(self.plain));
        }
        // What was seen has come where TLS was due.
        self.boundary = Boundary::Pipelined;
        self.accept().await.map(Arrival::Hello)
    }

    /// The transport, for another TLS library to go on with. What was left to be said is sent first, within what is left of the deadline.
    ///
    /// # Errors
    /// [`UnreadPlaintext`](CoreError::UnreadPlaintext) if anything was received that nobody has read: it would be lost, or be taken for a part of TLS. Where the
    /// protocol has no go-ahead that is the peer's `ClientHello`; then take the parts of [`into_plain`](Self::into_plain).
    pub async fn into_transport(mut self) -> Result<IO, Error> {
        let stream = &mut self.plain.inner;
        stream
            .run(Waiting::Handshake, &mut self.deadline, |driver, io| {
                driver.leave(io)
            })
            .await?;
        Ok(self.plain.inner.io)
    }
}

/// What came of an upgrade that the peer was free to decline.
#[derive(Debug)]
#[must_use = "there may be no TLS"]
pub enum Opportunistic<IO, T: Timer> {
    /// TLS is up.
    Tls(TlsStream<IO, T>),
    /// The peer does not offer TLS, has not asked for it, or refused it: everything on this connection is plaintext.
    Declined {
        /// The connection, after the refusal.
        plain: PlainStream<IO, T>,
        /// What the peer said.
        reason: CoreError,
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
        self.get_mut()
            .inner
            .poll_close(cx, |driver, io| driver.shutdown(io, Bridge::close))
    }
}
