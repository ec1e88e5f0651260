use std::fmt;
use std::io::{self, IoSlice, Write};

use rustls::enums::ProtocolVersion;
use rustls::{CommonState, Connection};

use crate::engine::Engine;
use crate::input::Input;
use crate::phase::Sealed;
use crate::record::{self, Front};
use crate::wire::Wire;
use crate::{Error, Misbehaviour, Misuse, Phase, Plain, Stage, UntrustedText};

/// What [`Tls::read`] and [`Tls::peek`] have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Incoming<T> {
    /// Decrypted data.
    Data(T),
    /// Nothing now: send what there is to send, then hand in more input.
    NeedInput,
    /// The connection has failed and owes the peer an alert: send it, then ask again for the error.
    NeedTransmit,
    /// The peer has sent `close_notify`, and everything before it was read.
    Closed,
}

impl<T> Incoming<T> {
    /// The same with other data.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Incoming<U> {
        match self {
            Self::Data(data) => Incoming::Data(f(data)),
            Self::NeedInput => Incoming::NeedInput,
            Self::NeedTransmit => Incoming::NeedTransmit,
            Self::Closed => Incoming::Closed,
        }
    }
}

/// The TLS phase: handshake, traffic, close.
pub struct Tls {
    engine: Box<Engine>,
    /// What crosses the boundary; its input is empty in this phase.
    wire: Wire,
    input: Input,
    output: Vec<u8>,
    sent: usize,
    state: State,
    closed: bool,
    exporter: Option<[u8; 32]>,
}

/// Where the peer's side of the connection stands. Ours is only open or closed.
enum State {
    /// Bytes used so far.
    Handshake(usize),
    Traffic,
    Closed,
    Failed(Box<Error>),
}

impl Tls {
    pub(crate) fn new(connection: Connection, mut wire: Wire) -> Self {
        let (engine, output) = Engine::new(connection);
        let mut input = Input::default();
        input.append(wire.input.filled(), usize::MAX);
        wire.input.consume(usize::MAX);
        wire.input.release();
        wire.output.release();
        let mut tls = Self {
            engine: Box::new(engine),
            wire,
            input,
            output,
            sent: 0,
            state: State::Handshake(0),
            closed: false,
            exporter: None,
        };
        tls.advance();
        tls
    }

    /// TLS from the first byte.
    pub fn new_implicit(connection: impl Into<Connection>) -> Self {
        Self::new(connection.into(), Wire::default())
    }

