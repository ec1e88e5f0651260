use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
use rustls::Connection;
use starttls_stream::core::Negotiator;
use starttls_stream::{Error, InPlace, rustls};

use super::{PlainStream, TlsStream};
use crate::Timer;

/// A stream that is upgraded in place, for code that has it behind `&mut self`.
///
/// Which phase it is in is a question at run time here; prefer [`PlainStream`] and [`TlsStream`] where the types can tell. An upgrade whose
/// future is dropped, or that fails, leaves a stream on which everything is an error: never plaintext.
#[derive(Debug)]
pub struct UpgradeableStream<IO, T: Timer> {
    state: State<IO, T>,
}

type State<IO, T> = InPlace<PlainStream<IO, T>, TlsStream<IO, T>>;

impl<IO, T: Timer> From<PlainStream<IO, T>> for UpgradeableStream<IO, T> {
    fn from(plain: PlainStream<IO, T>) -> Self {
        Self {
            state: State::new(plain),
        }
    }
}

impl<IO, T: Timer> From<TlsStream<IO, T>> for UpgradeableStream<IO, T> {
    fn from(tls: TlsStream<IO, T>) -> Self {
        Self {
            state: State::tls(tls),
        }
    }
}

impl<IO, T: Timer> UpgradeableStream<IO, T> {
    /// A connection in its plaintext phase.
    pub fn new(io: IO) -> Self {
        PlainStream::new(io).into()
    }

    /// The TLS stream, if it is one now: what was negotiated, who the peer is.
    pub fn tls(&self) -> Option<&TlsStream<IO, T>> {
        match &self.state {
            State::Tls(tls) => Some(tls),
            _ => None,
        }
    }

    /// The plaintext stream, if it is one now.
    pub fn plain(&self) -> Option<&PlainStream<IO, T>> {
        match &self.state {
            State::Plain(plain) => Some(plain),
            _ => None,
        }
    }

    /// The transport, to look at; `None` after a failed upgrade.
    pub fn get_ref(&self) -> Option<&IO> {
        match &self.state {
            State::Plain(plain) => Some(plain.get_ref()),
            State::Tls(tls) => Some(tls.get_ref()),
            State::Ended(_) => None,
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> UpgradeableStream<IO, T> {
    /// As [`PlainStream::start_tls`]. When this future is dropped, the connection is closed and every use of the stream an error.
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`]; [`Misuse::Finished`](starttls_stream::core::Misuse::Finished) if it is TLS already.
    pub async fn start_tls(&mut self, connection: impl Into<Connection>) -> Result<(), Error> {
        let result = self.state.take_plain()?.start_tls(connection).await;
        self.state.settle_tls(result)
    }

    /// As [`PlainStream::upgrade`]. When this future is dropped, the connection is closed and every use of the stream an error.
    ///
    /// # Errors
    /// As [`PlainStream::upgrade`]; [`Misuse::Finished`](starttls_stream::core::Misuse::Finished) if it is TLS already.
    pub async fn upgrade<N: Negotiator>(
        &mut self,
        negotiator: N,
        connection: N::Tls,
    ) -> Result<(), Error> {
        let result = self
            .state
            .take_plain()?
            .upgrade(negotiator, connection)
            .await;
        self.state.settle_tls(result)
    }

    /// As [`TlsStream::stop_tls`]. When this future is dropped, the connection is closed and every use of the stream an error.
    ///
    /// # Errors
    /// As [`TlsStream::stop_tls`]; [`Misuse::Finished`](starttls_stream::core::Misuse::Finished) if it is plaintext already.
    pub async fn stop_tls(&mut self) -> Result<(), Error> {
        let result = self.state.take_tls()?.stop_tls().await;
        self.state.settle_plain(result)
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
