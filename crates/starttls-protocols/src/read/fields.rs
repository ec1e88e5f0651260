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

/// Fails as soon as what came cannot begin with `expected`: a peer that speaks something else, and then waits, is not waited for.
pub(crate) fn expect_start(
    unread: &[u8],
    expected: &[u8],
    what: &'static str,
) -> Result<(), Error> {
    refuse_tls_record(unread)?;
    if let [0x15 | 0x16] = unread {
        // The second byte tells whether it is TLS.
        return Ok(());
    }
    match unread
        .iter()
        .zip(expected)
        .position(|(is, wanted)| is != wanted)
    {
        None => Ok(()),
        // Up to the first difference and no further, so that the error does not depend on how the input was split.
        Some(at) => Err(malformed(what, unread.get(..=at).unwrap_or_default())),
    }
}
