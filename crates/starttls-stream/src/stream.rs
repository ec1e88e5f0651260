use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::time::{Duration, Instant};

use crate::driver::would_block;
use crate::{Deadlines, Driver, Error, Transport};

/// A blocking transport and the state of the connection over it: what the blocking streams are made of.
#[derive(Debug)]
pub(crate) struct Stream<IO, P> {
    pub(crate) io: IO,
    pub(crate) driver: Driver<P>,
    /// Received by a half, and not yet taken by the driver.
    pub(crate) early: Vec<u8>,
    pub(crate) deadlines: Deadlines,
}

impl<IO, P> Stream<IO, P> {
    pub(crate) fn new(io: IO, driver: Driver<P>) -> Self {
        Self {
            io,
            driver,
            early: Vec::new(),
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
            early: self.early,
            deadlines: self.deadlines,
        })
    }

    /// When an upgrade that begins now must be done.
    pub(crate) fn upgrade_until(&self) -> Option<Instant> {
        from_now(self.deadlines.for_upgrade())
    }

    pub(crate) fn close_until(&self) -> Option<Instant> {
        from_now(self.deadlines.for_close())
    }
}

/// A moment too far away to be expressed is none.
pub(crate) fn from_now(limit: Option<Duration>) -> Option<Instant> {
    Instant::now().checked_add(limit?)
}

impl<IO: Transport, P> Stream<IO, P> {
    /// A driver method, each of whose calls on the transport gets what is left of the time. While writing is blocked it goes back and forth
    /// between writing and reading, since the peer may be blocked the same way.
    pub(crate) fn run<R>(
        &mut self,
        until: Option<Instant>,
        mut step: impl FnMut(&mut Driver<P>, &mut Timed<'_, IO>) -> io::Result<R>,
    ) -> Result<R, Error> {
        let mut timed = Timed::new(&mut self.io, until).after(&mut self.early);
        timed.alternating = until.is_some();
        let result = loop {
            timed.blocked = false;
            let result = step(&mut self.driver, &mut timed);
            if !(would_block(&result) && timed.blocked && timed.is_in_time()) {
                break result;
            }
        };
        timed.finish(result).map_err(Error::from)
    }

    /// A driver method that takes as long as the transport lets it.
    pub(crate) fn call<R>(
        &mut self,
        step: impl FnOnce(&mut Driver<P>, &mut Timed<'_, IO>) -> io::Result<R>,
    ) -> io::Result<R> {
        let mut timed = Timed::new(&mut self.io, None).after(&mut self.early);
        let result = step(&mut self.driver, &mut timed);
        timed.finish(result)
    }
}

/// A blocking transport as the driver wants it: a timeout is `WouldBlock`, after which the same call can be made again.
pub(crate) struct Timed<'a, IO: Transport> {
    io: &'a mut IO,
    early: Option<&'a mut Vec<u8>>,
    until: Option<Instant>,
    /// How long a write waits before reading is tried, and the other way round: not long.
    alternating: bool,
    /// Writing has timed out. Whoever is to be told must not be held up reading instead.
    blocked: bool,
    /// The transport's own timeouts, once they were changed.
    read_timeout: Option<Option<Duration>>,
    write_timeout: Option<Option<Duration>>,
}

impl<'a, IO: Transport> Timed<'a, IO> {
    pub(crate) fn new(io: &'a mut IO, until: Option<Instant>) -> Self {
        Self {
            io,
            early: None,
            until,
            alternating: false,
            blocked: false,
            read_timeout: None,
            write_timeout: None,
        }
    }

    /// Reads `early` before the transport.
    fn after(self, early: &'a mut Vec<u8>) -> Self {
        Self {
            early: Some(early).filter(|early| !early.is_empty()),
            ..self
        }
    }

    /// Gives the transport its own timeouts back, and tells what a timeout was.
    pub(crate) fn finish<R>(self, result: io::Result<R>) -> io::Result<R> {
        let in_time = self.is_in_time();
        // A socket that cannot be given its timeout back is one that has failed: the next call tells.
        if let Some(own) = self.read_timeout {
            let _ = self.io.set_read_timeout(own);
        }
        if let Some(own) = self.write_timeout {
            let _ = self.io.set_write_timeout(own);
        }
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(match self.until {
                Some(_) if !in_time => Error::Deadline.into(),
                _ => ErrorKind::TimedOut.into(),
            }),
            other => other,
        }
    }

    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        resumable(self.io.shutdown_write())
    }

    fn is_in_time(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    /// The timeout for a call: what is left of the deadline, or less where there is something else to try.
    fn left(until: Instant, briefly: bool) -> io::Result<Option<Duration>> {
        /// As long as nobody notices.
        const BRIEFLY: Duration = Duration::from_millis(10);
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Some(if briefly { left.min(BRIEFLY) } else { left }))
    }

    fn before_read(&mut self) -> io::Result<()> {
        let Some(until) = self.until else {
            return if self.blocked {
                Err(ErrorKind::WouldBlock.into())
            } else {
                Ok(())
            };
        };
        if self.read_timeout.is_none() {
            self.read_timeout = Some(self.io.read_timeout()?);
        }
        self.io.set_read_timeout(Self::left(until, self.blocked)?)
    }

    fn before_write(&mut self) -> io::Result<()> {
        let Some(until) = self.until else {
            return Ok(());
        };
        if self.write_timeout.is_none() {
            self.write_timeout = Some(self.io.write_timeout()?);
        }
        self.io
            .set_write_timeout(Self::left(until, self.alternating)?)
    }

    fn after_write<R>(&mut self, result: io::Result<R>) -> io::Result<R> {
        let result = resumable(result);
        self.blocked |= matches!(&result, Err(error) if error.kind() == ErrorKind::WouldBlock);
        result
    }
}

/// Systems differ in how they call it.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn resumable<R>(result: io::Result<R>) -> io::Result<R> {
    result.map_err(|error| {
        if is_timeout(&error) {
            ErrorKind::WouldBlock.into()
        } else {
            error
        }
    })
}

impl<IO: Transport> Read for Timed<'_, IO> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(early) = self.early.as_mut().filter(|early| !early.is_empty()) {
            let n = early.as_slice().read(buf)?;
            early.drain(..n);
            return Ok(n);
        }
        self.before_read()?;
        resumable(self.io.read(buf))
    }
}

impl<IO: Transport> Write for Timed<'_, IO> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.before_write()?;
        let result = self.io.write(buf);
        self.after_write(result)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.before_write()?;
        let result = self.io.write_vectored(bufs);
        self.after_write(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.before_write()?;
        let result = self.io.flush();
        self.after_write(result)
    }
}
