use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use starttls_core::Phase;

use crate::Error;
use crate::telemetry::Telemetry;

mod plain;
pub use plain::Negotiation;

mod line;

mod pool;

mod tls;

/// Moves the bytes of one connection between a stream and a [`Phase`]: the logic of reading, writing, flushing, closing and upgrading, once
/// for all adapters.
///
/// The stream is borrowed for each call. Where it says [`ErrorKind::WouldBlock`] the call ends with that and nothing is lost: make the
/// same call again when the stream is ready. An adapter for an async runtime is that and nothing else: `Pending` is `WouldBlock`, in both
/// directions. Any method may both read and write, so both directions' readiness must wake whoever waits.
///
/// Its rules: everything is sent (and the stream flushed) before input is waited for; while sending is blocked, input is still taken in,
/// as far as the limits go; an error of the transport stays, each direction for itself.
#[derive(Debug)]
pub struct Driver<P> {
    phase: P,
    link: Link,
}

/// What is known of the stream; it outlives the phases.
#[derive(Debug, Default)]
struct Link {
    /// Something was written since it was flushed.
    unflushed: bool,
    /// The peer has sent something.
    heard: bool,
    /// What arrives now has come after the boundary.
    at_boundary: bool,
    /// Decrypted data that was taken out of the phase in search of the end of a line.
    taken_out: Vec<u8>,
    /// What comes is worth a large buffer, and how many times in a row it was not.
    comes_large: bool,
    came_small: u8,
    telemetry: Telemetry,
    read_failed: Option<Arc<io::Error>>,
    write_failed: Option<Arc<io::Error>>,
}

impl Link {
    /// `n` bytes were received where `most` would have been.
    #[inline]
    fn note_size(&mut self, n: usize, most: usize) {
        /// A pause in a long transfer is not its end.
        const SEVERAL: u8 = 4;
        self.heard |= n > 0;
        if n == most {
            self.comes_large = true;
            self.came_small = 0;
        } else if self.comes_large && n <= pool::SMALL {
            self.came_small = self.came_small.saturating_add(1);
            self.comes_large = self.came_small < SEVERAL;
        }
    }
}

impl<P> Driver<P> {
    /// The peer has sent something on this connection.
    pub fn has_heard(&self) -> bool {
        self.link.heard
    }

    /// The upgrade was given up by somebody else than this.
    pub(crate) fn give_up(&mut self, error: &Error) {
        self.link.telemetry.failed(error);
    }

    /// What came of a part of an upgrade, told to whoever listens if it is the end of it.
    fn told<R>(&mut self, result: io::Result<R>) -> io::Result<R> {
        result.map_err(|error| {
            if error.kind() == ErrorKind::WouldBlock {
                return error;
            }
            let error = Error::from(error);
            self.link.telemetry.failed(&error);
            error.into()
        })
    }
}

impl<P: Phase> Driver<P> {
    /// The state machine.
    pub fn phase(&self) -> &P {
        &self.phase
    }

    /// Sends everything and flushes the stream. While sending is blocked, input is still taken in: the peer may be blocked the same
    /// way.
    ///
    /// # Errors
    /// Those of the stream; [`ErrorKind::WriteZero`] if it takes nothing.
    pub fn flush(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        let flushed = self.try_flush(io);
        if would_block(&flushed) {
            while self.phase.wants_input() && self.fill(io).is_ok() {}
        }
        flushed
    }

    fn try_flush(&mut self, io: &mut impl Write) -> io::Result<()> {
        self.send(io)?;
        if self.link.unflushed {
            let flushed = retry(|| io.flush());
            self.note_write(flushed)?;
            self.link.unflushed = false;
        }
        Ok(())
    }

    fn send(&mut self, io: &mut impl Write) -> io::Result<()> {
        if let Some(error) = &self.link.write_failed {
            return Err(again(error));
        }
        while self.phase.has_output() {
            let sent = retry(|| self.phase.transmit_to(io));
            if matches!(sent, Ok(0)) {
                self.note_write(Err(ErrorKind::WriteZero.into()))?;
            }
            self.note_write(sent.map(drop))?;
            self.link.unflushed = true;
        }
        Ok(())
    }

