use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use starttls_stream::{Deadlines, Driver, Error, Side, Wakers, blocking};

use crate::Timer;
use crate::timer::Deadline;

/// A transport, the state of the connection over it, and who waits for it: what all streams here are made of.
#[derive(Debug)]
pub(crate) struct Stream<IO, P, T> {
    pub(crate) io: IO,
    pub(crate) driver: Driver<P>,
    pub(crate) wakers: Wakers,
    pub(crate) deadlines: Deadlines,
    pub(crate) timer: PhantomData<fn() -> T>,
}

impl<IO, P, T: Timer> Stream<IO, P, T> {
    pub(crate) fn new(io: IO, driver: Driver<P>) -> Self {
        Self {
            io,
            driver,
            wakers: Wakers::default(),
            deadlines: Deadlines::default(),
            timer: PhantomData,
        }
    }

    /// The same transport in another phase.
    pub(crate) fn try_map<Q, E>(
        self,
        f: impl FnOnce(Driver<P>) -> Result<Driver<Q>, E>,
    ) -> Result<Stream<IO, Q, T>, E> {
        Ok(Stream {
            driver: f(self.driver)?,
            io: self.io,
            wakers: self.wakers,
            deadlines: self.deadlines,
            timer: PhantomData,
        })
    }

    /// When an upgrade that begins now must be done.
    pub(crate) fn upgrade_deadline(&self) -> Deadline<T> {
        Deadline::after(self.deadlines.for_upgrade())
    }

    pub(crate) fn close_deadline(&self) -> Deadline<T> {
        Deadline::after(self.deadlines.for_close())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin, P, T: Timer> Stream<IO, P, T> {
    pub(crate) fn poll<R>(
        &mut self,
        side: Side,
        cx: &mut Context<'_>,
        step: impl FnOnce(&mut Driver<P>, &mut Bridge<'_, '_, IO>) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
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
    pub(crate) async fn run<R>(
        &mut self,
        deadline: &mut Deadline<T>,
        mut step: impl FnMut(&mut Driver<P>, &mut Bridge<'_, '_, IO>) -> io::Result<R>,
    ) -> Result<R, Error> {
        poll_fn(|cx| match self.poll(Side::Read, cx, &mut step) {
            Poll::Ready(result) => Poll::Ready(result.map_err(Error::from)),
            Poll::Pending => deadline.poll(cx).map(|()| Err(Error::Deadline)),
        })
        .await
    }
}

/// A polled futures-io transport as `std::io`: `Pending` is `WouldBlock`.
pub(crate) struct Bridge<'a, 'b, IO> {
    io: Pin<&'a mut IO>,
    cx: &'a mut Context<'b>,
}

impl<IO: AsyncWrite> Bridge<'_, '_, IO> {
    pub(crate) fn close(&mut self) -> io::Result<()> {
        blocking(self.io.as_mut().poll_close(self.cx))
    }
}

impl<IO: AsyncRead> Read for Bridge<'_, '_, IO> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        blocking(self.io.as_mut().poll_read(self.cx, buf))
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
