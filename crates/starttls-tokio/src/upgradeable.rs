use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use starttls_stream::adapter::InPlace;
use starttls_stream::upgradeable_stream_methods;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use crate::{Opportunistic, PlainStream, TlsStream};

/// A stream that is upgraded in place, for code that has it behind `&mut self`.
///
/// Which phase it is in is a question at run time here; prefer [`PlainStream`] and [`TlsStream`] where the types can tell. An upgrade whose
/// future is dropped, or that fails, leaves a stream on which everything is an error: never plaintext.
#[derive(Debug)]
pub struct UpgradeableStream<IO> {
    state: State<IO>,
}

type State<IO> = InPlace<PlainStream<IO>, TlsStream<IO>>;

upgradeable_stream_methods!(
    UpgradeableStream<IO>, over (AsyncRead + AsyncWrite + Unpin), async (.await)
);

impl<IO: AsyncRead + AsyncWrite + Unpin> UpgradeableStream<IO> {
    /// As [`PlainStream::shutdown`] or [`TlsStream::shutdown`].
    ///
    /// # Errors
    /// As there.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Plain(plain) => plain.shutdown().await,
            State::Tls(tls) => tls.shutdown().await,
            State::Ended(error) => Err(error.clone().into()),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for UpgradeableStream<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            State::Plain(plain) => Pin::new(plain).poll_read(cx, buf),
            State::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            State::Ended(error) => Poll::Ready(Err(error.clone().into())),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for UpgradeableStream<IO> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        match &mut self.get_mut().state {
            State::Plain(plain) => Pin::new(plain).poll_fill_buf(cx),
            State::Tls(tls) => Pin::new(&mut **tls).poll_fill_buf(cx),
            State::Ended(error) => Poll::Ready(Err(error.clone().into())),
        }
    }

    fn consume(self: Pin<&mut Self>, amt: usize) {
        match &mut self.get_mut().state {
            State::Plain(plain) => Pin::new(plain).consume(amt),
            State::Tls(tls) => Pin::new(tls).consume(amt),
            State::Ended(_) => {}
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for UpgradeableStream<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().state {
            State::Plain(plain) => Pin::new(plain).poll_write(cx, buf),
            State::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            State::Ended(error) => Poll::Ready(Err(error.clone().into())),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().state {
            State::Plain(plain) => Pin::new(plain).poll_write_vectored(cx, bufs),
            State::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
            State::Ended(error) => Poll::Ready(Err(error.clone().into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self.state, State::Tls(_))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            State::Plain(plain) => Pin::new(plain).poll_flush(cx),
            State::Tls(tls) => Pin::new(tls).poll_flush(cx),
            State::Ended(error) => Poll::Ready(Err(error.clone().into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            State::Plain(plain) => Pin::new(plain).poll_shutdown(cx),
            State::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            State::Ended(error) => Poll::Ready(Err(error.clone().into())),
        }
    }
}
