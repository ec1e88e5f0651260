use std::fmt;
use std::io::{self, Write};

use rustls::Connection;

use crate::phase::Sealed;
use crate::wire::Wire;
use crate::{Accepting, Error, Limits, Misbehaviour, Misuse, Phase, Stage, Tls};

/// The plaintext phase: the caller's own dialogue, buffered here so that the boundary is known exactly.
///
/// The only way from here to TLS is [`start_tls`](Self::start_tls), which consumes this. Whatever was received and not consumed
/// by then is refused: it cannot be read on the other side.
///
/// ```
/// use starttls_core::{Phase, Plain};
///
/// let mut plain = Plain::new();
/// plain.write_all(b"STARTTLS\r\n")?;
/// let mut to_send = Vec::new();
/// plain.poll_transmit(&mut to_send);
/// assert_eq!(to_send, b"STARTTLS\r\n");
///
/// assert_eq!(plain.handle_input(b"220 go ahead\r\n"), 14);
/// assert_eq!(plain.peek(), b"220 go ahead\r\n");
/// plain.consume(14);
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Default)]
pub struct Plain {
    pub(crate) wire: Wire,
    received: u64,
    consumed: u64,
    /// What was consumed when the negotiation under way began.
    pub(crate) negotiating_since: Option<u64>,
    /// How much of the input the negotiator may still see, while it is at it.
    pub(crate) visible: Option<usize>,
    /// Bytes that the negotiation under way has said.
    pub(crate) said: usize,
    /// What ended a negotiation for good.
    pub(crate) failed: Option<Error>,
}

impl Plain {
    /// A connection on which nothing was said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with other [`Limits`].
    pub fn with_limits(limits: Limits) -> Self {
        Self::from_wire(Wire::new(limits))
    }

    /// A connection from which somebody else has already read `prefix`, whatever its length.
    pub fn with_prefix(prefix: &[u8]) -> Self {
        Self::with_prefix_and_limits(prefix, Limits::default())
    }

    /// The same with other [`Limits`], to which `prefix` is not subject.
    pub fn with_prefix_and_limits(prefix: &[u8], limits: Limits) -> Self {
        let mut plain = Self::with_limits(limits);
        plain.add_prefix(prefix);
        plain
    }

    pub(crate) fn from_wire(wire: Wire) -> Self {
        Self {
            received: wire.input.len() as u64,
            consumed: 0,
            negotiating_since: None,
            visible: None,
            said: 0,
            failed: None,
            wire,
        }
    }

    fn add_prefix(&mut self, prefix: &[u8]) {
        self.wire.input.append(prefix, usize::MAX);
        self.received = self.received.saturating_add(prefix.len() as u64);
    }

    /// What the peer said and nobody has consumed yet.
    pub fn peek(&self) -> &[u8] {
        let unread = self.wire.input.filled();
        let visible = self.visible.unwrap_or(usize::MAX);
        unread.get(..visible).unwrap_or(unread)
    }

    /// The first `n` bytes of [`peek`](Self::peek) are dealt with. More than there are counts as all of them.
    pub fn consume(&mut self, n: usize) {
        let n = n.min(self.peek().len());
        self.wire.input.consume(n);
        self.visible = self.visible.map(|visible| visible.saturating_sub(n));
        self.consumed = self.consumed.saturating_add(n as u64);
    }

