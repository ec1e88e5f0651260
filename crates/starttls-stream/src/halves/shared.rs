use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use starttls_core::{Error as CoreError, Misuse, Tls};

use crate::adapter::Driver;
use crate::driver::{retry, would_block};
use crate::stream::{Timed, from_now};
use crate::{Deadlines, Duplicate, Error, Waiting};

/// Whoever needs both locks takes `outlet` first. Nobody holds `state` while a call blocks.
pub(super) struct Shared<IO> {
    pub(super) state: Mutex<State>,
    pub(super) outlet: Mutex<Outlet<IO>>,
    pub(super) deadlines: Deadlines,
    /// A thread is sending what reading has made.
    answering: AtomicBool,
}

pub(super) struct State {
    /// Gone once the halves are reunited.
    pub(super) driver: Option<Driver<Tls>>,
    /// What the driver has sent, as far as it knows.
    outbox: Vec<u8>,
}

/// What is being written to the transport.
pub(super) struct Outlet<IO> {
    pub(super) io: IO,
    bytes: Vec<u8>,
    written: usize,
}

impl<IO> Shared<IO> {
    pub(super) fn new(driver: Driver<Tls>, io: IO, deadlines: Deadlines) -> Self {
        Self {
            state: Mutex::new(State {
                driver: Some(driver),
                outbox: Vec::new(),
            }),
            outlet: Mutex::new(Outlet {
                io,
                bytes: Vec::new(),
                written: 0,
            }),
            deadlines,
            answering: AtomicBool::new(false),
        }
    }
}

impl<IO: Duplicate> Shared<IO> {
    /// Lets the driver go as far as it can without the transport.
    pub(super) fn step<R>(
        &self,
        arrived: &mut Arrived<'_>,
        step: impl FnOnce(&mut Driver<Tls>, &mut Line<'_, '_>) -> R,
    ) -> io::Result<R> {
        let State { driver, outbox } = &mut *lock(&self.state);
        let limit = OUTBOX;
        match driver {
            Some(driver) => Ok(step(
                driver,
                &mut Line {
                    arrived,
                    outbox,
                    limit,
                },
            )),
            None => Err(Error::from(CoreError::from(Misuse::Finished)).into()),
        }
    }

    /// Sends what reading has made, without waiting for it.
    pub(super) fn answer(self: &Arc<Self>) {
        if lock(&self.state).outbox.is_empty()
            || try_lock(&self.outlet).is_none()
            || self.answering.swap(true, Ordering::SeqCst)
        {
            // Nothing, or there is somebody who sends it.
            return;
        }
        let shared = self.clone();
        // If there cannot be a thread, it goes with what is written next.
        let answering = thread::Builder::new()
            .name("starttls answer".to_owned())
            .spawn(move || shared.answer_patiently());
        if answering.is_err() {
            self.answering.store(false, Ordering::SeqCst);
        }
    }

    /// Sends within the deadline for closing, but only as long as there is a half: what nobody owns any more must not keep the transport open.
    fn answer_patiently(self: Arc<Self>) {
        /// How soon a transport is let go.
        const STEP: Duration = Duration::from_millis(100);
        let until = from_now(self.deadlines.for_close());
        loop {
            let in_time = until.is_none_or(|until| Instant::now() < until);
            if Arc::strong_count(&self) == 1 || !in_time {
                self.answering.store(false, Ordering::SeqCst);
                break;
            }
            let step = from_now(Some(STEP));
            if self.try_send(until.into_iter().chain(step).min()).is_err() {
                continue;
            }
            self.answering.store(false, Ordering::SeqCst);
            // What was made since then, nobody else has seen to.
            if lock(&self.state).outbox.is_empty() || self.answering.swap(true, Ordering::SeqCst) {
                break;
            }
        }
    }

    /// Sends what there is to send. Whoever is at it already sends this too.
    pub(super) fn try_send(&self, until: Option<Instant>) -> io::Result<()> {
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
    pub(super) fn send(&self, until: Option<Instant>) -> io::Result<()> {
        self.drain(&mut lock(&self.outlet), until)?;
        self.try_send(until)
    }

    /// # Errors
    /// Timeouts only: any other failure is noted with the driver.
    pub(super) fn drain(&self, outlet: &mut Outlet<IO>, until: Option<Instant>) -> io::Result<()> {
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
        let (waiting, heard) = (Waiting::Close, true);
        let blocked = would_block(&drained);
        let drained = io.finish(drained, Error::Deadline { waiting, heard });
        if blocked {
            return drained;
        }
        if let Err(error) = drained {
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
                limit: OUTBOX,
            });
        }
        std::mem::swap(bytes, outbox);
    }
}

/// What was received and the driver has not taken yet.
#[derive(Default)]
pub(super) struct Arrived<'a> {
    pub(super) bytes: &'a [u8],
    /// What is behind it, if that is known.
    pub(super) end: Option<io::Result<usize>>,
}

/// The transport as the driver sees it, which never blocks.
pub(super) struct Line<'a, 'b> {
    arrived: &'a mut Arrived<'b>,
    outbox: &'a mut Vec<u8>,
    /// How much may be held there already for more to be taken.
    limit: usize,
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

/// How much is held beside what is being written. 64 KiB, as much as the state machine itself holds.
const OUTBOX: usize = 64 * 1024;

impl Line<'_, '_> {
    /// Takes what reading makes only if nothing is waiting to be sent: as long as the state machine has an answer to a `KeyUpdate`, it makes no other.
    pub(super) fn for_reading(&mut self) -> &mut Self {
        self.limit = 1;
        self
    }
}

impl Write for Line<'_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let before = self.outbox.len();
        if before >= self.limit {
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
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
