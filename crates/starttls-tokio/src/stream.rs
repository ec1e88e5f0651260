use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use starttls_stream::adapter::{self, Polled, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What all streams here are made of.
pub(crate) type Stream<IO, P> = adapter::Stream<IO, P, Tokio>;

/// A deadline by tokio's timer.
pub(crate) type Deadline = adapter::Deadline<Tokio>;

/// tokio's transports and its timer.
pub(crate) struct Tokio;

impl Timer for Tokio {
    type Sleep = Sleep;

    fn sleep(limit: Duration) -> Sleep {
        sleep(limit)
    }
}

impl<IO: AsyncRead + AsyncWrite> Polled<IO> for Tokio {
    fn poll_read(
        io: Pin<&mut IO>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(io.poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
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
        io.poll_shutdown(cx)
    }
}