    /// Consumes a line and returns it without its end, LF or CR LF; `None` if it is not there as a whole yet. With what is behind it nothing happens.
    ///
    /// ```
    /// use starttls_core::{Phase, Plain};
    ///
    /// let mut plain = Plain::with_prefix(b"250 OK\r\n220 ");
    /// assert_eq!(plain.next_line(512)?, Some(b"250 OK".to_vec()));
    /// assert_eq!(plain.next_line(512)?, None);
    /// # Ok::<(), starttls_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Misbehaviour::TooLong`] if the line, with its end, has more than `limit` bytes; [`Error::Truncated`] if the peer has closed its side in the
    /// middle of it. The line is not consumed then.
    pub fn next_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        let unread = self.peek();
        let too_long = || Misbehaviour::TooLong {
            what: "line",
            limit,
        };
        let Some(end) = unread.iter().take(limit).position(|byte| *byte == b'\n') else {
            // Nor may it end in the next byte.
            return match unread {
                _ if unread.len() >= limit => Err(too_long().into()),
                [_, ..] if self.is_eof() => Err(Error::Truncated(Stage::Negotiation)),
                _ => Ok(None),
            };
        };
        let line = unread.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.consume(end.saturating_add(1));
        Ok(Some(line))
    }

    /// How many more bytes may be received and not consumed.
    pub fn room(&self) -> usize {
        let limit = self.wire.limits.plaintext_input;
        limit.saturating_sub(self.wire.input.len())
    }

    /// `n` bytes were received straight into the hands of whoever reads, and are dealt with. Only where nothing is unread: otherwise they would overtake it.
    pub fn received_and_consumed(&mut self, n: usize) {
        debug_assert!(self.peek().is_empty(), "what is unread comes first");
        self.received = self.received.saturating_add(n as u64);
        self.consumed = self.consumed.saturating_add(n as u64);
    }

    /// Gives the memory of the receive buffer back if nothing is unread and what came last did not fill it, so that there is nothing more to come
    /// at once: what [`received`](Phase::received) does with 0, for whoever does not read again.
    pub fn rest(&mut self) {
        self.wire.input.release_unless_filled();
    }

    /// Copies out and consumes what fits into `buf`; 0 means that there is nothing now.
    #[must_use = "so many bytes of the buffer are data"]
    pub fn read(&mut self, buf: &mut [u8]) -> usize {
        let unread = self.peek();
        if unread.is_empty() {
            return 0;
        }
        let n = buf.len().min(unread.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..n), unread.get(..n)) {
            to.copy_from_slice(from);
        }
        self.consume(n);
        n
    }

    /// The peer has closed its side. What [`peek`](Self::peek) still holds came before that.
    pub fn is_eof(&self) -> bool {
        self.wire.eof
    }

    /// All the plaintext received so far, consumed or not, in bytes.
    pub fn total_received(&self) -> u64 {
        self.received
    }

    pub(crate) fn total_consumed(&self) -> u64 {
        self.consumed
    }

    /// Queues as much of `data` as there is room for and returns how much that was.
    #[must_use = "what was not queued is not sent"]
    pub fn write(&mut self, data: &[u8]) -> usize {
        self.wire
            .output
            .append(data, self.wire.limits.plaintext_output)
    }

    /// Queues all of `data` or nothing.
    ///
    /// # Errors
    /// [`Misuse::OutputFull`] if it does not fit into what may be held back for sending
    /// ([`Limits::plaintext_output`]). In a negotiation it is [`Misbehaviour::TooLong`](crate::Misbehaviour::TooLong) instead, if all that one says in it
    /// is more than that: so many answers are asked for by a peer that floods, and how much of them has left makes no difference.
    pub fn write_all(&mut self, data: &[u8]) -> Result<(), Error> {
        let limit = self.wire.limits.plaintext_output;
        if self.visible.is_some() {
            self.said = self.said.saturating_add(data.len());
            if self.said > limit {
                return Err(crate::Misbehaviour::TooLong {
                    what: "answers",
                    limit,
                }
                .into());
            }
            self.wire.output.append(data, usize::MAX);
            return Ok(());
        }
        if data.len() > limit.saturating_sub(self.wire.output.len()) {
            return Err(Misuse::OutputFull.into());
        }
        self.wire.output.append(data, limit);
        Ok(())
    }

    /// Switches: from here on everything is TLS. What was queued goes out first, in plaintext and in order.
    ///
    /// `connection` is a `rustls::ClientConnection` or a `rustls::ServerConnection`; certificates, ALPN, resumption are whatever its
    /// configuration says. For protocols in which the peer waits for a go-ahead, which is nearly all of them.
    ///
    /// Nothing can be said in plaintext any more (rule S4): this does not compile.
    ///
    /// ```compile_fail,E0382
    /// # fn f(plain: starttls_core::Plain, connection: rustls::ClientConnection) -> Result<(), starttls_core::Error> {
    /// let mut plain = plain;
    /// let tls = plain.start_tls(connection)?;
    /// plain.write_all(b"PASS secret")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::UnreadPlaintext`] if anything was received that is not consumed: the connection must then be given up.
    /// [`Misuse::EarlyData`] and [`Misuse::UsedConnection`] if `connection` is one that cannot be used.
    pub fn start_tls(self, connection: impl Into<Connection>) -> Result<Tls, Error> {
        self.refuse_unread()?;
        let tls = self.start_tls_with_unread(connection);
        match tls.error() {
            Some(Error::Misuse(misuse)) => Err((*misuse).into()),
            _ => Ok(tls),
        }
    }

    /// Switches and takes the unread bytes as the beginning of TLS. Only for where the protocol has no go-ahead, so that a ClientHello
    /// may come along with the request (MySQL, NATS, a PROXY header in front). As data nobody can ever read them.
    ///
    /// A connection that [`start_tls`](Self::start_tls) would refuse makes a [`Tls`] that has failed.
    pub fn start_tls_with_unread(self, connection: impl Into<Connection>) -> Tls {
        self.check_conservation();
        Tls::new(connection.into(), self.wire)
    }

    /// Switches as a server that chooses its `ServerConfig` only when it has seen the ClientHello.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls).
    pub fn accept(self) -> Result<Accepting, Error> {
        self.refuse_unread()?;
        Ok(self.accept_with_unread())
    }

    /// As [`accept`](Self::accept), with the unread bytes as the beginning of TLS; see
    /// [`start_tls_with_unread`](Self::start_tls_with_unread).
    pub fn accept_with_unread(self) -> Accepting {
        self.check_conservation();
        Accepting::new(self.wire)
    }

    /// What was received and not consumed, and what was queued and not sent.
    pub fn into_parts(self) -> (Vec<u8>, Vec<u8>) {
        (
            self.wire.input.filled().to_vec(),
            self.wire.output.filled().to_vec(),
        )
    }

    /// Nothing may be unread where the peer has to be silent: what every upgrade checks, for a [`Negotiator`](crate::Negotiator) that has something to say about it.
    ///
    /// # Errors
    /// [`Error::UnreadPlaintext`] if anything was received that is not consumed.
    pub fn refuse_unread(&self) -> Result<(), Error> {
        match self.peek() {
            [] => Ok(()),
            unread => Err(Error::unread(unread)),
        }
    }

    /// Everything that came in was used or is still here: there is no third place.
    fn check_conservation(&self) {
        debug_assert_eq!(
            self.received,
            self.consumed.saturating_add(self.wire.input.len() as u64)
        );
    }
}

