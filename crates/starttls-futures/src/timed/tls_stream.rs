use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use rustls::Connection;
use starttls_stream::adapter::{Bridge, Driver, Side, Timer};
use starttls_stream::starttls_core::{Limits, Tls};
use starttls_stream::{Deadlines, Error, Waiting, rustls, tls_stream_methods};

use super::halves::{self, ReadHalf, WriteHalf};
use super::plain_stream::PlainStream;
use super::stream::{Deadline, Stream};

/// A connection in its TLS phase.
///
/// Reading ends with 0 after the peer's `close_notify`; where the connection ends without one, that is
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), after everything before it was read. `close` sends our `close_notify` and shuts the transport
/// down for writing, and does not wait for the peer; reading is still possible.
///
/// Data that a write has taken is sent at once as far as the transport allows, and in any case by a flush. A task that reads and one that
/// writes can share it through [`split`](Self::split).
#[derive(Debug)]
pub struct TlsStream<IO, T: Timer> {
    inner: Stream<IO, Tls, T>,
}

tls_stream_methods!(TlsStream<IO, T: Timer>);

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> TlsStream<IO, T> {
    /// Two halves, to be read in one task and written in another: neither waits for the other, and while one is blocked writing the other
    /// still reads. [`ReadHalf::reunite`] makes them one again.
    pub fn split(self) -> (ReadHalf<Self>, WriteHalf<Self>) {
        halves::split(self)
    }

    /// TLS from the first byte, where there is nothing to negotiate ("implicit TLS").
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`].
    pub fn implicit(
        io: IO,
        connection: impl Into<Connection>,
    ) -> impl Future<Output = Result<Self, Error>> {
        Self::implicit_with(io, connection, Limits::default(), Deadlines::default())
    }

    /// The same with other limits and deadlines.
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`].
    pub fn implicit_with(
        io: IO,
        connection: impl Into<Connection>,
        limits: Limits,
        deadlines: Deadlines,
    ) -> impl Future<Output = Result<Self, Error>> {
        let mut stream = Stream::new(io, Driver::implicit(connection, limits)).without_dialogue();
        stream.deadlines = deadlines;
        async move {
            let deadline = stream.upgrade_deadline();
            Self::handshake(stream, deadline).await
        }
    }

    pub(crate) async fn handshake(
        mut stream: Stream<IO, Tls, T>,
        mut deadline: Deadline<T>,
    ) -> Result<Self, Error> {
        let waiting = Waiting::Handshake;
        stream
            .run(waiting, &mut deadline, |driver, io| driver.handshake(io))
            .await?;
        Ok(Self { inner: stream })
    }

    /// Reads a line of at most `limit` bytes, its end included, and returns it without that (LF or CR LF); `None` after the peer's `close_notify`.
    /// There is no deadline over it: put a timeout around it. When this future is dropped nothing is lost.
    ///
    /// # Errors
    /// [`TooLong`](crate::starttls_core::Misbehaviour::TooLong) for a longer line, [`Truncated`](crate::starttls_core::Error::Truncated) for one that ends with the
    /// connection; what there is of it is still there to be read. Otherwise as reading.
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

    /// Sends our `close_notify` and leaves the transport open for writing: the polite half of [`stop_tls`](Self::stop_tls), for those who have yet to
    /// read what the peer sends before its own. Writing is an error from here on.
    ///
    /// When this future is dropped, `close_notify` is or will be sent by the next call of any kind.
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub async fn send_close_notify(&mut self) -> Result<(), Error> {
        let mut deadline = self.inner.close_deadline();
        self.inner
            .run(Waiting::Close, &mut deadline, |driver, io| driver.close(io))
            .await
    }

    /// Sends our `close_notify` and ends the transport's writing, within the deadline for closing. It does not wait for the peer. When this future is dropped
    /// and another is made, that has a time of its own.
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub async fn close(&mut self) -> io::Result<()> {
        let mut deadline = self.inner.close_deadline();
        let close = self.inner.run(Waiting::Close, &mut deadline, |driver, io| {
            driver.shutdown(io, Bridge::close)
        });
        Ok(close.await?)
    }

    /// Back to plaintext: sends `close_notify`, waits for the peer's, and gives the stream that begins with the byte behind it.
    ///
    /// When this future is dropped the connection is closed.
    ///
    /// # Errors
    /// [`NotClosed`](crate::starttls_core::Misuse::NotClosed) if the peer sends data instead: read to the end first. [`Error::Deadline`] if it does
    /// not answer. The connection is closed then.
    pub async fn stop_tls(mut self) -> Result<PlainStream<IO, T>, Error> {
        let mut deadline = self.inner.close_deadline();
        self.inner
            .run(Waiting::Close, &mut deadline, |driver, io| driver.stop(io))
            .await?;
        Ok(PlainStream {
            inner: self.inner.try_map(Driver::into_plain)?,
        })
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> AsyncRead for TlsStream<IO, T> {
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

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> AsyncBufRead for TlsStream<IO, T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let inner = &mut self.get_mut().inner;
        ready!(inner.poll(Side::Read, cx, |driver, io| driver.fill_buf(io)))?;
        Poll::Ready(Ok(inner.driver.buffered()))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.get_mut().inner.driver.consume(amt);
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> AsyncWrite for TlsStream<IO, T> {
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