    /// Receives once.
    fn fill(&mut self, io: &mut impl Read) -> io::Result<()> {
        if let Some(error) = &self.link.read_failed {
            return Err(again(error));
        }
        // What a reader has left of the last one is a part of a record, and goes to rustls by now.
        self.give_back();
        let most = self.phase.takes_buffer();
        if most > 0 {
            return self.fill_lent(io, most);
        }
        let buffer = self.phase.receive_buffer();
        if buffer.is_empty() {
            // A stream that reads nothing into nothing is not at its end.
            return Err(ErrorKind::OutOfMemory.into());
        }
        let space = buffer.len();
        match retry(|| io.read(buffer)) {
            Ok(0) => self.phase.handle_eof(),
            Ok(n) => {
                self.link.note_size(n, space);
                self.phase.received(n);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.phase.received(0);
                return Err(error);
            }
            Err(error) => return Err(self.fail_reading(error)),
        }
        Ok(())
    }

    /// Receives once, at most `most` bytes, into a buffer that comes back when nothing is held in it.
    fn fill_lent(&mut self, io: &mut impl Read, most: usize) -> io::Result<()> {
        pool::lend(self.link.comes_large, |buffer| {
            let most = most.min(buffer.len());
            match retry(|| io.read(&mut buffer[..most])) {
                Ok(0) => self.phase.handle_eof(),
                Ok(n) => {
                    self.link.note_size(n, most);
                    self.phase.received_in(buffer, n);
                }
                Err(error) => return Err(self.fail_reading(error)),
            }
            Ok(())
        })
    }

    /// After reading: a buffer that holds nothing any more goes back.
    #[inline]
    fn give_back(&mut self) {
        if let Some(buffer) = self.phase.reclaim_buffer() {
            pool::put(buffer);
        }
    }

    fn fail_reading(&mut self, error: io::Error) -> io::Error {
        if error.kind() == ErrorKind::WouldBlock {
            return error;
        }
        let error = Arc::new(error);
        self.link.read_failed = Some(error.clone());
        again(&error)
    }

    /// Writing has failed where it was not seen from here.
    pub(crate) fn fail_writing(&mut self, error: io::Error) {
        let _ = self.note_write(Err(error));
    }

    /// Sends everything, then receives once: what to do when the peer is to answer. What arrives counts more than a failure to send, since the
    /// peer may have said why it hung up; if nothing does, it was not asked.
    fn exchange(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        if !self.owes_sending() {
            return self.fill(io);
        }
        let sent = self.try_flush(io);
        let received = self.fill(io);
        if would_block(&received) {
            sent.and(received)
        } else {
            received
        }
    }

    /// The same for whoever only reads: the two directions of a transport fail each for itself, and what the peer has to say may be on its way. That
    /// sending has failed is told to whoever writes.
    #[inline]
    fn receive(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        if self.owes_sending() {
            let _ = self.try_flush(io);
        }
        self.fill(io)
    }

    #[inline]
    fn owes_sending(&self) -> bool {
        self.link.unflushed || self.phase.has_output()
    }

    fn note_write(&mut self, result: io::Result<()>) -> io::Result<()> {
        result.map_err(|error| {
            if error.kind() == ErrorKind::WouldBlock {
                return error;
            }
            let error = Arc::new(error);
            self.link.write_failed = Some(error.clone());
            again(&error)
        })
    }
}

/// A failure of the stream, once more.
fn again(error: &Arc<io::Error>) -> io::Error {
    Error::Io(error.clone()).into()
}

fn protocol(error: &starttls_core::Error) -> io::Error {
    Error::from(error.clone()).into()
}

pub(crate) fn retry<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

pub(crate) fn would_block<T>(result: &io::Result<T>) -> bool {
    matches!(result, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// A socket that the peer has left already cannot be shut down, and need not be. Nor can TLS under TLS: all of ours has left, and what is missing is its
/// own `close_notify`.
pub(crate) fn unless_gone(ended: io::Result<()>) -> io::Result<()> {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    match ended {
        Err(error)
            if matches!(
                error.kind(),
                NotConnected | BrokenPipe | ConnectionReset | ConnectionAborted
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}
