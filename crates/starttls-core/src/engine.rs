//! Every call that moves bytes into or out of rustls is in this file: 0.24 changes just these.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::server::{Accepted, AcceptedAlert, Acceptor};
use rustls::{Connection, Error, ServerConfig, ServerConnection};

use crate::Limits;
use crate::record::{self, Front};

/// How much of a record, and of the header of the next one, rustls was given.
///
/// rustls keeps its buffer as long as it is not empty, and shrinks and grows it again for every large record otherwise. So it gets
/// up to five bytes of the next header along with one. They stay in the caller's buffer as well: the boundary is exact.
fn feed(
    unseen: &[u8],
    mut read_tls: impl FnMut(&mut dyn Read) -> io::Result<usize>,
) -> Result<(), Error> {
    let mut unseen = Pieces(unseen);
    while !unseen.0.is_empty() {
        match read_tls(&mut unseen) {
            Ok(0) => return Err(Error::General("rustls takes no input".into())),
            Ok(_) => {}
            Err(error) => return Err(Error::General(error.to_string())),
        }
    }
    Ok(())
}

/// See [`copy`].
const PIECE: usize = 2 * 1024;

/// Copies as much as there is room for; returns how much that was.
///
/// In pieces: from some 2 KiB on, C libraries copy by one instruction of the processor's, which is twenty times slower on some (AMD Zen 3 and 4) where the
/// target is 1 to 15 bytes ahead of the source within a page, and no faster otherwise.
#[inline]
fn copy(to: &mut [u8], from: &[u8]) -> usize {
    let n = to.len().min(from.len());
    for (to, from) in to.chunks_mut(PIECE).zip(from.chunks(PIECE)) {
        let n = to.len().min(from.len());
        if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
            to.copy_from_slice(from);
        }
    }
    n
}

struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = copy(buf, self.0);
        self.0 = self.0.get(n..).unwrap_or_default();
        Ok(n)
    }
}

/// What rustls' buffer always is: nothing shrinks or grows for a record that fits, and the next header would only double it.
const KEPT: usize = 4 * 1024;

/// How many bytes of `bytes`, which begin with the last `missing` bytes of a record of `length` bytes, rustls is given at once.
pub(crate) fn portion(bytes: &[u8], missing: usize, length: usize) -> usize {
    // The largest record leaves no room in rustls' buffer for more; a header that is none must not spoil the record before it.
    if length <= KEPT || length >= Limits::LARGEST_RECORD.saturating_sub(record::HEADER) {
        return missing;
    }
    let next = bytes.get(missing..).unwrap_or_default();
    let next = next.get(..record::HEADER).unwrap_or(next);
    if record::front(next) == Front::Malformed {
        missing
    } else {
        missing.saturating_add(next.len())
    }
}

struct NothingNow;

impl Read for NothingNow {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

pub(crate) struct Engine {
    /// Boxed: it is larger than everything else together, and is moved from phase to phase and from future to future.
    pub(crate) connection: Box<Connection>,
    /// Decrypted bytes that nobody has read: rustls counts them, and tells in passing.
    unread: usize,
    /// Bytes of the record under way that were fed.
    fed: usize,
    /// rustls' receive buffer is larger than it has to be.
    grown: bool,
    /// Bytes of records that wait to be sent, or a little more: rustls adds them up each time it is asked.
    queued: usize,
    output_limit: usize,
}

impl Engine {
    pub(crate) fn new(mut connection: Box<Connection>, output_limit: usize) -> Self {
        connection.set_buffer_limit(Some(output_limit));
        Self {
            connection,
            unread: 0,
            fed: 0,
            grown: false,
            queued: 0,
            output_limit,
        }
    }

    /// A part of a record, of which nothing comes yet.
    pub(crate) fn feed(&mut self, part: &[u8]) -> Result<(), Error> {
        self.fed = self.fed.saturating_add(part.len());
        feed(part, |reader| self.connection.read_tls(reader))
    }

    /// Lets rustls' receive buffer go down to the least it has, which it does only when it is asked to read and holds nothing. To be called when no record is
    /// begun.
    #[cold]
    pub(crate) fn shrink(&mut self) {
        self.grown = false;
        // It cannot read anything, and is not at its end either.
        let _ = self.connection.read_tls(&mut NothingNow);
    }

