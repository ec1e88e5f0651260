use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::Connection;
use starttls_stream::core::Tls;
use starttls_stream::{Deadlines, Driver, Error, Side, rustls};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::plain_stream::PlainStream;
use crate::stream::{Bridge, Stream};

/// A connection in its TLS phase.
///
/// Reading ends with 0 after the peer's `close_notify`; where the connection ends without one, that is
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), after everything before it was read. `shutdown` sends our `close_notify` and shuts the transport
/// down for writing, and does not wait for the peer; reading is still possible.
///
/// Data that a write has taken is sent at once as far as the transport allows, and in any case by a flush. A task that reads and one that
/// writes can share it through [`split`](Self::split).
#[derive(Debug)]
pub struct TlsStream<IO> {
    inner: Stream<IO, Tls>,
    /// The deadline of a `shutdown` under way.
    closing: Option<Pin<Box<Sleep>>>,
}

impl<IO> TlsStream<IO> {
    /// Sets how long closing may take.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.inner.deadlines = deadlines;
        self
    }

    /// The transport, to look at. Reading from it or writing to it breaks the connection.
    pub fn get_ref(&self) -> &IO {
        &self.inner.io
    }

    /// What was negotiated and who the peer is: version, cipher suite, ALPN, certificates, exporter; `server_name()` of a server's.
    pub fn connection(&self) -> &Connection {
        self.inner.driver.phase().connection()
    }

    /// The channel binding `tls-exporter` (RFC 9266), with TLS 1.3.
    pub fn tls_exporter(&self) -> Option<[u8; 32]> {
        self.inner.driver.phase().tls_exporter()
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> TlsStream<IO> {
    /// Two halves, to be read in one task and written in another: neither waits for the other, and while one is blocked writing the other
    /// still reads. [`ReadHalf::unsplit`] makes them one again.
    pub fn split(self) -> (ReadHalf<Self>, WriteHalf<Self>) {
        tokio::io::split(self)
    }

    /// TLS from the first byte, where there is nothing to negotiate ("implicit TLS").
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`].
    pub async fn implicit(io: IO, connection: impl Into<Connection>) -> Result<Self, Error> {
        let stream = Stream::new(io, Driver::implicit(connection));
        let until = stream.upgrade_until();
        Self::handshake(stream, until).await
    }

    pub(crate) async fn handshake(
        mut stream: Stream<IO, Tls>,
        until: Option<Instant>,
    ) -> Result<Self, Error> {
        stream.run(until, |driver, io| driver.handshake(io)).await?;
        Ok(Self {
            inner: stream,
            closing: None,
        })
    }

    /// Sends our `close_notify` and leaves the transport open for writing: the polite half of [`stop_tls`](Self::stop_tls), for those who have yet to
    /// read what the peer sends before its own. Writing is an error from here on.
    ///
    /// When this future is dropped, `close_notify` is or will be sent by the next call of any kind.
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub async fn send_close_notify(&mut self) -> Result<(), Error> {
        let until = self.inner.close_until();
        self.inner.run(until, |driver, io| driver.close(io)).await
    }

    /// Back to plaintext: sends `close_notify`, waits for the peer's, and gives the stream that begins with the byte behind it.
    ///
    /// When this future is dropped the connection is closed.
    ///
    /// # Errors
    /// [`NotClosed`](starttls_stream::core::Misuse::NotClosed) if the peer sends data instead: read to the end first. [`Error::Deadline`] if it does
    /// not answer. The connection is closed then.
    pub async fn stop_tls(mut self) -> Result<PlainStream<IO>, Error> {
        let until = self.inner.close_until();
        self.inner.run(until, |driver, io| driver.stop(io)).await?;
        Ok(PlainStream {
            inner: self.inner.try_map(Driver::into_plain)?,
        })
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unfilled = buf.initialize_unfilled();
        let n = ready!(
            self.get_mut()
                .inner
                .poll(Side::Read, cx, |driver, io| driver.read(io, unfilled))
        )?;
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for TlsStream<IO> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let inner = &mut self.get_mut().inner;
        ready!(inner.poll(Side::Read, cx, |driver, io| driver.fill_buf(io)))?;
        Poll::Ready(Ok(inner.driver.buffered()))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.get_mut().inner.driver.consume(amt);
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .inner
            .poll(Side::Write, cx, |driver, io| driver.write(io, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut()
            .inner
            .poll(Side::Write, cx, |driver, io| driver.flush(io))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, closing } = self.get_mut();
        let closed = inner.poll(Side::Write, cx, |driver, io| {
            driver.shutdown(io, Bridge::shutdown)
        });
        if closed.is_ready() {
            *closing = None;
            return closed;
        }
        let Some(until) = inner.close_until() else {
            return Poll::Pending;
        };
        let deadline = closing.get_or_insert_with(|| Box::pin(sleep_until(until)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(Error::Deadline.into()))
    }
}
