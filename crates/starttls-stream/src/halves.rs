use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Instant;

use starttls_core::{Error as CoreError, Misuse, Tls};

use crate::driver::{retry, unless_gone, would_block};
use crate::stream::{Stream, Timed, from_now, is_timeout};
use crate::{Deadlines, Driver, Duplicate, Error, TlsStream};

/// The half of a [`TlsStream`] that one thread reads. [`BufReader`](io::BufReader) gives it lines.
///
/// It is blocked in a read of the transport without holding anything that the other half needs. What reading has to answer (to a `KeyUpdate`)
/// is sent by a thread made for it, so that a peer which does not read cannot keep this one from reading.
#[derive(Debug)]
pub struct ReadHalf<IO> {
    shared: Arc<Shared<IO>>,
    io: IO,
    buffer: Vec<u8>,
    /// What was received and the driver has not taken yet.
    unread: Range<usize>,
}

/// The half of a [`TlsStream`] that one thread writes.
///
/// Dropping it sends nothing: [`shutdown`](Self::shutdown) ends our side.
#[derive(Debug)]
pub struct WriteHalf<IO> {
    shared: Arc<Shared<IO>>,
}

/// Two halves that were not made of one stream; here they are again.
#[derive(Debug)]
pub struct ReuniteError<IO>(pub ReadHalf<IO>, pub WriteHalf<IO>);

impl<IO> fmt::Display for ReuniteError<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves of two different streams")
    }
}

impl<IO: fmt::Debug> std::error::Error for ReuniteError<IO> {}

/// Whoever needs both locks takes `outlet` first. Nobody holds `state` while a call blocks.
struct Shared<IO> {
    state: Mutex<State>,
    outlet: Mutex<Outlet<IO>>,
    deadlines: Deadlines,
}

struct State {
    /// Gone once the halves are reunited.
    driver: Option<Driver<Tls>>,
    /// What the driver has sent, as far as it knows.
    outbox: Vec<u8>,
}

/// What is being written to the transport.
struct Outlet<IO> {
    io: IO,
    bytes: Vec<u8>,
    written: usize,
}

pub(crate) fn split<IO: Duplicate>(
    tls: TlsStream<IO>,
) -> io::Result<(ReadHalf<IO>, WriteHalf<IO>)> {
    let Stream {
        io,
        driver,
        early,
        deadlines,
    } = tls.inner;
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            driver: Some(driver),
            outbox: Vec::new(),
        }),
        outlet: Mutex::new(Outlet {
            io: io.try_clone()?,
            bytes: Vec::new(),
            written: 0,
        }),
        deadlines,
    });
    let reader = ReadHalf {
        shared: shared.clone(),
        io,
        unread: 0..early.len(),
        buffer: early,
    };
    Ok((reader, WriteHalf { shared }))
}

impl<IO: Duplicate> ReadHalf<IO> {
    /// One stream again. What was written is sent first, for which there is the time of the deadline for closing.
    ///
    /// # Errors
    /// If the halves are not those of one stream.
    pub fn reunite(mut self, writer: WriteHalf<IO>) -> Result<TlsStream<IO>, ReuniteError<IO>> {
        let shared = writer.shared.clone();
        if !Arc::ptr_eq(&self.shared, &shared) {
            return Err(ReuniteError(self, writer));
        }
        let mut outlet = lock(&shared.outlet);
        let drained = shared.drain(&mut outlet, from_now(shared.deadlines.for_close()));
        let Some(mut driver) = lock(&shared.state).driver.take() else {
            return Err(ReuniteError(self, writer));
        };
        if let Err(error) = drained {
            // What could not be sent is lost with the outlet: nothing may follow it.
            driver.fail_writing(error);
        }
        self.buffer.truncate(self.unread.end);
        self.buffer.drain(..self.unread.start);
        Ok(TlsStream {
            inner: Stream {
                io: self.io,
                driver,
                early: self.buffer,
                deadlines: shared.deadlines,
            },
        })
    }
}

/// What came of an attempt to read.
enum Attempt {
    Done(usize),
    NeedInput,
    Failed(io::Error),
}

