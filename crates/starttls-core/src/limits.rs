/// How much memory one connection may hold, a number for each buffer. All are bytes.
///
/// The defaults are those of the field; raising one changes memory use, never what is accepted as valid. A buffer that holds nothing could never move
/// anything, so that each holds at least one byte, whatever is set here; a negotiation or a handshake of which nothing is accepted fails at its
/// first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Plaintext received and not yet consumed. 64 KiB, the read limit of asyncio's streams and of curl's response headers.
    pub plaintext_input: usize,
    /// Plaintext queued and not yet handed out. 64 KiB, as rustls' own send buffer.
    pub plaintext_output: usize,
    /// Everything that a [`Negotiator`](crate::Negotiator) may receive before the upgrade. 64 KiB: a hundred times the largest real dialogue.
    pub negotiation: usize,
    /// TLS records received and not yet decrypted. 64 KiB: three of the largest records and a part of a fourth, so that one
    /// read call fetches several. Never less than one largest record (18,437 bytes), whatever is set here.
    pub tls_input: usize,
    /// TLS records made and not yet handed out. 64 KiB, rustls' default.
    pub tls_output: usize,
    /// Everything received during one handshake. 256 KiB: rustls takes handshake messages of up to 64 KiB, and a flight has a
    /// certificate chain, a status, a request and small ones.
    pub handshake: usize,
    /// TLS records received after the handshake, one behind the other, that carry no application data: tickets, key updates,
    /// alerts, empty records. 64: servers send 2 to 4 tickets, rustls itself ends floods of the others at 32, but not of tickets.
    pub quiet_records: usize,
}

impl Limits {
    /// The largest record that rustls accepts: header, 2^14 bytes and 2 KiB of expansion (RFC 5246 section 6.2.3).
    pub(crate) const LARGEST_RECORD: usize = 5 + 16_384 + 2_048;

    pub(crate) const DEFAULT: Self = Self {
        plaintext_input: 64 * 1024,
        plaintext_output: 64 * 1024,
        negotiation: 64 * 1024,
        tls_input: 64 * 1024,
        tls_output: 64 * 1024,
        handshake: 256 * 1024,
        quiet_records: 64,
    };

    /// The most data in one record (RFC 8446 section 5.1).
    pub(crate) const LARGEST_DATA: usize = 16_384;

    /// With the least that works.
    pub(crate) fn usable(self) -> Self {
        Self {
            plaintext_input: self.plaintext_input.max(1),
            plaintext_output: self.plaintext_output.max(1),
            tls_input: self.tls_input.max(Self::LARGEST_RECORD),
            tls_output: self.tls_output.max(1),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
