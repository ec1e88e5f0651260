use std::ops::Range;

use rustls::TlsInputBuffer;

/// The received bytes, in which rustls decrypts: what it has decrypted and nobody has read is in front of what it has not seen.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// Decrypted and unread.
    data: Range<usize>,
    /// Behind everything that rustls has used.
    start: usize,
    end: usize,
    closed: bool,
}

/// What a fresh buffer has.
const FIRST: usize = 4 * 1024;

impl Input {
    /// Decrypted data that nobody has read.
    pub(crate) fn data(&self) -> &[u8] {
        self.bytes.get(self.data.clone()).unwrap_or_default()
    }

    pub(crate) fn consume(&mut self, n: usize) {
        self.data.start = self.data.start.saturating_add(n).min(self.data.end);
        if self.data.is_empty() {
            self.data = self.start..self.start;
        }
    }

    /// Received and not used by rustls: behind `close_notify` it is plaintext.
    pub(crate) fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The peer's `close_notify` was found.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many bytes are held.
    pub(crate) fn len(&self) -> usize {
        self.end.saturating_sub(self.data.start.min(self.start))
    }

    /// Space to receive into, so that no more than `limit` bytes are held.
    pub(crate) fn space(&mut self, limit: usize) -> &mut [u8] {
        let room = limit.saturating_sub(self.len());
        if room > 0 && self.end == self.bytes.len() {
            let from = self.data.start.min(self.start);
            if from > 0 {
                self.bytes.copy_within(from..self.end, 0);
                self.data =
                    self.data.start.saturating_sub(from)..self.data.end.saturating_sub(from);
                self.start = self.start.saturating_sub(from);
                self.end = self.end.saturating_sub(from);
            } else {
                let size = self.bytes.len().saturating_mul(4).max(FIRST).min(limit);
                self.bytes.resize(size.max(self.bytes.len()), 0);
            }
        }
        let end = self.end.saturating_add(room).min(self.bytes.len());
        self.bytes.get_mut(self.end..end).unwrap_or_default()
    }

    /// The first `n` bytes of the last [`space`](Self::space) were received.
    pub(crate) fn commit(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.bytes.len());
    }

    pub(crate) fn append(&mut self, mut bytes: &[u8], limit: usize) -> usize {
        let before = bytes.len();
        while !bytes.is_empty() {
            let space = self.space(limit);
            let n = space.len().min(bytes.len());
            let Some((now, later)) = bytes.split_at_checked(n).filter(|_| n > 0) else {
                break;
            };
            if let Some(space) = space.get_mut(..n) {
                space.copy_from_slice(now);
            }
            self.commit(n);
            bytes = later;
        }
        before.saturating_sub(bytes.len())
    }

    /// Gives the memory back if nothing is held.
    pub(crate) fn release(&mut self) {
        if self.len() == 0 {
            *self = Self {
                closed: self.closed,
                ..Self::default()
            };
        }
    }

    /// Where the bytes are, to tell where in them a payload lies.
    pub(crate) fn address(&self) -> usize {
        self.bytes.as_ptr().addr()
    }

    /// rustls has decrypted these bytes, which are in front of what it has left.
    pub(crate) fn decrypted(&mut self, data: Range<usize>) {
        self.data = data;
    }
}

impl TlsInputBuffer for Input {
    fn slice_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// What is behind `close_notify` stays: rustls tells us so when it has found that, and only then discards the rest.
    fn discard(&mut self, n: usize) {
        if !self.closed {
            self.start = self.start.saturating_add(n).min(self.end);
            if self.data.is_empty() {
                self.data = self.start..self.start;
            }
        }
    }

    fn received_close_notify(&mut self) {
        self.closed = true;
    }

    /// The end is the state machine's business: it says how far the connection had come.
    fn has_seen_eof(&self) -> bool {
        false
    }
}
