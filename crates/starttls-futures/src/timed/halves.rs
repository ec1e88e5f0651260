use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use starttls_stream::Error;
use starttls_stream::adapter::Timer;

use super::{PlainStream, TlsStream};

starttls_stream::halves!();

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> ReadHalf<PlainStream<IO, T>> {
    /// Reads a line of at most `limit` bytes, as [`PlainStream::next_line`].
    ///
    /// # Errors
    /// As there.
    pub async fn next_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        let next = |cx: &mut Context<'_>| {
            self.0
                .poll(|stream| stream.get_mut().poll_next_line(cx, limit))
        };
        Ok(poll_fn(next).await?)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> ReadHalf<TlsStream<IO, T>> {
    /// Reads a line of at most `limit` bytes, as [`TlsStream::next_line`].
    ///
    /// # Errors
    /// As there.
    pub async fn next_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        let next = |cx: &mut Context<'_>| {
            self.0
                .poll(|stream| stream.get_mut().poll_next_line(cx, limit))
        };
        Ok(poll_fn(next).await?)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadHalf<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().0.poll(|stream| stream.poll_read(cx, buf))
    }
}

impl<S: AsyncBufRead + Unpin> AsyncBufRead for ReadHalf<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut()
            .0
            .poll_fill_buf(|stream| stream.poll_fill_buf(cx).map_ok(<[u8]>::to_vec))
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        self.get_mut().0.consume(amt, S::consume);
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteHalf<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().0.poll(|stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .0
            .poll(|stream| stream.poll_write_vectored(cx, bufs))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll(|stream| stream.poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll(|stream| stream.poll_close(cx))
    }
}
