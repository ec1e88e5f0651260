use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::{Connection, ServerConfig};
use starttls_core::{
    Accepting, Boundary, Error as CoreError, Incoming, Limits, Negotiator, Phase, Plain, Progress,
    Stage, Tls, UntrustedText, rustls,
};

use super::{Driver, Link, again, protocol, retry, unless_gone, would_block};
use crate::Error;

/// What would be buffered of a read into less than this; one into more needs no buffer of ours. As much as a fresh one has.
const DIRECT: usize = 4 * 1024;

/// As much as a short read takes at once where not more is known to come.
const MESSAGE: usize = 256;

impl Driver<Plain> {
    /// The plaintext phase of a new connection.
    pub fn plain(limits: Limits) -> Self {
        Self {
            phase: Plain::with_limits(limits),
            link: Link::default(),
        }
    }

    /// The plaintext phase after somebody else has read `prefix`.
    pub fn with_prefix(prefix: &[u8], limits: Limits) -> Self {
        Self {
            phase: Plain::with_prefix_and_limits(prefix, limits),
            link: Link {
                heard: !prefix.is_empty(),
                ..Link::default()
            },
        }
    }

    /// Reads plaintext; 0 at the end.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn read(&mut self, io: &mut (impl Read + Write), buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || !self.phase.peek().is_empty() || self.phase.is_eof() {
            let n = self.phase.read(buf);
            self.phase.rest();
            return Ok(n);
        }
        if buf.len() >= DIRECT {
            return self.read_past(io, buf, &mut []);
        }
        if !self.link.comes_large {
            // A message or two need no buffer of the heap's.
            return self.read_past(io, buf, &mut [0; MESSAGE]);
        }
        self.fill_buf(io)?;
        let n = self.phase.read(buf);
        self.phase.rest();
        Ok(n)
    }

    /// Reads into the caller's buffer, straight or by way of `scratch`, which may take more. Nothing is unread before.
    fn read_past(
        &mut self,
        io: &mut (impl Read + Write),
        buf: &mut [u8],
        scratch: &mut [u8],
    ) -> io::Result<usize> {
        if self.owes_sending() {
            let _ = self.try_flush(io);
        }
        if let Some(error) = &self.link.read_failed {
            return Err(again(error));
        }
        let most = scratch.len().min(self.phase.room());
        let read = if most > buf.len() {
            let scratch = &mut scratch[..most];
            retry(|| io.read(scratch)).map(|n| {
                let n = n.min(most);
                self.link.note_size(n, most);
                let (taken, rest) = scratch[..n].split_at(n.min(buf.len()));
                buf[..taken.len()].copy_from_slice(taken);
                self.phase.received_and_consumed(taken.len());
                let kept = self.phase.handle_input(rest);
                debug_assert_eq!(kept, rest.len(), "there was room for it");
                taken.len()
            })
        } else {
            retry(|| io.read(buf)).inspect(|n| {
                self.link.note_size(*n, usize::MAX);
                self.phase.received_and_consumed(*n);
            })
        };
        match read {
            Ok(0) => {
                self.phase.handle_eof();
                Ok(0)
            }
            Ok(n) => Ok(n),
            Err(error) => Err(self.fail_reading(error)),
        }
    }

    /// Receives until there is something, or the end: then [`buffered`](Self::buffered) has it, or nothing.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn fill_buf(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        while self.phase.peek().is_empty() && !self.phase.is_eof() {
            self.receive(io)?;
        }
        Ok(())
    }

    /// What was received and not consumed.
    pub fn buffered(&self) -> &[u8] {
        self.phase.peek()
    }

    /// The first `n` bytes of [`buffered`](Self::buffered) are dealt with.
    pub fn consume(&mut self, n: usize) {
        self.phase.consume(n);
        self.phase.rest();
    }

    /// Writes plaintext; returns how much was taken.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write(&mut self, io: &mut (impl Read + Write), data: &[u8]) -> io::Result<usize> {
        loop {
            if let Some(error) = &self.link.write_failed {
                return Err(again(error));
            }
            if !self.phase.has_output() && !data.is_empty() {
                // Nothing is queued that it would overtake.
                match retry(|| io.write(data)) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Ok(0) => self.note_write(Err(ErrorKind::WriteZero.into()))?,
                    Ok(n) => {
                        self.link.unflushed = true;
                        return Ok(n.min(data.len()));
                    }
                    Err(error) => self.note_write(Err(error))?,
                }
            }
            let n = self.phase.write(data);
            if n > 0 || data.is_empty() {
                // These bytes are ours now: a failure is told at the next call.
                let _ = self.send(io);
                return Ok(n);
            }
            self.flush(io)?;
        }
    }

    /// Sends everything, then ends the stream for writing, by `end`.
    ///
    /// # Errors
    /// Those of the stream and of `end`.
    pub fn shutdown<IO: Read + Write>(
        &mut self,
        io: &mut IO,
        end: impl FnOnce(&mut IO) -> io::Result<()>,
    ) -> io::Result<()> {
        self.flush(io)?;
        unless_gone(end(io))
    }

    /// Runs a negotiator until it is done, or fails and what it had to say was sent.
    ///
    /// # Errors
    /// The negotiator's, those of the limits, and those of the stream.
    pub fn negotiate<N: Negotiator>(
        &mut self,
        io: &mut (impl Read + Write),
        negotiation: &mut Negotiation<N>,
    ) -> io::Result<Boundary> {
        self.link.telemetry.begin();
        let result = self.advance(io, negotiation);
        self.told(result)
    }

    fn advance<N: Negotiator>(
        &mut self,
        io: &mut (impl Read + Write),
        negotiation: &mut Negotiation<N>,
    ) -> io::Result<Boundary> {
        loop {
            if let Some(error) = &negotiation.failed {
                let flushed = self.flush(io);
                return if would_block(&flushed) {
                    Err(ErrorKind::WouldBlock.into())
                } else {
                    Err(protocol(error))
                };
            }
            match self.phase.negotiate(&mut negotiation.negotiator) {
                Ok(Progress::Done(boundary)) => return Ok(boundary),
                Ok(Progress::NeedInput) => self.exchange(io)?,
                Err(error) => negotiation.failed = Some(error),
            }
        }
    }

    /// Where TLS is due, waits for the first byte: whether TLS can begin with it.
    ///
    /// # Errors
    /// [`UnreadPlaintext`](starttls_core::Error::UnreadPlaintext) if something had come before the boundary, for [`Boundary::Exact`];
    /// [`Truncated`](starttls_core::Error::Truncated) if nothing comes; those of the stream.
    pub fn begins_as_tls(
        &mut self,
        io: &mut (impl Read + Write),
        boundary: Boundary,
    ) -> io::Result<bool> {
        /// A handshake record, as a ClientHello is.
        const HANDSHAKE: u8 = 0x16;
        if boundary == Boundary::Exact && !self.link.at_boundary {
            self.refuse_unread()?;
            self.link.at_boundary = true;
        }
        self.fill_buf(io)?;
        self.link.at_boundary = false;
        match self.phase.peek() {
            [first, ..] => Ok(*first == HANDSHAKE),
            [] => Err(protocol(&CoreError::Truncated(Stage::Handshake))),
        }
    }

    /// Sends what is left, for whoever goes on without this.
    ///
    /// # Errors
    /// [`UnreadPlaintext`](starttls_core::Error::UnreadPlaintext); those of the stream.
    pub fn leave(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        self.refuse_unread()?;
        self.try_flush(io)
    }

    fn refuse_unread(&self) -> io::Result<()> {
        match self.phase.peek() {
            [] => Ok(()),
            unread => Err(protocol(&CoreError::UnreadPlaintext {
                count: unread.len(),
                sample: UntrustedText::new(unread),
            })),
        }
    }

    /// Switches; what is queued goes out with the handshake.
    ///
    /// # Errors
    /// As [`Plain::start_tls_at`].
    pub fn start_tls(
        self,
        boundary: Boundary,
        connection: impl Into<Connection>,
    ) -> Result<Driver<Tls>, Error> {
        Ok(Driver {
            phase: self.phase.start_tls_at(boundary, connection)?,
            link: self.link,
        })
    }

    /// Switches as a server that has yet to choose its configuration.
    ///
    /// # Errors
    /// As [`Plain::accept`] for [`Boundary::Exact`].
    pub fn accept(self, boundary: Boundary) -> Result<Driver<Accepting>, Error> {
        let phase = match boundary {
            Boundary::Exact => self.phase.accept()?,
            Boundary::Pipelined => self.phase.accept_with_unread(),
        };
        Ok(Driver {
            phase,
            link: self.link,
        })
    }

    /// What was received and not consumed, and what was queued and not sent.
    pub fn into_parts(self) -> (Vec<u8>, Vec<u8>) {
        self.phase.into_parts()
    }
}

