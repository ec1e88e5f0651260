use std::fmt;
use std::io::{self, IoSlice, Write};

use rustls::{Connection, ProtocolVersion};

use crate::engine::{self, Engine};
use crate::record::{self, Front};
use crate::wire::Wire;
use crate::{Error, Limits, Misbehaviour, Misuse, Phase, Plain, Stage, UntrustedText};

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
///
/// It begins with [`Plain::start_tls`], or with [`Tls::new_implicit`] where there is no plaintext before. The bytes go in and out through
/// [`Phase`]; the handshake needs nothing else than that.
///
/// ```no_run
/// # fn f(connection: rustls::ClientConnection) -> Result<(), starttls_core::Error> {
/// # fn recv(_: &mut [u8]) -> usize { 0 }
/// # fn send(_: &[u8]) {}
/// use starttls_core::{Incoming, Phase, Plain};
///
/// let mut tls = Plain::new().start_tls(connection)?;
/// let mut out = Vec::new();
/// let mut buf = [0; 4096];
/// loop {
///     out.clear();
///     if tls.poll_transmit(&mut out) {
///         send(&out);
///     }
///     match tls.read(&mut buf)? {
///         Incoming::Data(n) => print!("{}", buf[..n].escape_ascii()),
///         Incoming::NeedTransmit => continue,
///         Incoming::Closed => break,
///         Incoming::NeedInput => match recv(tls.receive_buffer()) {
///             0 => tls.handle_eof(),
///             n => tls.received(n),
///         },
///     }
/// }
/// # Ok(()) }
/// ```
pub struct Tls {
    engine: Engine,
    wire: Wire,
    /// Bytes at the front of the input that rustls has seen: at most one record header.
    seen: usize,
    incoming: State,
    closed: bool,
}

/// What [`Tls::into_parts`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct TlsParts {
    /// rustls' connection. Its buffers are empty, but for the first [`seen`](Self::seen) bytes of what was received.
    pub connection: Connection,
    /// Data that nobody has read.
    pub decrypted: Vec<u8>,
    /// Bytes received that are not decrypted: records, the last one perhaps in part; behind the peer's `close_notify` anything.
    pub received: Vec<u8>,
    /// How many bytes at the front of [`received`](Self::received) `connection` was given already; at most one record header. Give it only the rest.
    pub seen: usize,
    /// Records made and not handed out, with what was left of the plaintext before them.
    pub unsent: Vec<u8>,
}

/// Where the peer's side of the connection stands. Ours is only open or closed.
enum State {
    /// Bytes received so far.
    Handshake(usize),
    /// Records without data, one behind the other.
    Traffic(usize),
    /// `close_notify` was received: what is left of the input came after it, in plaintext.
    Closed,
    Failed(Error),
}

impl Tls {
    pub(crate) fn new(connection: Connection, wire: Wire) -> Self {
        Self::resume(Box::new(connection), wire, 0)
    }

    /// `seen` bytes of the input were given to `connection` already.
    pub(crate) fn resume(connection: Box<Connection>, mut wire: Wire, seen: usize) -> Self {
        wire.output.release();
        let mut tls = Self {
            engine: Engine::new(connection, wire.limits.tls_output),
            wire,
            seen,
            incoming: State::Handshake(0),
            closed: false,
        };
        tls.advance();
        tls
    }

    /// TLS from the first byte, where there is nothing to negotiate: "implicit TLS".
    pub fn new_implicit(connection: impl Into<Connection>) -> Self {
        Self::implicit_with_limits(connection, Limits::default())
    }

    /// The same with other [`Limits`].
    pub fn implicit_with_limits(connection: impl Into<Connection>, limits: Limits) -> Self {
        Self::new(connection.into(), Wire::new(limits))
    }

    /// The handshake is not complete, or has failed.
    pub fn is_handshaking(&self) -> bool {
        matches!(self.incoming, State::Handshake(_)) || self.engine.connection.is_handshaking()
    }

