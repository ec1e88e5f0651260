use std::future::Future;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use starttls_stream::{Deadlines, Driver, Error, Side, Wakers, blocking};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout_at};

/// A transport, the state of the connection over it, and who waits for it: what all streams here are made of.
#[derive(Debug)]
pub(crate) struct Stream<IO, P> {
    pub(crate) io: IO,
    pub(crate) driver: Driver<P>,
    pub(crate) wakers: Wakers,
    pub(crate) deadlines: Deadlines,
}

impl<IO, P> Stream<IO, P> {
    pub(crate) fn new(io: IO, driver: Driver<P>) -> Self {
        Self {
            io,
            driver,
            wakers: Wakers::default(),
            deadlines: Deadlines::default(),
        }
    }

    /// The same transport in another phase.
    pub(crate) fn try_map<Q, E>(
        self,
        f: impl FnOnce(Driver<P>) -> Result<Driver<Q>, E>,
    ) -> Result<Stream<IO, Q>, E> {
        Ok(Stream {
            driver: f(self.driver)?,
            io: self.io,
            wakers: self.wakers,
            deadlines: self.deadlines,
        })
    }

    /// When an upgrade that begins now must be done.
    pub(crate) fn upgrade_until(&self) -> Option<Instant> {
        self.deadlines
            .for_upgrade()
            .map(|limit| Instant::now() + limit)
    }

    pub(crate) fn close_until(&self) -> Option<Instant> {
        self.deadlines
            .for_close()
            .map(|limit| Instant::now() + limit)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, P> Stream<IO, P> {
    pub(crate) fn poll<T>(
        &mut self,
        side: Side,
        cx: &mut Context<'_>,
        step: impl FnOnce(&mut Driver<P>, &mut Bridge<'_, '_, IO>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let Self {
            io, driver, wakers, ..
        } = self;
        wakers.poll(side, cx, |cx| {
            step(
                driver,
                &mut Bridge {
                    io: Pin::new(io),
                    cx,
                },
            )
        })
    }

    /// A driver method as a future. Nothing is lost when it is dropped: the state is in the driver.
    pub(crate) async fn run<T>(
        &mut self,
        until: Option<Instant>,
        mut step: impl FnMut(&mut Driver<P>, &mut Bridge<'_, '_, IO>) -> io::Result<T>,
    ) -> Result<T, Error> {
        let steps = std::future::poll_fn(|cx| self.poll(Side::Read, cx, &mut step));
        Ok(within(until, steps).await??)
    }
}

async fn within<T>(until: Option<Instant>, future: impl Future<Output = T>) -> Result<T, Error> {
    match until {
        Some(until) => timeout_at(until, future).await.map_err(|_| Error::Deadline),
        None => Ok(future.await),
    }
}

/// A polled tokio transport as `std::io`: `Pending` is `WouldBlock`.
pub(crate) struct Bridge<'a, 'b, IO> {
    io: Pin<&'a mut IO>,
    cx: &'a mut Context<'b>,
}

impl<IO: AsyncWrite> Bridge<'_, '_, IO> {
    pub(crate) fn shutdown(&mut self) -> io::Result<()> {
        blocking(self.io.as_mut().poll_shutdown(self.cx))
    }
}

impl<IO: AsyncRead> Read for Bridge<'_, '_, IO> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        blocking(self.io.as_mut().poll_read(self.cx, &mut buf))?;
        Ok(buf.filled().len())
    }
}

impl<IO: AsyncWrite> Write for Bridge<'_, '_, IO> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        blocking(self.io.as_mut().poll_write(self.cx, buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        blocking(self.io.as_mut().poll_write_vectored(self.cx, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        blocking(self.io.as_mut().poll_flush(self.cx))
    }
}
