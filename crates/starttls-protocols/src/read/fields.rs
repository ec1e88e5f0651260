use starttls_core::{Error, Plain};

use crate::read::misbehaviour::{malformed, refuse_tls_record};

/// Takes the fields of a complete message one after the other, all in network byte order. `None` means that the message is shorter
/// than it should be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// What is in front of the next NUL, which is skipped.
    pub(crate) fn until_nul(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let field = self.bytes(end)?;
        self.u8()?;
        Some(field)
    }

    /// What was not taken.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

/// The next `length` bytes, consumed; `None` if they are not all there.
pub(crate) fn take(plain: &mut Plain, length: usize) -> Option<Vec<u8>> {
    let message = plain.peek().get(..length)?.to_vec();
    plain.consume(length);
    Some(message)
}

/// Fails as soon as what came cannot begin with `expected`, the beginning of a message of at least [`WORDS`] bytes: a peer that speaks
/// something else, and then waits, is not waited for.
pub(crate) fn expect_start(
    plain: &Plain,
    expected: &[u8],
    what: &'static str,
) -> Result<(), Error> {
    let unread = plain.peek();
    refuse_tls_record(unread)?;
    if let [0x15 | 0x16] = unread {
        // The second byte tells whether it is TLS.
        return Ok(());
    }
    let differs = unread
        .iter()
        .zip(expected)
        .position(|(is, wanted)| is != wanted);
    match differs.and_then(|at| foreign_words(plain, at)) {
        None => Ok(()),
        Some(words) => Err(malformed(what, words)),
    }
}

/// How much of the words of a peer that speaks text is read where a message was expected: enough to know it by (`HTTP`, `220 `, `SSH-`), and less than
/// any of them says before it waits.
pub(crate) const WORDS: usize = 4;

/// What a peer said that speaks another protocol, as its byte `at` shows. If that is text, [`WORDS`] bytes of it; `None` if they are not there yet. Otherwise up
/// to that byte and no further, so that the error does not depend on how the input was split.
pub(crate) fn foreign_words(plain: &Plain, at: usize) -> Option<&[u8]> {
    let unread = plain.peek();
    let (start, rest) = unread.split_at_checked(at.saturating_add(1))?;
    if !is_text(start) || start.ends_with(b"\n") {
        return Some(start);
    }
    let more = rest.iter().take(WORDS.saturating_sub(start.len()));
    let more = more
        .take_while(|byte| is_text_byte(**byte) && **byte != b'\n')
        .count();
    let mut length = start.len().saturating_add(more);
    let next = unread.get(length);
    if length < WORDS && next.is_none() && !plain.is_eof() {
        return None;
    }
    if length < WORDS && next == Some(&b'\n') {
        length = length.saturating_add(1);
    }
    unread.get(..length)
}

/// Words of a protocol of lines, which no length and no number of a binary one looks like.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().copied().all(is_text_byte)
}

fn is_text_byte(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')
}