    /// rustls holds more memory than it needs, and everything that it has decrypted was read.
    #[inline]
    pub(crate) fn has_grown(&self) -> bool {
        self.grown && self.unread == 0
    }

    /// Decrypts and acts on the record that was fed as a whole (and on nothing else, see [`portion`]); true if it was the peer's `close_notify`.
    pub(crate) fn process(&mut self) -> Result<bool, Error> {
        self.grown |= self.fed > KEPT;
        self.fed = 0;
        let state = self.connection.process_new_packets()?;
        self.unread = state.plaintext_bytes_to_read();
        Ok(state.peer_has_closed())
    }

    /// The same behind our own `close_notify`.
    ///
    /// With debug assertions, rustls 0.23 asserts that it has no fatal alert to send there, and a record that cannot be decrypted makes it want to.
    /// A peer must not be able to end the process with it. Without debug assertions there is nothing to be done: the record is an error.
    pub(crate) fn process_behind_our_close(&mut self) -> Result<bool, Error> {
        if cfg!(not(debug_assertions)) {
            return self.process();
        }
        self.process_asserted()
    }

    #[cfg(panic = "unwind")]
    fn process_asserted(&mut self) -> Result<bool, Error> {
        use std::panic::{AssertUnwindSafe, catch_unwind};
        catch_unwind(AssertUnwindSafe(|| self.process()))
            .unwrap_or_else(|_| Err(Error::General("bad record behind our close_notify".into())))
    }

    /// A panic could not be stopped, so that nothing is tried that may end in one.
    #[cfg(not(panic = "unwind"))]
    fn process_asserted(&mut self) -> Result<bool, Error> {
        Err(Error::General(
            "records behind our close_notify are not read with debug assertions and panic=abort"
                .into(),
        ))
    }

    /// Lets the answer to a KeyUpdate out. rustls holds it back until the next write, which one who only reads never makes, and makes one
    /// answer of all that are asked for meanwhile (RFC 8446 section 4.6.3).
    pub(crate) fn answer_key_update(&mut self) {
        let _ = self.connection.writer().write(&[]);
    }

    /// Data of the last record that nobody has read: it must be read before the next record.
    #[inline]
    pub(crate) fn has_unread(&self) -> bool {
        self.unread > 0
    }

    #[inline]
    pub(crate) fn peek(&mut self) -> &[u8] {
        if self.unread == 0 {
            return &[];
        }
        // An error says "nothing now" or "the end"; the state machine knows that better.
        self.connection
            .reader()
            .into_first_chunk()
            .unwrap_or_default()
    }

    pub(crate) fn consume(&mut self, n: usize) {
        // rustls panics on more than there is
        let n = n.min(self.peek().len());
        self.connection.reader().consume(n);
        self.unread = self.unread.saturating_sub(n);
    }

    #[inline]
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> usize {
        if self.unread == 0 {
            return 0;
        }
        let n = if self.unread <= PIECE {
            self.connection.reader().read(buf).unwrap_or(0)
        } else {
            // The data of one record, in one piece.
            let n = copy(buf, self.peek());
            self.connection.reader().consume(n);
            n
        };
        self.unread = self.unread.saturating_sub(n);
        n
    }

    /// Nothing waits to be sent, or `length` more bytes of data are within the limit. `before` bytes that are no records go out first.
    #[inline]
    pub(crate) fn has_room(&self, length: usize, before: usize) -> bool {
        !self.has_output()
            || before.saturating_add(self.queued).saturating_add(length) <= self.output_limit
    }

