use std::io;

/// Only this crate has phases.
pub trait Sealed {}

/// What every phase of a connection offers to whoever moves its bytes: [`Plain`](crate::Plain), [`Tls`](crate::Tls) and
/// [`Accepting`](crate::Accepting).
///
/// The driving rule, the same in each of them: **hand out everything there is to send before waiting for input, and ask again
/// after every input.** Nothing here does I/O, blocks, or keeps a slice of the caller's.
///
/// It is sealed: code over any phase is what it is for, and what a phase has to offer may grow.
pub trait Phase: Sealed {
    /// Takes received bytes in and returns how many; a smaller number than `bytes.len()` means that the limit is reached, and
    /// the rest must be handed in again once [`wants_input`](Self::wants_input) is true.
    ///
    /// How the bytes are split over calls does not change the outcome: what can be read, what is sent, and whether it fails. It may change which error a failure
    /// is: plaintext behind a go-ahead is [`Error::UnreadPlaintext`](crate::Error::UnreadPlaintext) if it comes with it, and
    /// [`Error::NotTls`](crate::Error::NotTls) if it comes later. An empty slice is no input; the end of the connection is
    /// [`handle_eof`](Self::handle_eof).
    #[must_use = "bytes that were not taken are lost unless they are handed in again"]
    fn handle_input(&mut self, bytes: &[u8]) -> usize;

    /// Space to receive into, for those who can read straight into a borrowed buffer: initialised, up to 64 KiB, allocated now if
    /// there is none. Empty when [`wants_input`](Self::wants_input) is false for lack of room.
    fn receive_buffer(&mut self) -> &mut [u8];

    /// The first `n` bytes of the last [`receive_buffer`](Self::receive_buffer) were received. With 0 ("nothing there now") an
    /// empty buffer gives its memory back.
    fn received(&mut self, n: usize);

    /// How many bytes can be received into a buffer that is lent for as long as it holds something: 0 where that is not possible, or not now, and it is
    /// [`receive_buffer`](Self::receive_buffer) that has the space.
    ///
    /// For those who have a few buffers for many connections. Only what the network has seen as records goes into them: the plaintext phase takes none.
    fn takes_buffer(&self) -> usize {
        0
    }

    /// The first `n` bytes of `buffer` were received, at most [`takes_buffer`](Self::takes_buffer). If something has to be held, the buffer is taken and an empty
    /// one left, until [`reclaim_buffer`](Self::reclaim_buffer).
    fn received_in(&mut self, buffer: &mut Vec<u8>, n: usize);

    /// A lent buffer that holds nothing any more. To be asked for after reading.
    fn reclaim_buffer(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// The peer has closed its side: nothing will be received any more.
    fn handle_eof(&mut self);

    /// More input can be used and there is room for it. Not reading while this is false is the back-pressure.
    fn wants_input(&self) -> bool;

    /// There are bytes to send.
    fn has_output(&self) -> bool;

    /// Writes some of the bytes to send, vectored where there are several pieces, and returns how many were written.
    ///
    /// # Errors
    /// Those of `writer`; what was not written stays.
    fn transmit_to(&mut self, writer: &mut dyn io::Write) -> io::Result<usize>;

    /// Appends everything that there is to send to `out`; false if there was nothing.
    fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        // A `Vec` takes everything and never fails.
        while self.has_output() && matches!(self.transmit_to(out), Ok(1..)) {}
        out.len() > before
    }
}
