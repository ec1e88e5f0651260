use std::io::{self, Write};

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
    pub(crate) limits: Limits,
}

impl Wire {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits: limits.usable(),
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
