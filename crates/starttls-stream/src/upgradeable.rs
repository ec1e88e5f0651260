use std::io::{self, BufRead, IoSlice, Read, Write};

use crate::adapter::InPlace;
use crate::{Error, Opportunistic, PlainStream, TlsStream, Transport};

/// A blocking stream that is upgraded in place, for code that has it behind `&mut self`.
///
/// Which phase it is in is a question at run time here; prefer [`PlainStream`] and [`TlsStream`] where the types can tell. An upgrade
/// that fails leaves a stream on which everything is an error: never plaintext.
#[derive(Debug)]
pub struct UpgradeableStream<IO> {
    state: State<IO>,
}

type State<IO> = InPlace<PlainStream<IO>, TlsStream<IO>>;

crate::upgradeable_stream_methods!(UpgradeableStream<IO>, over(Transport), blocking());

impl<IO: Transport> UpgradeableStream<IO> {
    /// As [`PlainStream::shutdown`] or [`TlsStream::shutdown`].
    ///
    /// # Errors
    /// As there.
    pub fn shutdown(&mut self) -> Result<(), Error> {
        match &mut self.state {
            State::Plain(plain) => plain.shutdown(),
            State::Tls(tls) => tls.shutdown(),
            State::Ended(error) => Err(error.clone()),
        }
    }
}

impl<IO: Transport> Read for UpgradeableStream<IO> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Plain(plain) => plain.read(buf),
            State::Tls(tls) => tls.read(buf),
            State::Ended(error) => Err(error.clone().into()),
        }
    }
}

impl<IO: Transport> BufRead for UpgradeableStream<IO> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.state {
            State::Plain(plain) => plain.fill_buf(),
            State::Tls(tls) => tls.fill_buf(),
            State::Ended(error) => Err(error.clone().into()),
        }
    }

    fn consume(&mut self, amount: usize) {
        match &mut self.state {
            State::Plain(plain) => plain.consume(amount),
            State::Tls(tls) => tls.consume(amount),
            State::Ended(_) => {}
        }
    }
}

impl<IO: Transport> Write for UpgradeableStream<IO> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Plain(plain) => plain.write(buf),
            State::Tls(tls) => tls.write(buf),
            State::Ended(error) => Err(error.clone().into()),
        }
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.state {
            State::Plain(plain) => plain.write_vectored(bufs),
            State::Tls(tls) => tls.write_vectored(bufs),
            State::Ended(error) => Err(error.clone().into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Plain(plain) => plain.flush(),
            State::Tls(tls) => tls.flush(),
            State::Ended(error) => Err(error.clone().into()),
        }
    }
}
