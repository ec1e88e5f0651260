use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use starttls_stream::adapter::{self, Polled, Timer};

/// What all streams here are made of.
pub(crate) type Stream<IO, P, T> = adapter::Stream<IO, P, FuturesIo<T>>;

/// A deadline by the runtime's timer.
pub(crate) type Deadline<T> = adapter::Deadline<FuturesIo<T>>;

/// The transports of futures-io, and a runtime's timer.
pub(crate) struct FuturesIo<T>(PhantomData<T>);

impl<T: Timer> Timer for FuturesIo<T> {
    type Sleep = T::Sleep;

    fn sleep(limit: Duration) -> T::Sleep {
        T::sleep(limit)
    }
}

impl<IO: AsyncRead + AsyncWrite, T: Timer> Polled<IO> for FuturesIo<T> {
    fn poll_read(
        io: Pin<&mut IO>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        io.poll_read(cx, buf)
    }

    fn poll_write(io: Pin<&mut IO>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        io: Pin<&mut IO>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        io.poll_write_vectored(cx, bufs)
    }

    fn poll_flush(io: Pin<&mut IO>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io.poll_flush(cx)
    }

    fn poll_close(io: Pin<&mut IO>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        io.poll_close(cx)
    }
}
