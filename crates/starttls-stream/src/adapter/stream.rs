use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use starttls_core::{Accepting, Tls, rustls};

use super::{Deadline, Driver, Side, Timer, Wakers, blocking};
use crate::driver::would_block;
use crate::error::Waiting;
use crate::{Deadlines, Error};

/// A family of transports, in the terms that all of them have: implemented for a type of the adapter's own, since neither the transport nor its traits
/// are the adapter's.
pub trait Polled<IO>: Timer {
    /// As `AsyncRead::poll_read`; returns how much was read.
    fn poll_read(io: Pin<&mut IO>, cx: &mut Context<'_>, buf: &mut [u8])
    -> Poll<io::Result<usize>>;

    /// As `AsyncWrite::poll_write`.
    fn poll_write(io: Pin<&mut IO>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    /// As `AsyncWrite::poll_write_vectored`.
    fn poll_write_vectored(
        io: Pin<&mut IO>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// As `AsyncWrite::poll_flush`.
    fn poll_flush(io: Pin<&mut IO>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// As `AsyncWrite::poll_shutdown` or `AsyncWrite::poll_close`.
    fn poll_close(io: Pin<&mut IO>, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A transport, the state of the connection over it, and who waits for it: what all streams of an adapter are made of. `K` says how the transport is polled and
/// time is kept.
pub struct Stream<IO, P, K: Timer> {
    /// The transport.
    pub io: IO,
    /// The connection.
    pub driver: Driver<P>,
    /// How long upgrading and closing may take.
    pub deadlines: Deadlines,
    wakers: Wakers,
    dialogue: Dialogue<K>,
    /// The deadline of a close that is being polled.
    closing: Option<Closing<K>>,
    kind: PhantomData<fn() -> K>,
}

impl<IO, P, K: Timer> Stream<IO, P, K> {
    /// With the default deadlines.
    pub fn new(io: IO, driver: Driver<P>) -> Self {
        Self {
            io,
            driver,
            deadlines: Deadlines::default(),
            wakers: Wakers::default(),
            dialogue: Dialogue::Before,
            closing: None,
            kind: PhantomData,
        }
    }

    /// There was no plaintext phase.
    #[must_use]
    pub fn without_dialogue(self) -> Self {
        Self {
            dialogue: Dialogue::Over,
            ..self
        }
    }

    /// The same transport in another phase.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn try_map<Q, E>(
        self,
        f: impl FnOnce(Driver<P>) -> Result<Driver<Q>, E>,
    ) -> Result<Stream<IO, Q, K>, E> {
        Ok(Stream {
            driver: f(self.driver)?,
            io: self.io,
            deadlines: self.deadlines,
            wakers: self.wakers,
            dialogue: Dialogue::Over,
            closing: None,
            kind: PhantomData,
        })
    }

    /// The transport, the connection, and nothing that was received beside it.
    pub fn into_inner(self) -> (IO, Driver<P>, [u8; 0]) {
        (self.io, self.driver, [])
    }

    /// When an upgrade that begins now must be done.
    pub fn upgrade_deadline(&self) -> Deadline<K> {
        Deadline::after(self.deadlines.for_upgrade())
    }

    /// When a close that begins now must be done.
    pub fn close_deadline(&self) -> Deadline<K> {
        Deadline::after(self.deadlines.for_close())
    }
}

impl<IO, K: Timer> Stream<IO, Accepting, K> {
    /// The handshake under this configuration.
    ///
    /// # Errors
    /// The same if the configuration does not suit, to send the alert.
    pub fn configure(self, config: Arc<ServerConfig>) -> Result<Stream<IO, Tls, K>, Box<Self>> {
        let Self {
            io,
            driver,
            deadlines,
            wakers,
            dialogue,
            closing,
            kind,
        } = self;
        match driver.start_tls(config) {
            Ok(driver) => Ok(Stream {
                io,
                driver,
                deadlines,
                wakers,
                dialogue,
                closing,
                kind,
            }),
            Err(driver) => Err(Box::new(Self {
                io,
                driver: *driver,
                deadlines,
                wakers,
                dialogue,
                closing,
                kind,
            })),
        }
    }
}

impl<IO: Unpin, P, K: Polled<IO>> Stream<IO, P, K> {
    /// Runs a driver method for whoever reads or writes.
    #[inline]
    pub fn poll<R>(
        &mut self,
        side: Side,
        cx: &mut Context<'_>,
        step: impl FnOnce(&mut Driver<P>, &mut Bridge<'_, '_, IO, K>) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        if side == Side::Write {
            // Whoever writes or flushes does not close at the same time.
            self.closing = None;
        }
        self.attempt(side, cx, step)
    }

    // As `Wakers::poll`.
    #[inline(always)]
    fn attempt<R>(
        &mut self,
        side: Side,
        cx: &mut Context<'_>,
        step: impl FnOnce(&mut Driver<P>, &mut Bridge<'_, '_, IO, K>) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let Self {
            io,
            driver,
            wakers,
            dialogue,
            deadlines,
            ..
        } = self;
        if let (Dialogue::Before, Some(limit)) = (&dialogue, deadlines.for_dialogue()) {
            *dialogue = Dialogue::Until(Deadline::after(Some(limit)));
        }
        wakers.poll(side, cx, |cx| {
            let io = Pin::new(io);
            let kind = PhantomData;
            let result = step(driver, &mut Bridge { io, cx, kind });
            if let (Dialogue::Until(deadline), true) = (dialogue, would_block(&result))
                && deadline.poll(cx).is_ready()
            {
                let (waiting, heard) = (Waiting::Negotiation, driver.has_heard());
                return Err(Error::Deadline { waiting, heard }.into());
            }
            result
        })
    }

    /// Closes, by `step`, within the deadline for that.
    ///
    /// A poll cannot tell whether the one before it was of the same future. If that was given up, the time that this close has is its own all the same
    /// where there was a write or a flush between them or the old deadline has long passed; [`run`](Self::run) with a deadline of its own has no such doubts.
    pub fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        step: impl FnOnce(&mut Driver<P>, &mut Bridge<'_, '_, IO, K>) -> io::Result<()>,
    ) -> Poll<io::Result<()>> {
        // Before the attempt: a runtime without a timer is found out always, and not only when the peer is slow.
        let limit = self.deadlines.for_close();
        let mut closing = match self.closing.take() {
            Some(closing) if !closing.was_given_up() => closing,
            _ => Closing::begin(limit),
        };
        let closed = match self.attempt(Side::Write, cx, step) {
            Poll::Pending => closing
                .deadline
                .poll(cx)
                .map(|()| Err(self.expired(Waiting::Close).into())),
            done => done,
        };
        if closed.is_pending() {
            self.closing = Some(closing);
        }
        closed
    }

    /// A driver method as a future. Nothing is lost when it is dropped: the state is in the driver.
    ///
    /// # Errors
    /// The method's; [`Error::Deadline`].
    pub async fn run<R>(
        &mut self,
        waiting: Waiting,
        deadline: &mut Deadline<K>,
        mut step: impl FnMut(&mut Driver<P>, &mut Bridge<'_, '_, IO, K>) -> io::Result<R>,
    ) -> Result<R, Error> {
        poll_fn(|cx| match self.poll(Side::Read, cx, &mut step) {
            Poll::Ready(result) => Poll::Ready(result.map_err(Error::from)),
            Poll::Pending => deadline.poll(cx).map(|()| Err(self.expired(waiting))),
        })
        .await
    }

    fn expired(&mut self, waiting: Waiting) -> Error {
        let heard = self.driver.has_heard();
        let error = Error::Deadline { waiting, heard };
        self.driver.give_up(&error);
        error
    }
}

/// The plaintext phase as far as it has a deadline.
enum Dialogue<K: Timer> {
    Before,
    Until(Deadline<K>),
    Over,
}

struct Closing<K: Timer> {
    deadline: Deadline<K>,
    until: Option<Instant>,
}

impl<K: Timer> Closing<K> {
    /// Longer than a runtime lets a task wait whose timer has fired.
    const LATE: Duration = Duration::from_millis(100);

    fn begin(limit: Option<Duration>) -> Self {
        Self {
            deadline: Deadline::after(limit),
            until: limit
                .and_then(|limit| Instant::now().checked_add(limit)?.checked_add(Self::LATE)),
        }
    }

    /// A future that is waited for is polled when its deadline passes.
    fn was_given_up(&self) -> bool {
        self.until.is_some_and(|until| until < Instant::now())
    }
}

/// A polled transport as `std::io`: `Pending` is `WouldBlock`.
pub struct Bridge<'a, 'b, IO, K> {
    io: Pin<&'a mut IO>,
    cx: &'a mut Context<'b>,
    kind: PhantomData<fn() -> K>,
}

impl<IO, K: Polled<IO>> Bridge<'_, '_, IO, K> {
    /// Ends the transport's writing.
    ///
    /// # Errors
    /// The transport's.
    pub fn close(&mut self) -> io::Result<()> {
        blocking(K::poll_close(self.io.as_mut(), self.cx))
    }
}

impl<IO, K: Polled<IO>> Read for Bridge<'_, '_, IO, K> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        blocking(K::poll_read(self.io.as_mut(), self.cx, buf))
    }
}

impl<IO, K: Polled<IO>> Write for Bridge<'_, '_, IO, K> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        blocking(K::poll_write(self.io.as_mut(), self.cx, buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        blocking(K::poll_write_vectored(self.io.as_mut(), self.cx, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        blocking(K::poll_flush(self.io.as_mut(), self.cx))
    }
}

impl<IO: std::fmt::Debug, P, K: Timer> std::fmt::Debug for Stream<IO, P, K>
where
    Driver<P>: std::fmt::Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("io", &self.io)
            .field("driver", &self.driver)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}
