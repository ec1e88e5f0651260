use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use starttls_stream::adapter::{InPlace, Timer};
use starttls_stream::upgradeable_stream_methods;

use super::{Opportunistic, PlainStream, TlsStream};

/// A stream that is upgraded in place, for code that has it behind `&mut self`.
///
/// Which phase it is in is a question at run time here; prefer [`PlainStream`] and [`TlsStream`] where the types can tell. An upgrade whose
/// future is dropped, or that fails, leaves a stream on which everything is an error: never plaintext.
#[derive(Debug)]
pub struct UpgradeableStream<IO, T: Timer> {
    state: State<IO, T>,
}

type State<IO, T> = InPlace<PlainStream<IO, T>, TlsStream<IO, T>>;

upgradeable_stream_methods!(
    UpgradeableStream<IO, T: Timer>, over (AsyncRead + AsyncWrite + Unpin), async (.await)
);

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> UpgradeableStream<IO, T> {
    /// As [`PlainStream::close`] or [`TlsStream::close`].
    ///
    /// # Errors
    /// As there.
    pub async fn close(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Plain(plain) => plain.close().await,
            State::Tls(tls) => tls.close().await,
            State::Ended(error) => Err(error.clone().into()),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> AsyncRead for UpgradeableStream<IO, T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().state {
            State::Plain(plain) => Pin::new(plain).poll_read(cx, buf),
            State::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            State::Ended(error) => Poll::Ready(Err(error.clone().into())),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> AsyncBufRead for UpgradeableStream<IO, T> {
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

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> AsyncWrite for UpgradeableStream<IO, T> {
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

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            State::Plain(plain) => Pin::new(plain).poll_flush(cx),
            State::Tls(tls) => Pin::new(tls).poll_flush(cx),
            State::Ended(error) => Poll::Ready(Err(error.clone().into())),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().state {
            State::Plain(plain) => Pin::new(plain).poll_close(cx),
            State::Tls(tls) => Pin::new(tls).poll_close(cx),
            State::Ended(error) => Poll::Ready(Err(error.clone().into())),
        }
    }
}