    /// Copies decrypted data out.
    ///
    /// # Errors
    /// The one that ended the connection, after everything that was received before it was read and after the alert was sent.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<Incoming<usize>, Error> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            if !self.advance() {
                break;
            }
            filled = filled.saturating_add(self.engine.read(rest));
        }
        if filled > 0 || buf.is_empty() {
            return Ok(Incoming::Data(filled));
        }
        self.nothing_to_read()
    }

    /// Decrypted data without copying it: one piece, not all that there may be. [`consume`](Self::consume) what was used.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn peek(&mut self) -> Result<Incoming<&[u8]>, Error> {
        self.advance();
        if self.engine.peek().is_empty() {
            return self.nothing_to_read();
        }
        Ok(Incoming::Data(self.engine.peek()))
    }

    /// The first `n` bytes of the last [`peek`](Self::peek) are dealt with. More than there are counts as all of them.
    pub fn consume(&mut self, n: usize) {
        self.engine.consume(n);
    }

    /// Encrypts as much of `data` as there is room for and returns how much that was. 0 means "not now": the handshake is not
    /// complete, so that nobody is known to be at the other end, or there is much to send already, or an alert.
    ///
    /// # Errors
    /// The one that ended the connection, or [`Misuse::WriteAfterClose`].
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Error> {
        self.write_vectored(&[IoSlice::new(data)])
    }

    /// As [`write`](Self::write), from several slices into as few records as possible.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> Result<usize, Error> {
        match &self.incoming {
            State::Failed(_) if self.has_output() => Ok(0),
            State::Failed(error) => Err(error.clone()),
            _ if self.closed => Err(Misuse::WriteAfterClose.into()),
            State::Handshake(_) => Ok(0),
            State::Traffic(_) | State::Closed => Ok(self.engine.write(data)),
        }
    }

    /// Ends our side with `close_notify`, behind everything that was written. The peer may go on; reading is still possible. A second call
    /// does nothing, as does one after a failure, when an alert has ended our side.
    pub fn close(&mut self) {
        if !self.closed && !matches!(self.incoming, State::Failed(_)) {
            self.engine.close();
        }
        self.closed = true;
    }

    /// Our side was ended by [`close`](Self::close).
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Back to plaintext, by the book: our `close_notify` is queued or sent, the peer's was received, and everything before it was read.
    ///
    /// The result begins with exactly the bytes that followed the peer's `close_notify`, also when they came in the same segment. (FTP
    /// `CCC`, RFC 4217 section 5; LDAP TLS closure, RFC 4511 section 4.14.3.) How long to wait for a peer that does not answer is the
    /// caller's decision.
    ///
    /// # Errors
    /// [`Misuse::NotClosed`] if it is too early: [`close`](Self::close), then [`read`](Self::read) until [`Incoming::Closed`]. Otherwise the
    /// error that ended the connection.
    pub fn stop_tls(mut self) -> Result<Plain, Error> {
        match self.incoming {
            State::Failed(error) => Err(error),
            State::Closed if self.closed && self.engine.peek().is_empty() => {
                let mut rest = Vec::new();
                while self.engine.has_output()
                    && matches!(self.engine.transmit_to(&mut rest), Ok(1..))
                {}
                self.wire.output.append(&rest, usize::MAX);
                Ok(Plain::from_wire(self.wire))
            }
            _ => Err(Misuse::NotClosed.into()),
        }
    }

    /// What was negotiated and who the peer is: version, cipher suite, ALPN, certificates; `server_name()` of a server's connection.
    /// Before the handshake is complete most of it is `None`.
    pub fn connection(&self) -> &Connection {
        &self.engine.connection
    }

    /// Sends a `KeyUpdate` and encrypts under new keys from then on (RFC 8446 section 4.6.3), which the peer is asked to do as well. rustls does so
    /// by itself where a cipher suite has to; this is for those who want it sooner.
    ///
    /// # Errors
    /// The one that ended the connection; [`Misuse::WriteAfterClose`]; [`Error::Tls`] with TLS 1.2 and before the handshake is complete, which
    /// changes nothing.
    pub fn refresh_traffic_keys(&mut self) -> Result<(), Error> {
        match &self.incoming {
            State::Failed(error) => Err(error.clone()),
            _ if self.closed => Err(Misuse::WriteAfterClose.into()),
            _ => {
                let refreshed = self.engine.connection.refresh_traffic_keys();
                refreshed.map_err(Error::Tls)
            }
        }
    }

    /// Takes the connection apart, for those who go on with it by other means: kernel TLS, another process.
    pub fn into_parts(mut self) -> TlsParts {
        let mut decrypted = Vec::new();
        while !self.engine.peek().is_empty() {
            decrypted.extend_from_slice(self.engine.peek());
            self.engine.consume(usize::MAX);
        }
        let mut unsent = Vec::new();
        self.poll_transmit(&mut unsent);
        TlsParts {
            decrypted,
            received: self.wire.input.filled().to_vec(),
            seen: self.seen,
            unsent,
            connection: *self.engine.connection,
        }
    }

    /// The channel binding `tls-exporter` (RFC 9266), 32 bytes. `None` before the handshake is complete and with TLS 1.2, where it is
    /// defined only with an extended master secret and rustls does not tell whether there is one.
    pub fn tls_exporter(&self) -> Option<[u8; 32]> {
        let connection = self.connection();
        if self.is_handshaking() || connection.protocol_version() != Some(ProtocolVersion::TLSv1_3)
        {
            return None;
        }
        // "The label is EXPORTER-Channel-Binding, the context is empty, 32 bytes" (RFC 9266 section 2)
        connection
            .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]))
            .ok()
    }

    /// The error that ended the connection, also while data before it is unread.
    pub fn error(&self) -> Option<&Error> {
        match &self.incoming {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Lets rustls have records until one of them has yielded data; true if there is some.
    fn advance(&mut self) -> bool {
        loop {
            if !self.engine.peek().is_empty() {
                return true;
            }
            let (stage, so_far) = match &self.incoming {
                State::Handshake(received) => (Stage::Handshake, *received),
                State::Traffic(quiet) => (Stage::Traffic, *quiet),
                State::Closed | State::Failed(_) => return false,
            };
            let input = self.wire.input.filled();
            let (length, portion) = match record::front(input) {
                Front::Record(length) => (length, engine::portion(input, length)),
                // rustls knows best what is wrong with it, and which alert that is worth.
                Front::Malformed => (
                    input.len().min(record::HEADER),
                    input.len().min(record::HEADER),
                ),
                Front::Incomplete => {
                    if self.wire.eof {
                        self.fail(Error::Truncated(stage));
                    }
                    return false;
                }
            };
            let nothing_yet = stage == Stage::Handshake && so_far == 0;
            let not_tls = (nothing_yet && record::front(input) == Front::Malformed)
                .then(|| UntrustedText::new(input));
            let unseen = input.get(self.seen..portion).unwrap_or_default();
            let outcome = self.engine.process(unseen);
            self.seen = portion.saturating_sub(length);
            self.wire.input.consume(length);
            match outcome {
                Ok(false) => self.incoming = self.after_record(stage, so_far, length),
                Ok(true) => {
                    // What rustls has seen of the rest is not TLS any more.
                    self.seen = 0;
                    self.incoming = State::Closed;
                }
                Err(error) => {
                    self.fail(not_tls.map_or(Error::Tls(error), |sample| Error::NotTls { sample }));
                }
            }
        }
    }

    fn after_record(&mut self, stage: Stage, so_far: usize, length: usize) -> State {
        let limits = self.wire.limits;
        if stage == Stage::Handshake && self.engine.connection.is_handshaking() {
            let received = so_far.saturating_add(length);
            return if received > limits.handshake {
                too_long("handshake", limits.handshake)
            } else {
                State::Handshake(received)
            };
        }
        if stage == Stage::Handshake || !self.engine.peek().is_empty() {
            return State::Traffic(0);
        }
        if so_far >= limits.quiet_records {
            return too_long("records without data", limits.quiet_records);
        }
        self.engine.answer_key_update();
        State::Traffic(so_far.saturating_add(1))
    }

    fn nothing_to_read<T>(&self) -> Result<Incoming<T>, Error> {
        match &self.incoming {
            State::Handshake(_) | State::Traffic(_) => Ok(Incoming::NeedInput),
            State::Closed => Ok(Incoming::Closed),
            State::Failed(_) if self.has_output() => Ok(Incoming::NeedTransmit),
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn fail(&mut self, error: Error) {
        self.incoming = State::Failed(error);
    }
}

fn too_long(what: &'static str, limit: usize) -> State {
    State::Failed(Misbehaviour::TooLong { what, limit }.into())
}

impl Phase for Tls {
    fn handle_input(&mut self, bytes: &[u8]) -> usize {
        let limit = self.wire.tls_input_limit();
        let mut taken = 0;
        // Records are used while they come, so that a slice larger than the buffer is taken as well as many small ones.
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            if self.error().is_some() {
                return bytes.len();
            }
            let n = self.wire.input.append(rest, limit);
            self.advance();
            taken = taken.saturating_add(n);
            if n == 0 {
                break;
            }
        }
        taken
    }

    fn receive_buffer(&mut self) -> &mut [u8] {
        let limit = self.wire.tls_input_limit();
        self.wire.input.space(limit)
    }

    fn received(&mut self, n: usize) {
        self.wire.input.commit(n);
        self.advance();
        if n == 0 {
            self.wire.input.release();
        }
    }

    fn handle_eof(&mut self) {
        self.wire.eof = true;
        self.advance();
    }

    fn wants_input(&self) -> bool {
        matches!(self.incoming, State::Handshake(_) | State::Traffic(_))
            && !self.wire.eof
            && self.wire.input.len() < self.wire.tls_input_limit()
    }

    fn has_output(&self) -> bool {
        !self.wire.output.is_empty() || self.engine.has_output()
    }

    fn transmit_to(&mut self, writer: &mut dyn Write) -> io::Result<usize> {
        if self.wire.output.is_empty() {
            self.engine.transmit_to(writer)
        } else {
            self.wire.transmit_to(writer)
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("handshaking", &self.is_handshaking())
            .field("closed", &self.closed)
            .field("peer_closed", &matches!(self.incoming, State::Closed))
            .field("error", &self.error())
            .finish()
    }
}