/// As much as the driver receives at once.
const BUFFER: usize = 64 * 1024;

impl<IO: Duplicate> Read for ReadHalf<IO> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let Self {
            shared,
            io,
            buffer,
            unread,
        } = self;
        let mut end = None;
        loop {
            let mut arrived = Arrived {
                bytes: buffer.get(unread.clone()).unwrap_or_default(),
                end: end.take(),
            };
            let attempt =
                shared.step(&mut arrived, |driver, line| match driver.read(line, buf) {
                    Ok(n) => Attempt::Done(n),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        match driver.phase().error() {
                            Some(error) => Attempt::Failed(Error::from(error.clone()).into()),
                            None => Attempt::NeedInput,
                        }
                    }
                    Err(error) => Attempt::Failed(error),
                })?;
            unread.start = unread.end - arrived.bytes.len();
            match attempt {
                Attempt::Done(n) => {
                    shared.answer();
                    return Ok(n);
                }
                Attempt::NeedInput => shared.answer(),
                Attempt::Failed(error) => {
                    // The alert, unless the writer is at it. Whether it gets out changes nothing.
                    let _ = shared.try_send(from_now(shared.deadlines.for_close()));
                    return Err(error);
                }
            }
            if unread.start == unread.end {
                buffer.resize(BUFFER, 0);
                match retry(|| io.read(buffer)) {
                    Ok(0) => end = Some(Ok(0)),
                    Ok(n) => *unread = 0..n,
                    Err(error) if is_timeout(&error) => return Err(ErrorKind::TimedOut.into()),
                    Err(error) => end = Some(Err(error)),
                }
            }
        }
    }
}

impl<IO: Duplicate> WriteHalf<IO> {
    /// Sends our `close_notify` and leaves the transport open for writing, as [`TlsStream::send_close_notify`].
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub fn send_close_notify(&mut self) -> Result<(), Error> {
        let until = from_now(self.shared.deadlines.for_close());
        Ok(self.complete(until, |driver, line| driver.close(line))?)
    }

    /// Sends our `close_notify` and ends the transport's writing, as [`TlsStream::shutdown`].
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub fn shutdown(&mut self) -> Result<(), Error> {
        let closed = self.send_close_notify();
        if matches!(&closed, Err(error) if error.kind() == ErrorKind::TimedOut) {
            return closed;
        }
        // The transport ends here however TLS has ended.
        let shut = unless_gone(lock(&self.shared.outlet).io.shutdown_write());
        closed.and(shut.map_err(Error::from))
    }

    /// Does what the driver needs no input for, until all that it has made of it is sent.
    fn complete(
        &mut self,
        until: Option<Instant>,
        mut step: impl FnMut(&mut Driver<Tls>, &mut Line<'_, '_>) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let done = self.shared.step(&mut Arrived::default(), &mut step)?;
            let sent = self.shared.send(until);
            if would_block(&done) {
                sent?;
                continue;
            }
            done.and(sent)?;
            // By now it is known whether the transport took it.
            return self.shared.step(&mut Arrived::default(), &mut step)?;
        }
    }
}

impl<IO: Duplicate> Write for WriteHalf<IO> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            let taken = self.shared.step(&mut Arrived::default(), |driver, line| {
                driver.write(line, bufs)
            })?;
            if would_block(&taken) {
                self.shared.send(None)?;
                continue;
            }
            if taken.is_ok() {
                // These bytes are ours now: a failure is told at the next call.
                let _ = self.shared.try_send(None);
            }
            return taken;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.complete(None, |driver, line| driver.flush(line))
    }
}

impl<IO: Duplicate> Shared<IO> {
    /// Lets the driver go as far as it can without the transport.
    fn step<R>(
        &self,
        arrived: &mut Arrived<'_>,
        step: impl FnOnce(&mut Driver<Tls>, &mut Line<'_, '_>) -> R,
    ) -> io::Result<R> {
        let State { driver, outbox } = &mut *lock(&self.state);
        match driver {
            Some(driver) => Ok(step(driver, &mut Line { arrived, outbox })),
            None => Err(Error::from(CoreError::from(Misuse::Finished)).into()),
        }
    }

