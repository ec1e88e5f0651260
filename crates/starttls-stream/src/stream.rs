use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::adapter::Driver;
use crate::driver::would_block;
use crate::{Deadlines, Error, Transport, Waiting};

/// A blocking transport and the state of the connection over it: what the blocking streams are made of.
#[derive(Debug)]
pub(crate) struct Stream<IO, P> {
    pub(crate) io: IO,
    pub(crate) driver: Driver<P>,
    /// Received by a half, and not yet taken by the driver.
    pub(crate) early: Vec<u8>,
    pub(crate) deadlines: Deadlines,
    pub(crate) dialogue: Dialogue,
}

/// The plaintext phase as far as it has a deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialogue {
    Before,
    Until(Option<Instant>),
    Over,
}

impl<IO, P> Stream<IO, P> {
    pub(crate) fn new(io: IO, driver: Driver<P>) -> Self {
        Self {
            io,
            driver,
            early: Vec::new(),
            deadlines: Deadlines::default(),
            dialogue: Dialogue::Before,
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
            dialogue: Dialogue::Over,
        })
    }

    /// The transport, the state of the connection, and what was received and the driver has not taken yet.
    pub(crate) fn into_inner(self) -> (IO, Driver<P>, Vec<u8>) {
        (self.io, self.driver, self.early)
    }

    /// When an upgrade that begins now must be done.
    pub(crate) fn upgrade_until(&self) -> Option<Instant> {
        from_now(self.deadlines.for_upgrade())
    }

    /// When the plaintext phase must be over.
    fn dialogue_until(&mut self) -> Option<Instant> {
        if matches!(self.dialogue, Dialogue::Before) {
            let limit = self.deadlines.for_dialogue()?;
            self.dialogue = Dialogue::Until(from_now(Some(limit)));
        }
        match self.dialogue {
            Dialogue::Until(until) => until,
            Dialogue::Before | Dialogue::Over => None,
        }
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
        waiting: Waiting,
        until: Option<Instant>,
        mut step: impl FnMut(&mut Driver<P>, &mut Timed<'_, IO>) -> io::Result<R>,
    ) -> Result<R, Error> {
        let until = until.into_iter().chain(self.dialogue_until()).min();
        let mut timed = Timed::new(&mut self.io, until).after(&mut self.early);
        timed.alternating = until.is_some();
        let result = loop {
            timed.blocked = false;
            let result = step(&mut self.driver, &mut timed);
            if !(would_block(&result) && timed.blocked && timed.may_go_on()) {
                break result;
            }
        };
        let heard = self.driver.has_heard();
        let result = timed.finish(result, Error::Deadline { waiting, heard });
        result.map_err(|error| {
            let error = Error::from(error);
            self.driver.give_up(&error);
            error
        })
    }

    /// A driver method that takes as long as the transport lets it.
    pub(crate) fn call<R>(
        &mut self,
        step: impl FnOnce(&mut Driver<P>, &mut Timed<'_, IO>) -> io::Result<R>,
    ) -> io::Result<R> {
        let until = self.dialogue_until();
        let mut timed = Timed::new(&mut self.io, until).after(&mut self.early);
        let result = step(&mut self.driver, &mut timed);
        let (waiting, heard) = (Waiting::Negotiation, self.driver.has_heard());
        timed.finish(result, Error::Deadline { waiting, heard })
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
    /// Since when writing makes no progress.
    blocked_since: Option<Instant>,
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
            blocked_since: None,
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

    /// Gives the transport its own timeouts back, and tells what a timeout was: `expired` if it was the deadline.
    pub(crate) fn finish<R>(
        self,
        result: io::Result<R>,
        expired: impl Into<io::Error>,
    ) -> io::Result<R> {
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
                Some(_) if !in_time => expired.into(),
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

    /// Neither the deadline nor the transport's own patience with a write is over.
    fn may_go_on(&self) -> bool {
        let own = self.write_timeout.flatten().zip(self.blocked_since);
        self.is_in_time() && own.is_none_or(|(limit, since)| since.elapsed() < limit)
    }

    /// The time for a call: what is left of the deadline, but no more than the transport's own timeout and than `at_most`.
    fn left(
        &self,
        own: Option<Duration>,
        at_most: Option<Duration>,
    ) -> io::Result<Option<Duration>> {
        let Some(until) = self.until else {
            return Ok(None);
        };
        let left = until.saturating_duration_since(Instant::now());
        let left = [own, at_most].into_iter().flatten().fold(left, Ord::min);
        if left.is_zero() {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Some(left))
    }

    /// How long the next read may take, where that is limited from here.
    fn before_read(&mut self) -> io::Result<Option<Duration>> {
        if self.until.is_none() {
            return if self.blocked {
                Err(ErrorKind::WouldBlock.into())
            } else {
                Ok(None)
            };
        }
        let own = match self.read_timeout {
            Some(own) => own,
            None => *self.read_timeout.insert(self.io.read_timeout()?),
        };
        let left = self.left(own, self.blocked.then_some(BRIEFLY))?;
        self.io.set_read_timeout(left)?;
        Ok(left)
    }

    /// The same for the next write.
    fn before_write(&mut self) -> io::Result<Option<Duration>> {
        if self.until.is_none() {
            return Ok(None);
        }
        let own = match self.write_timeout {
            Some(own) => own,
            None => *self.write_timeout.insert(self.io.write_timeout()?),
        };
        // One attempt may be made of many calls.
        let waited = self
            .blocked_since
            .map_or(Duration::ZERO, |since| since.elapsed());
        let own = own.map(|own| own.saturating_sub(waited));
        let left = self.left(own, self.alternating.then_some(BRIEFLY))?;
        self.io.set_write_timeout(left)?;
        Ok(left)
    }

    fn writing<R>(&mut self, attempt: impl FnMut(&mut IO) -> io::Result<R>) -> io::Result<R> {
        let limit = self.before_write()?;
        let begun = Instant::now();
        let result = patiently(self.io, limit, attempt);
        if would_block(&result) {
            self.blocked = true;
            self.blocked_since.get_or_insert(begun);
        } else {
            self.blocked_since = None;
        }
        result
    }
}

/// How long one direction waits before the other is tried: as long as nobody notices.
const BRIEFLY: Duration = Duration::from_millis(10);

/// A call that blocks for `limit`. A transport that does not block is tried again now and then for as long: it has no other way to wait.
fn patiently<IO, R>(
    io: &mut IO,
    limit: Option<Duration>,
    mut attempt: impl FnMut(&mut IO) -> io::Result<R>,
) -> io::Result<R> {
    const NAP: Duration = Duration::from_millis(5);
    let begun = Instant::now();
    loop {
        let tried = Instant::now();
        let result = resumable(attempt(io));
        let Some(limit) = limit.filter(|_| would_block(&result)) else {
            return result;
        };
        let left = limit.saturating_sub(begun.elapsed());
        // Systems are not exact about timeouts.
        let has_blocked = tried.elapsed() >= limit / 2;
        if has_blocked || left.is_zero() {
            return result;
        }
        thread::sleep(NAP.min(left));
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
        let limit = self.before_read()?;
        patiently(self.io, limit, |io| io.read(buf))
    }
}

impl<IO: Transport> Write for Timed<'_, IO> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.writing(|io| io.write(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writing(|io| io.write_vectored(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writing(IO::flush)
    }
}