    /// The handshake is not complete, or has failed.
    pub fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Handshake(_)) || self.engine.is_handshaking()
    }

    /// Copies decrypted data out.
    ///
    /// # Errors
    /// The one that ended the connection, after everything that was received before it was read and after the alert was sent.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<Incoming<usize>, Error> {
        let mut filled: usize = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            self.advance();
            let data = self.input.data();
            let n = data.len().min(rest.len());
            let (Some(to), Some(from)) = (rest.get_mut(..n), data.get(..n)) else {
                break;
            };
            if n == 0 {
                break;
            }
            to.copy_from_slice(from);
            self.input.consume(n);
            filled = filled.saturating_add(n);
        }
        // Idle means empty.
        self.input.release();
        if filled > 0 || buf.is_empty() {
            return Ok(Incoming::Data(filled));
        }
        self.nothing_to_read()
    }

    /// Decrypted data without copying it: it lies where it was received.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn peek(&mut self) -> Result<Incoming<&[u8]>, Error> {
        self.advance();
        if self.input.data().is_empty() {
            return self.nothing_to_read();
        }
        Ok(Incoming::Data(self.input.data()))
    }

    /// The first `n` bytes of the last [`peek`](Self::peek) are dealt with.
    pub fn consume(&mut self, n: usize) {
        self.input.consume(n);
    }

    /// Encrypts as much of `data` as there is room for and returns how much that was.
    ///
    /// # Errors
    /// The one that ended the connection, or [`Misuse::WriteAfterClose`].
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.write_vectored(&[IoSlice::new(data)])
    }

    /// As [`write`](Self::write), from several slices.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> Result<usize, Error> {
        match &self.state {
            State::Failed(_) if self.has_output() => Ok(0),
            State::Failed(error) => Err((**error).clone()),
            _ if self.closed => Err(Misuse::WriteAfterClose.into()),
            State::Handshake(_) => Ok(0),
            State::Traffic | State::Closed => {
                let queued = self.output.len().saturating_sub(self.sent);
                let room = self.wire.limits.tls_output.saturating_sub(queued);
                Ok(self.engine.write(data, room, &mut self.output))
            }
        }
    }

    /// Ends our side with `close_notify`, behind everything that was written.
    pub fn close(&mut self) {
        if !self.closed && !matches!(self.state, State::Failed(_)) {
            self.engine.close(&mut self.output);
        }
        self.closed = true;
    }

    /// Our side was ended by [`close`](Self::close).
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Back to plaintext: the result begins with exactly the bytes that followed the peer's `close_notify`.
    ///
    /// # Errors
    /// [`Misuse::NotClosed`] if it is too early. Otherwise the error that ended the connection.
    pub fn stop_tls(self) -> Result<Plain, Error> {
        match self.state {
            State::Failed(error) => Err(*error),
            State::Closed if self.closed && self.input.data().is_empty() => {
                let mut wire = self.wire;
                let unsent = self.output.get(self.sent..).unwrap_or_default();
                wire.output.append(unsent, usize::MAX);
                wire.input.append(self.input.rest(), usize::MAX);
                Ok(Plain::from_wire(wire))
            }
            _ => Err(Misuse::NotClosed.into()),
        }
    }

    /// What was negotiated and who the peer is.
    pub fn connection(&self) -> &CommonState {
        self.engine.common()
    }

    /// Sends a `KeyUpdate` and encrypts under new keys from then on (RFC 8446 section 4.6.3).
    ///
    /// # Errors
    /// The one that ended the connection; [`Misuse::WriteAfterClose`]; [`Error::Tls`] with TLS 1.2 and before the handshake is complete.
    pub fn refresh_traffic_keys(&mut self) -> Result<(), Error> {
        match self.error() {
            Some(error) => Err(error.clone()),
            None if self.closed => Err(Misuse::WriteAfterClose.into()),
            None => {
                let refreshed = self.engine.refresh_traffic_keys(&mut self.output);
                refreshed.map_err(Error::Tls)
            }
        }
    }

    /// The channel binding `tls-exporter` (RFC 9266), 32 bytes.
    pub fn tls_exporter(&self) -> Option<[u8; 32]> {
        self.exporter
    }

    /// The error that ended the connection, also while data before it is unread.
    pub fn error(&self) -> Option<&Error> {
        match &self.state {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Lets rustls have what was received until there is data.
    fn advance(&mut self) {
        let so_far = match self.state {
            State::Handshake(so_far) => so_far,
            State::Traffic => usize::MAX,
            State::Closed | State::Failed(_) => return,
        };
        if !self.input.data().is_empty() {
            return;
        }
        let before = self.input.rest().len();
        let not_tls = (so_far == 0 && record::front(self.input.rest()) == Front::Malformed)
            .then(|| UntrustedText::new(self.input.rest()));
        let queued = self.output.len();
        let outcome = self.engine.process(&mut self.input, &mut self.output);
        if self.closed {
            // rustls would send an alert; but behind our close_notify the peer may be in plaintext.
            self.output.truncate(queued);
        }
        match outcome {
            Err(error) => {
                let error = not_tls.map_or(Error::Tls(error), |sample| Error::NotTls { sample });
                return self.fail(error);
            }
            Ok(data) if so_far != usize::MAX => {
                let used = before.saturating_sub(self.input.rest().len());
                self.handshake(so_far.saturating_add(used));
                if data {
                    return;
                }
            }
            Ok(true) => return,
            Ok(false) => {}
        }
        if self.input.is_closed() {
            self.state = State::Closed;
        } else if self.wire.eof && self.error().is_none() {
            let stage = if self.engine.is_handshaking() {
                Stage::Handshake
            } else {
                Stage::Traffic
            };
            self.fail(Error::Truncated(stage));
        }
    }

    fn handshake(&mut self, used: usize) {
        let limit = self.wire.limits.handshake;
        if !self.engine.is_handshaking() {
            self.exporter = self.channel_binding();
            self.state = State::Traffic;
        } else if used > limit {
            let what = "handshake";
            self.fail(Misbehaviour::TooLong { what, limit }.into());
        } else {
            self.state = State::Handshake(used);
        }
    }

    /// rustls gives the exporter away once, and only to one who may change the connection.
    fn channel_binding(&mut self) -> Option<[u8; 32]> {
        if self.connection().protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return None;
        }
        let exporter = self.engine.exporter()?;
        let binding = exporter.derive(b"EXPORTER-Channel-Binding", Some(&[]), [0; 32]);
        binding.ok()
    }

    fn nothing_to_read<T>(&self) -> Result<Incoming<T>, Error> {
        match &self.state {
            State::Handshake(_) | State::Traffic => Ok(Incoming::NeedInput),
            State::Closed => Ok(Incoming::Closed),
            State::Failed(_) if self.has_output() => Ok(Incoming::NeedTransmit),
            State::Failed(error) => Err((**error).clone()),
        }
    }

    fn fail(&mut self, error: Error) {
        self.state = State::Failed(Box::new(error));
    }
}

