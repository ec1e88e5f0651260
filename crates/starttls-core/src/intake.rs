//! How received bytes become records: what the two phases that speak TLS have in common.

use crate::Limits;
use crate::engine;
use crate::record::{self, Front};
use crate::wire::Wire;

/// Who is given the records: a connection, or what waits for the ClientHello.
pub(crate) trait Records {
    /// Another record can be used, if not now then later.
    fn is_open(&self) -> bool;

    /// There is data of the last record that nobody has read.
    fn has_unread(&self) -> bool;

    /// It has failed: what comes is thrown away.
    fn has_failed(&self) -> bool;

    /// Records are wanted only when somebody asks for data.
    fn waits_for_reader(&self) -> bool;

    /// The beginning or the middle of a record.
    fn part(&mut self, bytes: &[u8]);

    /// The rest of a record, perhaps with some of the next header behind it.
    fn record(&mut self, record: Record<'_>, limits: &Limits);

    /// `input` begins with something that is no record; `unseen` is as much of it as rustls needs to come to the same verdict.
    fn malformed(&mut self, input: &[u8], unseen: &[u8]);

    /// The connection has ended, and no record is left.
    fn ended(&mut self);
}

/// The last bytes of a record.
pub(crate) struct Record<'a> {
    /// Its content type.
    pub(crate) kind: u8,
    /// Its length, header included.
    pub(crate) length: usize,
    /// What was not given away before.
    pub(crate) unseen: &'a [u8],
}

/// The bytes of the connection, and how far they were given away.
pub(crate) struct Intake {
    pub(crate) wire: Wire,
    cutter: Cutter,
}

impl Intake {
    pub(crate) fn new(mut wire: Wire) -> Self {
        wire.output.release();
        Self {
            wire,
            cutter: Cutter::default(),
        }
    }

    /// Gives records away until one of them has yielded data.
    #[inline]
    pub(crate) fn advance(&mut self, records: &mut impl Records) {
        if !records.has_unread() && (self.wire.eof || !self.wire.input.is_empty()) {
            let Wire {
                input, limits, eof, ..
            } = &mut self.wire;
            let used = self.cutter.run(records, input.filled(), *eof, limits);
            input.consume(used);
        }
    }