impl Phase for Plain {
    fn handle_input(&mut self, bytes: &[u8]) -> usize {
        let n = self
            .wire
            .input
            .append(bytes, self.wire.limits.plaintext_input);
        self.received = self.received.saturating_add(n as u64);
        n
    }

    fn receive_buffer(&mut self) -> &mut [u8] {
        self.wire.input.space(self.wire.limits.plaintext_input)
    }

    fn received(&mut self, n: usize) {
        self.wire.input.commit(n);
        self.wire.input.release();
        self.received = self.received.saturating_add(n as u64);
    }

    fn received_in(&mut self, buffer: &mut Vec<u8>, n: usize) {
        let bytes = buffer.get(..n).unwrap_or(buffer);
        // It takes none, so that whoever has one all the same has read what must not be lost.
        self.wire.input.append(bytes, usize::MAX);
        self.received = self.received.saturating_add(bytes.len() as u64);
    }

    fn handle_eof(&mut self) {
        self.wire.eof = true;
    }

    fn wants_input(&self) -> bool {
        !self.wire.eof && self.wire.input.len() < self.wire.limits.plaintext_input
    }

    fn has_output(&self) -> bool {
        !self.wire.output.is_empty()
    }

    fn transmit_to(&mut self, writer: &mut dyn Write) -> io::Result<usize> {
        self.wire.transmit_to(writer)
    }
}

impl Sealed for Plain {}

/// Shows how much is held, never what: it may be a password.
impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain")
            .field("unread", &self.wire.input.len())
            .field("unsent", &self.wire.output.len())
            .field("eof", &self.wire.eof)
            .finish()
    }
}
