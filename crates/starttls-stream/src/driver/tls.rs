use std::io::{self, ErrorKind, IoSlice, Read, Write};

use starttls_core::{Error, Incoming, Limits, Misuse, Phase, Plain, Stage, Tls, TlsParts};

use super::{Driver, Link, protocol, unless_gone, would_block};

impl Driver<Tls> {
    /// TLS from the first byte, where there is nothing to negotiate.
    pub fn implicit(
        connection: impl Into<starttls_core::rustls::Connection>,
        limits: Limits,
    ) -> Self {
        Self {
            phase: Tls::implicit_with_limits(connection, limits),
            link: Link::default(),
        }
    }

    /// Completes the handshake and sends our last flight.
    ///
    /// # Errors
    /// Why it failed, after the alert was sent, and those of the stream. Not that the last flight cannot be sent: a client that has said all it
    /// wanted may be gone before it has our tickets, and what it said is to be read. The next write tells.
    pub fn handshake(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        self.link.telemetry.begin();
        let result = self.shake_hands(io);
        if result.is_ok() {
            self.link.telemetry.succeeded(self.phase.connection());
        }
        self.told(result)
    }

    fn shake_hands(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        while self.phase.is_handshaking() {
            if self.phase.error().is_some() {
                return Err(self.fail(io));
            }
            self.exchange(io)?;
        }
        let sent = self.flush(io);
        if would_block(&sent) { sent } else { Ok(()) }
    }

    /// Reads; 0 after the peer's `close_notify`.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] where the connection ended without it, the one that ended TLS, and those of the stream.
    pub fn read(&mut self, io: &mut (impl Read + Write), buf: &mut [u8]) -> io::Result<usize> {
        if !self.link.taken_out.is_empty() {
            let n = self.link.taken_out.as_slice().read(buf)?;
            self.consume(n);
            return Ok(n);
        }
        if self.phase.awaits_input() && !buf.is_empty() {
            // The same as below, without asking for what is not there.
            self.receive(io)?;
        }
        loop {
            match self.phase.read(buf) {
                Ok(Incoming::Data(n)) => {
                    self.give_back();
                    self.send_answers(io);
                    return Ok(n);
                }
                Ok(Incoming::NeedInput) if !self.phase.is_handshaking() => self.receive(io)?,
                Ok(incoming) => {
                    if self.no_data(io, incoming)? {
                        return Ok(0);
                    }
                }
                Err(error) => return Err(protocol(&error)),
            }
        }
    }