impl Phase for Tls {
    fn handle_input(&mut self, bytes: &[u8]) -> usize {
        let mut taken: usize = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            if self.error().is_some() {
                return bytes.len();
            }
            let n = self.input.append(rest, self.wire.limits.tls_input);
            self.advance();
            taken = taken.saturating_add(n);
            if n == 0 {
                break;
            }
        }
        taken
    }

    fn receive_buffer(&mut self) -> &mut [u8] {
        self.input.space(self.wire.limits.tls_input)
    }

    fn received(&mut self, n: usize) {
        self.input.commit(n);
        self.advance();
        if n == 0 {
            self.input.release();
        }
    }

    /// No buffer is ever asked for: rustls decrypts in it, and what is lent to many connections must not hold plaintext.
    fn received_in(&mut self, buffer: &mut Vec<u8>, n: usize) {
        let received = buffer.get(..n).unwrap_or(buffer);
        self.input.append(received, usize::MAX);
        self.advance();
    }

    fn handle_eof(&mut self) {
        self.wire.eof = true;
        self.advance();
    }

    fn wants_input(&self) -> bool {
        matches!(self.state, State::Handshake(_) | State::Traffic)
            && !self.wire.eof
            && self.input.len() < self.wire.limits.tls_input
    }

    fn has_output(&self) -> bool {
        !self.wire.output.is_empty() || self.sent < self.output.len()
    }

    fn transmit_to(&mut self, writer: &mut dyn Write) -> io::Result<usize> {
        if !self.wire.output.is_empty() {
            return self.wire.transmit_to(writer);
        }
        let unsent = self.output.get(self.sent..).unwrap_or_default();
        let n = writer.write(unsent)?.min(unsent.len());
        self.sent = self.sent.saturating_add(n);
        if self.sent == self.output.len() {
            self.output = Vec::new();
            self.sent = 0;
        }
        Ok(n)
    }
}

impl Sealed for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("handshaking", &self.is_handshaking())
            .field("closed", &self.closed)
            .field("peer_closed", &matches!(self.state, State::Closed))
            .field("error", &self.error())
            .finish()
    }
}