    /// Sends what reading has made, without waiting for it.
    fn answer(self: &Arc<Self>) {
        if lock(&self.state).outbox.is_empty() || try_lock(&self.outlet).is_none() {
            // Nothing, or there is somebody who sends it.
            return;
        }
        let shared = self.clone();
        let send = move || shared.try_send(from_now(shared.deadlines.for_close()));
        // If there cannot be a thread, it goes with what is written next.
        let _ = thread::Builder::new()
            .name("starttls answer".to_owned())
            .spawn(send);
    }

    /// Sends what there is to send. Whoever is at it already sends this too.
    fn try_send(&self, until: Option<Instant>) -> io::Result<()> {
        // What came while the lock was held and was left to us, is seen after it was let go.
        while let Some(mut outlet) = try_lock(&self.outlet) {
            self.drain(&mut outlet, until)?;
            drop(outlet);
            if lock(&self.state).outbox.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Sends what there is to send, and returns when it is sent.
    fn send(&self, until: Option<Instant>) -> io::Result<()> {
        self.drain(&mut lock(&self.outlet), until)?;
        self.try_send(until)
    }

    /// # Errors
    /// Timeouts only: any other failure is noted with the driver.
    fn drain(&self, outlet: &mut Outlet<IO>, until: Option<Instant>) -> io::Result<()> {
        let Outlet { io, bytes, written } = outlet;
        let mut io = Timed::new(io, until);
        let drained = loop {
            match bytes.get(*written..) {
                None | Some([]) => {
                    bytes.clear();
                    *written = 0;
                    self.collect(bytes);
                    if bytes.is_empty() {
                        break retry(|| io.flush());
                    }
                }
                Some(rest) => match retry(|| io.write(rest)) {
                    Ok(0) => break Err(ErrorKind::WriteZero.into()),
                    Ok(n) => *written += n,
                    Err(error) => break Err(error),
                },
            }
        };
        if would_block(&drained) {
            return io.finish(drained);
        }
        if let Err(error) = io.finish(drained) {
            bytes.clear();
            *written = 0;
            let State { driver, outbox } = &mut *lock(&self.state);
            outbox.clear();
            if let Some(driver) = driver {
                driver.fail_writing(error);
            }
        }
        Ok(())
    }

    /// Takes everything that there is to send.
    fn collect(&self, bytes: &mut Vec<u8>) {
        let State { driver, outbox } = &mut *lock(&self.state);
        if let Some(driver) = driver {
            // It has failed, or has more than the outbox holds at once: that is for the next time.
            let _ = driver.flush(&mut Line {
                arrived: &mut Arrived::default(),
                outbox,
            });
        }
        std::mem::swap(bytes, outbox);
    }
}

/// What was received and the driver has not taken yet.
#[derive(Default)]
struct Arrived<'a> {
    bytes: &'a [u8],
    /// What is behind it, if that is known.
    end: Option<io::Result<usize>>,
}

/// The transport as the driver sees it, which never blocks.
struct Line<'a, 'b> {
    arrived: &'a mut Arrived<'b>,
    outbox: &'a mut Vec<u8>,
}

impl Read for Line<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.arrived.bytes.is_empty() {
            return self.arrived.bytes.read(buf);
        }
        let end = self.arrived.end.take();
        end.unwrap_or(Err(ErrorKind::WouldBlock.into()))
    }
}

impl Line<'_, '_> {
    /// How much is held beside what is being written. 64 KiB, as much as the state machine itself holds.
    const OUTBOX: usize = 64 * 1024;
}

impl Write for Line<'_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let before = self.outbox.len();
        if before >= Self::OUTBOX {
            return Err(ErrorKind::WouldBlock.into());
        }
        for buf in bufs {
            self.outbox.extend_from_slice(buf);
        }
        Ok(self.outbox.len() - before)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<IO> fmt::Debug for Shared<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A thread that has panicked with the lock has left nothing half-done that would matter more than the panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