    /// Receives until there is decrypted data, or the end: then [`buffered`](Self::buffered) has it, or nothing.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn fill_buf(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        if !self.link.taken_out.is_empty() {
            return Ok(());
        }
        self.fill_phase(io)
    }

    /// The same of what the state machine has.
    pub(super) fn fill_phase(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        loop {
            match self.phase.peek().map(|incoming| incoming.map(drop)) {
                Ok(Incoming::Data(())) => {
                    self.give_back();
                    self.send_answers(io);
                    return Ok(());
                }
                Ok(Incoming::NeedInput) if !self.phase.is_handshaking() => self.receive(io)?,
                Ok(incoming) => {
                    if self.no_data(io, incoming)? {
                        return Ok(());
                    }
                }
                Err(error) => return Err(protocol(&error)),
            }
        }
    }

    /// Decrypted data, as much as there is in one piece.
    pub fn buffered(&mut self) -> &[u8] {
        if !self.link.taken_out.is_empty() {
            return &self.link.taken_out;
        }
        match self.phase.peek() {
            Ok(Incoming::Data(data)) => data,
            _ => &[],
        }
    }

    /// The first `n` bytes of [`buffered`](Self::buffered) are dealt with.
    pub fn consume(&mut self, n: usize) {
        let taken_out = &mut self.link.taken_out;
        if taken_out.is_empty() {
            self.phase.consume(n);
            self.give_back();
        } else {
            taken_out.drain(..n.min(taken_out.len()));
        }
    }

    /// Data that was read is unread again, in front of all the rest.
    pub fn put_back(&mut self, data: &[u8]) {
        self.link.taken_out.splice(..0, data.iter().copied());
    }

    /// Encrypts under new keys from here on, and asks the peer to do so.
    ///
    /// # Errors
    /// As [`Tls::refresh_traffic_keys`].
    pub fn refresh_traffic_keys(&mut self) -> Result<(), crate::Error> {
        Ok(self.phase.refresh_traffic_keys()?)
    }

    /// The state machine's parts, with everything that is held here.
    pub fn into_parts(self) -> TlsParts {
        let mut parts = self.phase.into_parts();
        parts.decrypted.splice(..0, self.link.taken_out);
        parts
    }

    /// Encrypts and sends; returns how much was taken, which is then ours to send, with [`flush`](Self::flush) at the latest.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenPipe`] after [`close`](Self::close), the one that ended TLS, and those of the stream.
    pub fn write(
        &mut self,
        io: &mut (impl Read + Write),
        data: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        loop {
            if let Some(error) = &self.link.write_failed {
                return Err(super::again(error));
            }
            let n = self
                .phase
                .write_vectored(data)
                .map_err(|error| protocol(&error))?;
            if n > 0 {
                // These bytes are ours now: a failure is told at the next call.
                let _ = self.send(io);
                return Ok(n);
            }
            if self.phase.is_handshaking() {
                self.handshake(io)?;
            } else if data.iter().all(|slice| slice.is_empty()) {
                return Ok(0);
            } else {
                self.flush(io)?;
            }
        }
    }

    /// Ends our side: `close_notify` is sent and the stream flushed, and not shut down. It does not wait for the peer.
    ///
    /// # Errors
    /// The one that ended TLS, and those of the stream.
    pub fn close(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        self.phase.close();
        match self.phase.error() {
            // The peer's direction alone has ended.
            None | Some(Error::Truncated(Stage::Traffic)) => self.flush(io),
            Some(_) => Err(self.fail(io)),
        }
    }

    /// Ends our side and then the stream's, by `end`, however TLS has ended.
    ///
    /// # Errors
    /// As [`close`](Self::close), and those of `end`.
    pub fn shutdown<IO: Read + Write>(
        &mut self,
        io: &mut IO,
        end: impl FnOnce(&mut IO) -> io::Result<()>,
    ) -> io::Result<()> {
        let closed = self.close(io);
        if would_block(&closed) {
            return closed;
        }
        let ended = unless_gone(end(io));
        if would_block(&ended) {
            ended
        } else {
            closed.and(ended)
        }
    }

    /// Ends both sides: sends `close_notify` and waits for the peer's. Then [`into_plain`](Self::into_plain) is possible.
    ///
    /// # Errors
    /// [`Misuse::NotClosed`] if the peer sends data instead, which would be lost; the one that ended TLS; those of the stream.
    pub fn stop(&mut self, io: &mut (impl Read + Write)) -> io::Result<()> {
        self.phase.close();
        loop {
            if !self.link.taken_out.is_empty() {
                return Err(protocol(&Misuse::NotClosed.into()));
            }
            match self.phase.peek().map(|incoming| incoming.map(drop)) {
                Ok(Incoming::Data(())) => return Err(protocol(&Misuse::NotClosed.into())),
                Ok(incoming) => {
                    if self.no_data(io, incoming)? {
                        return self.flush(io);
                    }
                }
                Err(error) => return Err(protocol(&error)),
            }
        }
    }

    /// Back to plaintext after [`stop`](Self::stop).
    ///
    /// # Errors
    /// As [`Tls::stop_tls`].
    pub fn into_plain(self) -> Result<Driver<Plain>, crate::Error> {
        Ok(Driver {
            phase: self.phase.stop_tls()?,
            link: self.link,
        })
    }

    /// What to do where there is no data: true at the end, false to try again.
    fn no_data<T>(
        &mut self,
        io: &mut (impl Read + Write),
        incoming: Incoming<T>,
    ) -> io::Result<bool> {
        match incoming {
            Incoming::Data(_) => {}
            Incoming::Closed => {
                self.send_answers(io);
                return Ok(true);
            }
            Incoming::NeedInput => self.exchange(io)?,
            Incoming::NeedTransmit => return Err(self.fail(io)),
        }
        Ok(false)
    }

    /// TLS has failed: the alert goes out first, then the error is told. Where the alert cannot be sent, it is the same error.
    fn fail(&mut self, io: &mut (impl Read + Write)) -> io::Error {
        let sent = self.try_flush(io);
        match self.phase.error() {
            _ if would_block(&sent) => ErrorKind::WouldBlock.into(),
            Some(error) => protocol(error),
            None => protocol(&Misuse::Finished.into()),
        }
    }

    /// What reading has made (an answer to a `KeyUpdate`, an alert) leaves without waiting for a write.
    fn send_answers(&mut self, io: &mut (impl Read + Write)) {
        if self.phase.has_output() {
            // A failure is told at the next write or flush.
            let _ = self.try_flush(io);
        }
    }
}
