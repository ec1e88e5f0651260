use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::ReadBuf;

static READS: AtomicU64 = AtomicU64::new(0);
static WRITES: AtomicU64 = AtomicU64::new(0);

/// How often any transport was asked for input.
pub(crate) fn reads() -> u64 {
    READS.load(Ordering::Relaxed)
}

/// How often any transport was asked to send.
pub(crate) fn writes() -> u64 {
    WRITES.load(Ordering::Relaxed)
}

/// A transport whose read and write calls are counted, those that found nothing or no room included: each is a system call.
pub(crate) struct Counted<IO>(pub(crate) IO);

impl<IO> Counted<IO> {
    fn reading(&mut self) -> &mut IO {
        READS.fetch_add(1, Ordering::Relaxed);
        &mut self.0
    }

    fn writing(&mut self) -> &mut IO {
        WRITES.fetch_add(1, Ordering::Relaxed);
        &mut self.0
    }
}

impl<IO: Read> Read for Counted<IO> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reading().read(buf)
    }
}

impl<IO: Write> Write for Counted<IO> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.writing().write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writing().write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<IO: tokio::io::AsyncRead + Unpin> tokio::io::AsyncRead for Counted<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.reading()).poll_read(cx, buf)
    }
}

impl<IO: futures_util::AsyncRead + Unpin> futures_util::AsyncRead for Counted<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.reading()).poll_read(cx, buf)
    }
}

macro_rules! writes {
    ($trait:path, $end:ident $(, $extra:item)?) => {
        impl<IO: $trait + Unpin> $trait for Counted<IO> {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(self.writing()).poll_write(cx, buf)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(self.writing()).poll_write_vectored(cx, bufs)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).poll_flush(cx)
            }

            fn $end(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.0).$end(cx)
            }

            $($extra)?
        }
    };
}

writes!(futures_util::AsyncWrite, poll_close);
writes!(
    tokio::io::AsyncWrite,
    poll_shutdown,
    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
);
