//! Every call that moves bytes into or out of rustls is in this file: 0.24 changes just these.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustls::server::{Accepted, AcceptedAlert, Acceptor};
use rustls::{Connection, Error, ServerConfig, ServerConnection};

use crate::record;

/// How much of a record, and of the header of the next one, rustls was given.
///
/// rustls keeps its buffer as long as it is not empty, and shrinks and grows it again for every large record otherwise. So it gets
/// up to five bytes of the next header along with one. They stay in the caller's buffer as well: the boundary is exact.
fn feed(
    mut unseen: &[u8],
    mut read_tls: impl FnMut(&mut dyn Read) -> io::Result<usize>,
) -> Result<(), Error> {
    while !unseen.is_empty() {
        match read_tls(&mut unseen) {
            Ok(0) => return Err(Error::General("rustls takes no input".into())),
            Ok(_) => {}
            Err(error) => return Err(Error::General(error.to_string())),
        }
    }
    Ok(())
}

/// What rustls' buffer always is: nothing shrinks or grows for a record that fits, and the next header would only double it.
const KEPT: usize = 4 * 1024;

/// How many bytes of `bytes`, which begin with a record of `length` bytes, rustls is given at once.
pub(crate) fn portion(bytes: &[u8], length: usize) -> usize {
    let next = bytes.get(length..).unwrap_or_default();
    let next = next.get(..record::HEADER).unwrap_or(next);
    // The largest record leaves no room in rustls' buffer for more; a header that is none must not spoil the record before it.
    if length <= KEPT
        || length >= crate::Limits::LARGEST_RECORD.saturating_sub(record::HEADER)
        || record::front(next) == record::Front::Malformed
    {
        length
    } else {
        length.saturating_add(next.len())
    }
}

pub(crate) struct Engine {
    /// Boxed: it is larger than everything else together, and is moved from phase to phase and from future to future.
    pub(crate) connection: Box<Connection>,
    closed: bool,
}

impl Engine {
    pub(crate) fn new(mut connection: Box<Connection>, output_limit: usize) -> Self {
        connection.set_buffer_limit(Some(output_limit));
        Self {
            connection,
            closed: false,
        }
    }

    /// Decrypts and acts on one record (and on nothing else, see [`portion`]); true if it was the peer's `close_notify`.
    pub(crate) fn process(&mut self, unseen: &[u8]) -> Result<bool, Error> {
        let connection = &mut self.connection;
        feed(unseen, |reader| connection.read_tls(reader))?;
        let mut process = || Ok(connection.process_new_packets()?.peer_has_closed());
        if !self.closed {
            return process();
        }
        // rustls 0.23 has a `debug_assert!` that no alert is sent after `close_notify`, and then sends one for a bad record: in a
        // debug build any peer could make us panic. The record is refused all the same, whichever way it ends.
        catch_unwind(AssertUnwindSafe(process))
            .unwrap_or_else(|_| Err(Error::General("bad record after close_notify".into())))
    }

    /// Lets the answer to a KeyUpdate out. rustls holds it back until the next write, which one who only reads never makes.
    pub(crate) fn answer_key_update(&mut self) {
        if !self.closed {
            let _ = self.connection.writer().write(&[]);
        }
    }

    /// Decrypted data that nobody has read. It must be read before the next record.
    pub(crate) fn peek(&mut self) -> &[u8] {
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
    }

    pub(crate) fn read(&mut self, buf: &mut [u8]) -> usize {
        self.connection.reader().read(buf).unwrap_or(0)
    }

    /// Encrypts as much as there is room for. An error is one that the state machine has seen before.
    pub(crate) fn write(&mut self, data: &[IoSlice<'_>]) -> usize {
        self.connection.writer().write_vectored(data).unwrap_or(0)
    }

    pub(crate) fn close(&mut self) {
        self.connection.send_close_notify();
        self.closed = true;
    }

    pub(crate) fn has_output(&self) -> bool {
        self.connection.wants_write()
    }

    pub(crate) fn transmit_to(&mut self, writer: &mut dyn Write) -> io::Result<usize> {
        self.connection.write_tls(writer)
    }
}

/// rustls' `Acceptor`, fed in the same portions.
#[derive(Default)]
pub(crate) struct HelloReader(Acceptor);

impl HelloReader {
    /// `Some` once the ClientHello is complete. With an error comes the alert to send.
    pub(crate) fn process(&mut self, unseen: &[u8]) -> Result<Option<Accepted>, (Error, Vec<u8>)> {
        feed(unseen, |reader| self.0.read_tls(reader)).map_err(|error| (error, Vec::new()))?;
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
