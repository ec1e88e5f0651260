use std::fmt;
use std::io::{self, IoSlice, Write};

use rustls::{Connection, ProtocolVersion};

use crate::intake::Intake;
use crate::phase::Sealed;
use crate::session::{Session, State};
use crate::wire::Wire;
use crate::{Error, Limits, Misuse, Phase, Plain};

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
    intake: Intake,
    session: Session,
}

/// What [`Tls::into_parts`] gives.
#[derive(Debug)]
#[non_exhaustive]
pub struct TlsParts {
    /// rustls' connection. Its buffers are empty, but for [`begun`](Self::begun) bytes of a record and the first [`seen`](Self::seen) bytes of what
    /// was received.
    pub connection: Connection,
    /// How many bytes of a record of which the rest is still to come `connection` was given: only it can go on, until that record is complete.
    pub begun: usize,
    /// Data that nobody has read.
    pub decrypted: Vec<u8>,
    /// Bytes received that are not decrypted: records, the last one perhaps in part; behind the peer's `close_notify` anything.
    pub received: Vec<u8>,
    /// How many bytes at the front of [`received`](Self::received) `connection` was given already; at most one record header, and none of it while a record is begun. Give
    /// it only the rest.
    pub seen: usize,
    /// Records made and not handed out, with what was left of the plaintext before them.
    pub unsent: Vec<u8>,
}

impl Tls {
    pub(crate) fn new(connection: Connection, wire: Wire) -> Self {
        Self::resume(Box::new(connection), Intake::new(wire), 0)
    }

