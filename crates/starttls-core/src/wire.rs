use std::io::{self, Write};
use std::ops::Deref;

use crate::Limits;
use crate::buffer::Buffer;

/// The bytes of one connection on both sides of the boundary: it goes along from phase to phase, so that nothing is lost and
/// nothing is held twice.
#[derive(Default)]
pub(crate) struct Wire {
    /// Received, not yet used.
    pub(crate) input: Buffer,
    /// Plaintext to be sent. In the TLS phase: what is left of it, which goes out before the first record.
    pub(crate) output: Buffer,
    pub(crate) eof: bool,
    pub(crate) limits: Kept,
}

/// Limits, which take room only where they are not the default ones.
#[derive(Default)]
pub(crate) struct Kept(Option<Box<Limits>>);

impl Deref for Kept {
    type Target = Limits;

    #[inline]
    fn deref(&self) -> &Limits {
        self.0.as_deref().unwrap_or(&Limits::DEFAULT)
    }
}

impl Wire {
    pub(crate) fn new(limits: Limits) -> Self {
        let limits = limits.usable();
        Self {
            limits: Kept((limits != Limits::DEFAULT).then(|| Box::new(limits))),
            ..Self::default()
        }
    }

    pub(crate) fn transmit_to(&mut self, writer: &mut dyn Write) -> io::Result<usize> {
        let filled = self.output.filled();
        let n = writer.write(filled)?.min(filled.len());
        self.output.consume(n);
        self.output.release();
        Ok(n)
    }
}
