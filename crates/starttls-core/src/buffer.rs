/// What a fresh buffer starts with: most plaintext dialogues and the flights of a handshake fit.
const FIRST: usize = 4 * 1024;

/// What it shrinks to where only small messages come: each allocation is zeroed, and that costs more than such a message does.
const LEAST: usize = 1024;

/// A contiguous first-in first-out byte buffer, allocated when needed and let go when idle.
///
/// The allocated part is always initialised, so that a reader can be handed [`Buffer::space`] without zeroing it for every read.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// It is the caller's, and goes back when it is empty.
    lent: bool,
    /// The last commit left no space: the next allocation may be larger.
    was_filled: bool,
    /// How much to allocate after having been let go, learnt from what was used before; 0 before there was any.
    hint: usize,
    /// The most bytes held at once since the last allocation.
    high_water: usize,
}

impl Buffer {
    #[inline]
    pub(crate) fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Space to write to, so much that the buffer never holds more than `limit` bytes. Empty when it is full.
    pub(crate) fn space(&mut self, limit: usize) -> &mut [u8] {
        let room = limit.saturating_sub(self.len());
        if room == 0 {
            return &mut [];
        }
        if self.bytes.is_empty() {
            let wanted = if self.hint == 0 { FIRST } else { self.hint };
            self.grow(wanted, limit);
        } else if self.was_filled {
            self.grow(self.bytes.len().saturating_mul(4).max(FIRST), limit);
        }
        // Less than half is left at the tail: moving what is held makes larger reads of the next ones.
        if self.end > self.bytes.len() / 2 {
            self.compact();
        }
        if self.end == self.bytes.len() {
            self.grow(self.bytes.len().saturating_mul(4).max(FIRST), limit);
        }
        let tail = self.bytes.get_mut(self.end..).unwrap_or_default();
        let room = room.min(tail.len());
        tail.get_mut(..room).unwrap_or_default()
    }

    /// Takes over the first `n` bytes of the last [`Buffer::space`].
    pub(crate) fn commit(&mut self, n: usize) {
        let n = n.min(self.bytes.len().saturating_sub(self.end));
        self.end = self.end.saturating_add(n);
        self.was_filled = self.end == self.bytes.len();
        self.high_water = self.high_water.max(self.len());
    }

    /// Appends as much of `bytes` as the limit allows; returns how much that was.
    pub(crate) fn append(&mut self, bytes: &[u8], limit: usize) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = self.space(limit);
            let n = space.len().min(rest.len());
            let Some((head, tail)) = rest.split_at_checked(n).filter(|_| n > 0) else {
                break;
            };
            if let Some(space) = space.get_mut(..n) {
                space.copy_from_slice(head);
            }
            self.commit(n);
            rest = tail;
        }
        bytes.len().saturating_sub(rest.len())
    }

    #[inline]
    pub(crate) fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Holds the bytes from `start` to `end` of a buffer of the caller's. Nothing is held before.
    pub(crate) fn adopt(&mut self, bytes: Vec<u8>, start: usize, end: usize) {
        self.end = end.min(bytes.len());
        self.start = start.min(self.end);
        self.bytes = bytes;
        self.lent = true;
        self.was_filled = false;
        self.high_water = self.len();
    }

    /// The caller's buffer, if nothing is held in it any more.
    #[inline]
    pub(crate) fn reclaim(&mut self) -> Option<Vec<u8>> {
        if self.lent && self.is_empty() {
            self.lent = false;
            Some(std::mem::take(&mut self.bytes))
        } else {
            None
        }
    }

    /// What was the caller's is ours.
    pub(crate) fn keep(&mut self) {
        self.lent = false;
    }

    /// The same, unless more is likely to come at once.
    #[inline]
    pub(crate) fn release_unless_filled(&mut self) {
        if !self.was_filled {
            self.release();
        }
    }

    /// Gives the memory back if nothing is held.
    #[inline]
    pub(crate) fn release(&mut self) {
        if self.is_empty() && !self.bytes.is_empty() {
            let size = self.bytes.len();
            self.hint = if self.was_filled {
                size.saturating_mul(4)
            } else if self.high_water < size / 4 {
                (size / 4).max(LEAST)
            } else {
                size
            };
            self.high_water = 0;
            self.was_filled = false;
            self.lent = false;
            self.bytes = Vec::new();
        }
    }

    fn grow(&mut self, wanted: usize, limit: usize) {
        let wanted = wanted.min(limit).max(self.bytes.len());
        self.bytes
            .reserve_exact(wanted.saturating_sub(self.bytes.len()));
        self.bytes.resize(wanted, 0);
        self.was_filled = false;
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end = self.len();
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_holds_more_than_the_limit() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.append(&[1; 100_000], 65_536), 65_536);
        assert_eq!(buffer.append(&[1; 10], 65_536), 0);
        assert!(buffer.space(65_536).is_empty());
        buffer.consume(10);
        assert_eq!(buffer.append(&[1; 100], 65_536), 10);
        assert!(buffer.bytes.len() <= 65_536);
    }

    #[test]
    fn keeps_the_order_across_growth_and_compaction() {
        let mut buffer = Buffer::default();
        let mut sent = 0u8;
        let mut got = 0u8;
        for round in 1..2_000usize {
            let chunk: Vec<u8> = (0..round % 97)
                .map(|_| {
                    sent = sent.wrapping_add(1);
                    sent
                })
                .collect();
            assert_eq!(buffer.append(&chunk, 65_536), chunk.len());
            let n = buffer.len().min(round % 89);
            for byte in &buffer.filled()[..n] {
                got = got.wrapping_add(1);
                assert_eq!(*byte, got);
            }
            buffer.consume(n);
        }
    }

    #[test]
    fn lets_go_when_idle_only() {
        let mut buffer = Buffer::default();
        buffer.append(b"x", 10);
        buffer.release();
        assert_eq!(buffer.filled(), b"x");
        buffer.consume(1);
        buffer.release();
        assert_eq!(buffer.bytes.capacity(), 0);
    }
}