    pub(crate) fn handle_input(&mut self, records: &mut impl Records, bytes: &[u8]) -> usize {
        let limit = self.wire.limits.tls_input;
        let mut taken = 0;
        // Records are used while they come, so that a slice larger than the buffer is taken as well as many small ones.
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            if records.has_failed() {
                return bytes.len();
            }
            // Nothing is held: straight from the caller's slice, and only what cannot be used yet is kept.
            let straight = self.wire.input.is_empty()
                && records.is_open()
                && !records.has_unread()
                && !records.waits_for_reader();
            let used = if straight {
                let limits = &self.wire.limits;
                self.cutter.run(records, rest, false, limits)
            } else {
                0
            };
            let n = if used > 0 {
                used
            } else {
                let n = self.wire.input.append(rest, limit);
                if !records.waits_for_reader() {
                    self.advance(records);
                }
                n
            };
            taken = taken.saturating_add(n);
            if n == 0 {
                break;
            }
        }
        taken
    }

    /// How much can be received into a buffer of the caller's: nothing while something is held.
    #[inline]
    pub(crate) fn takes_buffer(&self, records: &impl Records) -> usize {
        if self.wire.input.is_empty() && records.is_open() {
            self.wire.limits.tls_input
        } else {
            0
        }
    }

    /// The first `n` bytes of `buffer` were received. It is taken if records are held in it.
    #[inline]
    pub(crate) fn received_in(
        &mut self,
        records: &mut impl Records,
        buffer: &mut Vec<u8>,
        n: usize,
    ) {
        let bytes = buffer.get(..n).unwrap_or(buffer);
        let used =
            if self.wire.input.is_empty() && !records.has_unread() && !records.waits_for_reader() {
                self.cutter.run(records, bytes, false, &self.wire.limits)
            } else {
                0
            };
        if used < bytes.len() && !records.has_failed() {
            self.hold(buffer, used, n);
        }
    }

    #[cold]
    fn hold(&mut self, buffer: &mut Vec<u8>, used: usize, n: usize) {
        /// A few bytes, or a short record, are not worth a large buffer for as long as they are held.
        const FEW: usize = 4 * 1024;
        let rest = buffer.get(used..n).unwrap_or_default();
        let input = &mut self.wire.input;
        if !input.is_empty() {
            input.append(rest, usize::MAX);
        } else if rest.len() <= FEW {
            input.adopt(rest.to_vec(), 0, rest.len());
        } else {
            input.adopt(std::mem::take(buffer), used, n);
        }
    }

    pub(crate) fn receive_buffer(&mut self) -> &mut [u8] {
        let limit = self.wire.limits.tls_input;
        self.wire.input.space(limit)
    }

    pub(crate) fn received(&mut self, records: &mut impl Records, n: usize) {
        self.wire.input.commit(n);
        if !records.waits_for_reader() {
            self.advance(records);
        }
        if n == 0 {
            self.wire.input.release();
        }
    }

    pub(crate) fn handle_eof(&mut self, records: &mut impl Records) {
        self.wire.eof = true;
        if !records.waits_for_reader() {
            self.advance(records);
        }
    }

    pub(crate) fn wants_input(&self, records: &impl Records) -> bool {
        records.is_open() && !self.wire.eof && self.wire.input.len() < self.wire.limits.tls_input
    }

    /// Nothing is held, and no record is begun.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.wire.input.is_empty() && self.cutter.missing == 0
    }

    /// Bytes at the front of the input that were given away already.
    pub(crate) fn seen(&self) -> usize {
        self.cutter.seen
    }

    /// Bytes of an incomplete record that were given away, and are not in the input any more.
    pub(crate) fn begun(&self) -> usize {
        self.cutter.length.saturating_sub(self.cutter.missing)
    }
}

/// Cuts the received bytes into records: nothing behind a record is given away before that record was used, so that the boundary behind
/// `close_notify` is exact.
#[derive(Default)]
struct Cutter {
    /// Bytes at the front of the input that were given away with the record before: at most one header.
    seen: usize,
    /// The record under way, from its header until its last byte was given away: its type, its length, and how much of it is to come.
    kind: u8,
    length: usize,
    missing: usize,
}

impl Cutter {
    /// Gives records of `all` away until one of them has yielded data; how many bytes are used up.
    fn run(&mut self, records: &mut impl Records, all: &[u8], eof: bool, limits: &Limits) -> usize {
        let mut used: usize = 0;
        while records.is_open() && !records.has_unread() {
            let input = all.get(used..).unwrap_or_default();
            if self.missing == 0 {
                match record::front(input) {
                    Front::Record(length) => {
                        self.kind = input.first().copied().unwrap_or_default();
                        self.length = length;
                        self.missing = length;
                    }
                    Front::Malformed => {
                        let header = input.len().min(record::HEADER);
                        let unseen = input.get(self.seen..header).unwrap_or_default();
                        self.seen = 0;
                        used = used.saturating_add(header);
                        records.malformed(input, unseen);
                        continue;
                    }
                    Front::Incomplete => {
                        if eof {
                            records.ended();
                        }
                        return used;
                    }
                }
            }
            if input.len() < self.missing {
                // rustls can do nothing with it yet; but it has not to be moved when the rest comes.
                let unseen = input.get(self.seen..).unwrap_or_default();
                if !unseen.is_empty() {
                    records.part(unseen);
                }
                self.seen = 0;
                self.missing = self.missing.saturating_sub(input.len());
                if eof && records.is_open() {
                    records.ended();
                }
                return all.len();
            }
            let portion = engine::portion(input, self.missing, self.length);
            let record = Record {
                kind: self.kind,
                length: self.length,
                unseen: input.get(self.seen..portion).unwrap_or_default(),
            };
            used = used.saturating_add(self.missing);
            self.seen = portion.saturating_sub(self.missing);
            self.length = 0;
            self.missing = 0;
            records.record(record, limits);
        }
        used
    }
}