/// A negotiator and, once it has failed, why.
#[derive(Debug)]
pub struct Negotiation<N> {
    negotiator: N,
    failed: Option<starttls_core::Error>,
}

impl<N> Negotiation<N> {
    /// Nothing was said yet.
    pub fn new(negotiator: N) -> Self {
        Self {
            negotiator,
            failed: None,
        }
    }
}

impl Driver<Accepting> {
    /// Receives until the `ClientHello` is complete: then [`Accepting::poll_hello`] has it.
    ///
    /// # Errors
    /// What is wrong with it, after the alert was sent, and those of the stream.
    pub fn hello(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        self.link.telemetry.begin();
        let result = self.wait_for_hello(io);
        self.told(result)
    }

    fn wait_for_hello(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        loop {
            match self.phase.poll_hello() {
                Ok(Incoming::Data(_)) => return Ok(()),
                Ok(Incoming::NeedTransmit) => self.flush(io)?,
                Ok(Incoming::NeedInput | Incoming::Closed) => self.exchange(io)?,
                Err(error) => return Err(protocol(&error)),
            }
        }
    }

    /// Goes on with the handshake under this configuration.
    ///
    /// # Errors
    /// Gives itself back if the configuration does not suit: [`hello`](Self::hello) then sends the alert and has the error.
    pub fn start_tls(self, config: Arc<ServerConfig>) -> Result<Driver<Tls>, Box<Self>> {
        let link = self.link;
        match self.phase.start_tls(config) {
            Ok(phase) => Ok(Driver { phase, link }),
            Err(phase) => Err(Box::new(Driver {
                phase: *phase,
                link,
            })),
        }
    }

    /// As [`Accepting::into_received`].
    pub fn into_received(self) -> Vec<u8> {
        self.phase.into_received()
    }

    /// The state machine.
    pub fn phase_mut(&mut self) -> &mut Accepting {
        &mut self.phase
    }
}