    /// `received` bytes of the handshake were given to `connection` already.
    pub(crate) fn resume(connection: Box<Connection>, mut intake: Intake, received: usize) -> Self {
        let session = Session::new(connection, received, &mut intake.wire);
        let mut tls = Self { intake, session };
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
    #[inline]
    pub fn is_handshaking(&self) -> bool {
        !self.session.established
    }

    /// Copies decrypted data out.
    ///
    /// # Errors
    /// The one that ended the connection, after everything that was received before it was read and after the alert was sent.
    #[inline]
    pub fn read(&mut self, buf: &mut [u8]) -> Result<Incoming<usize>, Error> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            if !self.session.engine.has_unread() {
                self.advance();
            }
            match self.session.engine.read(rest) {
                0 => break,
                n => filled = filled.saturating_add(n),
            }
        }
        self.rest();
        if filled > 0 || buf.is_empty() {
            return Ok(Incoming::Data(filled));
        }
        self.nothing_to_read()
    }

    /// There is nothing to be read, nothing is held, and the connection is up and wants input: reading would come to [`Incoming::NeedInput`], and this is
    /// a cheaper way to know it.
    #[inline]
    pub fn awaits_input(&self) -> bool {
        self.session.established
            && !self.session.engine.has_unread()
            && self.intake.takes_buffer(&self.session) > 0
            && !self.intake.wire.eof
    }

    /// Decrypted data without copying it: one piece, not all that there may be. [`consume`](Self::consume) what was used.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[inline]
    pub fn peek(&mut self) -> Result<Incoming<&[u8]>, Error> {
        self.advance();
        if !self.session.engine.has_unread() {
            return self.nothing_to_read();
        }
        Ok(Incoming::Data(self.session.engine.peek()))
    }

    /// The first `n` bytes of the last [`peek`](Self::peek) are dealt with. More than there are counts as all of them.
    #[inline]
    pub fn consume(&mut self, n: usize) {
        self.session.engine.consume(n);
        self.rest();
    }

    /// Encrypts `data` and returns how much of it was taken: all that fits into what is held back for sending
    /// ([`Limits::tls_output`]) if nothing is, and otherwise all or nothing, since room that comes back byte by byte would make a record of every byte.
    /// 0 means "not now": there is much to send already, or an alert; or the handshake is not complete, so that nobody is known to be at the other end.
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
    #[inline]
    pub fn write_vectored(&mut self, data: &[IoSlice<'_>]) -> Result<usize, Error> {
        if let Some(error) = self.session.send_error() {
            return if self.has_output() {
                Ok(0)
            } else {
                Err(error.clone())
            };
        }
        if self.session.closed {
            return Err(Misuse::WriteAfterClose.into());
        }
        if !self.session.established {
            return Ok(0);
        }
        let length = data
            .iter()
            .fold(0_usize, |sum, slice| sum.saturating_add(slice.len()));
        let before = self.intake.wire.output.len();
        if length == 0 || !self.session.engine.has_room(length, before) {
            return Ok(0);
        }
        Ok(self.session.engine.write(data))
    }

    /// Ends our side with `close_notify`, behind everything that was written. The peer may go on; reading is still possible. A second call
    /// does nothing, as does one after a failure, when an alert has ended our side; after an end without `close_notify` it ends our direction
    /// as ever.
    pub fn close(&mut self) {
        self.session.close();
    }

    /// Our side was ended by [`close`](Self::close).
    pub fn is_closed(&self) -> bool {
        self.session.closed
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
        self.advance();
        let Self {
            intake,
            mut session,
        } = self;
        match session.incoming {
            State::Failed(error) => Err(*error),
            State::Closed if session.closed && !session.engine.has_unread() => {
                let mut wire = intake.wire;
                wire.input.keep();
                let mut rest = Vec::new();
                while session.engine.has_output()
                    && matches!(session.engine.transmit_to(&mut rest), Ok(1..))
                {}
                wire.output.append(&rest, usize::MAX);
                Ok(Plain::from_wire(wire))
            }
            _ => Err(Misuse::NotClosed.into()),
        }
    }

    /// What was negotiated and who the peer is: version, cipher suite, ALPN, certificates; `server_name()` of a server's connection.
    /// Before the handshake is complete most of it is `None`.
    pub fn connection(&self) -> &Connection {
        &self.session.engine.connection
    }

    /// Sends a `KeyUpdate` and encrypts under new keys from then on (RFC 8446 section 4.6.3), which the peer is asked to do as well. rustls does so
    /// by itself where a cipher suite has to; this is for those who want it sooner.
    ///
    /// # Errors
    /// The one that ended the connection; [`Misuse::WriteAfterClose`]; [`Error::Tls`] with TLS 1.2 and before the handshake is complete, which
    /// changes nothing.
    pub fn refresh_traffic_keys(&mut self) -> Result<(), Error> {
        match self.session.send_error() {
            Some(error) => Err(error.clone()),
            None if self.session.closed => Err(Misuse::WriteAfterClose.into()),
            None => {
                let refreshed = self.session.engine.connection.refresh_traffic_keys();
                refreshed.map_err(Error::Tls)
            }
        }
    }

    /// Takes the connection apart, for those who go on with it by other means: kernel TLS, another process.
    pub fn into_parts(mut self) -> TlsParts {
        let mut decrypted = Vec::new();
        let engine = &mut self.session.engine;
        while engine.has_unread() {
            decrypted.extend_from_slice(engine.peek());
            engine.consume(usize::MAX);
        }
        let mut unsent = Vec::new();
        self.poll_transmit(&mut unsent);
        let seen = match self.session.incoming {
            // What rustls has seen of the rest is not TLS any more.
            State::Closed => 0,
            _ => self.intake.seen(),
        };
        TlsParts {
            decrypted,
            begun: self.intake.begun(),
            received: self.intake.wire.input.filled().to_vec(),
            seen,
            unsent,
            connection: *self.session.engine.connection,
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
    #[inline]
    pub fn error(&self) -> Option<&Error> {
        self.session.error()
    }

    /// Lets rustls have records until one of them has yielded data.
    #[inline]
    fn advance(&mut self) {
        self.intake.advance(&mut self.session);
    }

    /// Idle means empty, in rustls as well.
    #[inline]
    fn rest(&mut self) {
        if self.session.engine.has_grown() && self.intake.is_at_rest() {
            self.session.engine.shrink();
        }
    }

    #[inline]
    fn nothing_to_read<T>(&self) -> Result<Incoming<T>, Error> {
        match &self.session.incoming {
            State::Handshake(_) | State::Traffic(_) => Ok(Incoming::NeedInput),
            State::Closed => Ok(Incoming::Closed),
            State::Failed(_) if self.owes_alert() => Ok(Incoming::NeedTransmit),
            State::Failed(error) => Err((**error).clone()),
        }
    }

    /// It has failed, and the peer is not told yet.
    fn owes_alert(&self) -> bool {
        self.session.send_error().is_some() && self.has_output()
    }
}

impl Phase for Tls {
    #[inline]
    fn handle_input(&mut self, bytes: &[u8]) -> usize {
        self.intake.handle_input(&mut self.session, bytes)
    }

    fn receive_buffer(&mut self) -> &mut [u8] {
        self.intake.receive_buffer()
    }

    fn received(&mut self, n: usize) {
        self.intake.received(&mut self.session, n);
    }

    #[inline]
    fn takes_buffer(&self) -> usize {
        self.intake.takes_buffer(&self.session)
    }

    #[inline]
    fn received_in(&mut self, buffer: &mut Vec<u8>, n: usize) {
        self.intake.received_in(&mut self.session, buffer, n);
    }

    #[inline]
    fn reclaim_buffer(&mut self) -> Option<Vec<u8>> {
        self.intake.wire.input.reclaim()
    }

    fn handle_eof(&mut self) {
        self.intake.handle_eof(&mut self.session);
    }

    #[inline]
    fn wants_input(&self) -> bool {
        self.intake.wants_input(&self.session)
    }

    #[inline]
    fn has_output(&self) -> bool {
        !self.intake.wire.output.is_empty() || self.session.engine.has_output()
    }

    #[inline]
    fn transmit_to(&mut self, writer: &mut dyn Write) -> io::Result<usize> {
        if !self.intake.wire.output.is_empty() {
            return self.intake.wire.transmit_to(writer);
        }
        let n = self.session.engine.transmit_to(writer)?;
        self.session.sent();
        Ok(n)
    }
}

impl Sealed for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("handshaking", &self.is_handshaking())
            .field("closed", &self.is_closed())
            .field(
                "peer_closed",
                &matches!(self.session.incoming, State::Closed),
            )
            .field("error", &self.error())
            .finish()
    }
}