    /// Encrypts as much as there is room for. An error is one that the state machine has seen before.
    #[inline]
    pub(crate) fn write(&mut self, data: &[IoSlice<'_>]) -> usize {
        /// Of a record: a header, and what the largest of nonces, types and tags take.
        const OVERHEAD: usize = 64;
        if !self.has_output() {
            self.queued = 0;
        }
        let taken = match data {
            [data] => self.connection.writer().write(data),
            data => self.connection.writer().write_vectored(data),
        };
        let taken = taken.unwrap_or(0);
        let records = (taken / Limits::LARGEST_DATA).saturating_add(1);
        let size = taken.saturating_add(records.saturating_mul(OVERHEAD));
        self.queued = self.queued.saturating_add(size);
        taken
    }

    pub(crate) fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// Tells the peer that this is the end though rustls has found nothing wrong.
    ///
    /// rustls sends a fatal alert of its own only, so it is given a header that is none, and says `decode_error`. Where it takes no input any more, or is in the
    /// middle of a header, it is `close_notify`. Not to be called behind our own `close_notify`.
    pub(crate) fn abort(&mut self) {
        let mut header = &[0xff; record::HEADER][..];
        if self.connection.read_tls(&mut header).is_err()
            || self.connection.process_new_packets().is_ok()
        {
            self.close();
        }
    }

    /// Nothing of what is queued may be sent.
    pub(crate) fn discard_output(&mut self) {
        while self.has_output() && matches!(self.transmit_to(&mut io::sink()), Ok(1..)) {}
    }

    #[inline]
    pub(crate) fn has_output(&self) -> bool {
        self.connection.wants_write()
    }

    #[inline]
    pub(crate) fn transmit_to(&mut self, writer: &mut dyn Write) -> io::Result<usize> {
        let n = self.connection.write_tls(writer)?;
        self.queued = self.queued.saturating_sub(n);
        Ok(n)
    }

    /// Data that the client sends or the server has taken before the handshake was complete (0-RTT, RFC 8446 section 2.3): it may be replayed, and has no place
    /// in a stream. `queued` is what the connection has to send.
    pub(crate) fn has_early_data(&mut self, queued: &[u8]) -> bool {
        match &mut *self.connection {
            Connection::Client(client) => {
                client.early_data().is_some() && has_application_data(queued)
            }
            Connection::Server(server) => server.early_data().is_some(),
        }
    }

    /// What a client that could send early data has to send; it is not handed out any more.
    pub(crate) fn take_first_flight(&mut self) -> Vec<u8> {
        let mut flight = Vec::new();
        if let Connection::Client(client) = &mut *self.connection
            && client.early_data().is_some()
        {
            while self.has_output() && matches!(self.transmit_to(&mut flight), Ok(1..)) {}
        }
        flight
    }
}

fn has_application_data(mut records: &[u8]) -> bool {
    while let Front::Record(length) = record::front(records) {
        if records.first() == Some(&record::APPLICATION_DATA) {
            return true;
        }
        records = records.get(length..).unwrap_or_default();
    }
    false
}

/// What a server says that has failed before anything was encrypted: a fatal alert with this description (RFC 8446 section 6).
pub(crate) const fn plain_alert(description: u8) -> [u8; 7] {
    [record::ALERT, 3, 3, 0, 2, 2, description]
}

/// `decode_error`: more than is ever needed.
pub(crate) const DECODE_ERROR: u8 = 50;

/// `internal_error`: what has failed has nothing to do with the peer.
pub(crate) const INTERNAL_ERROR: u8 = 80;

/// rustls' `Acceptor`, fed in the same portions.
#[derive(Default)]
pub(crate) struct HelloReader(Acceptor);

impl HelloReader {
    pub(crate) fn feed(&mut self, part: &[u8]) -> Result<(), (Error, Vec<u8>)> {
        feed(part, |reader| self.0.read_tls(reader))
            .map_err(|error| (error, plain_alert(DECODE_ERROR).to_vec()))
    }

    /// `Some` once the ClientHello is complete. With an error comes the alert to send.
    pub(crate) fn process(&mut self) -> Result<Option<Accepted>, (Error, Vec<u8>)> {
        self.0.accept().map_err(with_alert)
    }
}

pub(crate) fn configure(
    accepted: Accepted,
    config: Arc<ServerConfig>,
) -> Result<ServerConnection, (Error, Vec<u8>)> {
    accepted.into_connection(config).map_err(with_alert)
}

fn with_alert((error, mut alert): (Error, AcceptedAlert)) -> (Error, Vec<u8>) {
    let mut bytes = Vec::new();
    // A `Vec` takes everything and never fails.
    let _ = alert.write_all(&mut bytes);
    (error, bytes)
}
