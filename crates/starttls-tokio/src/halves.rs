use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use starttls_stream::Error;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::{PlainStream, TlsStream};

starttls_stream::halves!();

impl<S> ReadHalf<S> {
    /// The stream again, as [`reunite`](Self::reunite) for those who know that the halves are its own.
    ///
    /// # Panics
    /// If the halves are not those of one stream, as the halves of `tokio::io::split`.
    pub fn unsplit(self, writer: WriteHalf<S>) -> S {
        match self.reunite(writer) {
            Ok(stream) => stream,
            #[expect(clippy::panic, reason = "what tokio's own halves do")]
            Err(error) => panic!("{error}"),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> ReadHalf<PlainStream<IO>> {
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

impl<IO: AsyncRead + AsyncWrite + Unpin> ReadHalf<TlsStream<IO>> {
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
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
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

    fn is_write_vectored(&self) -> bool {
        // Many slices become few records; of plaintext none is written but the first.
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll(|stream| stream.poll_shutdown(cx))
    }
}
