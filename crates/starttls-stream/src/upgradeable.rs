use std::io::{self, BufRead, IoSlice, Read, Write};

use rustls::Connection;
use starttls_core::{Negotiator, rustls};

use crate::{Error, InPlace, PlainStream, TlsStream, Transport};

/// A blocking stream that is upgraded in place, for code that has it behind `&mut self`.
///
/// Which phase it is in is a question at run time here; prefer [`PlainStream`] and [`TlsStream`] where the types can tell. An upgrade
/// that fails leaves a stream on which everything is an error: never plaintext.
#[derive(Debug)]
pub struct UpgradeableStream<IO> {
    state: State<IO>,
}

type State<IO> = InPlace<PlainStream<IO>, TlsStream<IO>>;

impl<IO> From<PlainStream<IO>> for UpgradeableStream<IO> {
    fn from(plain: PlainStream<IO>) -> Self {
        Self {
            state: State::new(plain),
        }
    }
}

impl<IO> From<TlsStream<IO>> for UpgradeableStream<IO> {
    fn from(tls: TlsStream<IO>) -> Self {
        Self {
            state: State::tls(tls),
        }
    }
}

impl<IO> UpgradeableStream<IO> {
    /// A connection in its plaintext phase.
    pub fn new(io: IO) -> Self {
        PlainStream::new(io).into()
    }

    /// The TLS stream, if it is one now: what was negotiated, who the peer is.
    pub fn tls(&self) -> Option<&TlsStream<IO>> {
        match &self.state {
            State::Tls(tls) => Some(tls),
            _ => None,
        }
    }

    /// The plaintext stream, if it is one now.
    pub fn plain(&self) -> Option<&PlainStream<IO>> {
        match &self.state {
            State::Plain(plain) => Some(plain),
            _ => None,
        }
    }

    /// The transport, to look at; `None` after a failed upgrade.
    pub fn get_ref(&self) -> Option<&IO> {
        match &self.state {
            State::Plain(plain) => Some(plain.get_ref()),
            State::Tls(tls) => Some(tls.get_ref()),
            State::Ended(_) => None,
        }
    }
}

impl<IO: Transport> UpgradeableStream<IO> {
    /// As [`PlainStream::start_tls`].
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`]; [`Misuse::Finished`](starttls_core::Misuse::Finished) if it is TLS already.
    pub fn start_tls(&mut self, connection: impl Into<Connection>) -> Result<(), Error> {
        let result = self.state.take_plain()?.start_tls(connection);
        self.state.settle_tls(result)
    }

    /// As [`PlainStream::upgrade`].
    ///
    /// # Errors
    /// As [`PlainStream::upgrade`]; [`Misuse::Finished`](starttls_core::Misuse::Finished) if it is TLS already.
    pub fn upgrade<N: Negotiator>(
        &mut self,
        negotiator: N,
        connection: N::Tls,
    ) -> Result<(), Error> {
        let result = self.state.take_plain()?.upgrade(negotiator, connection);
        self.state.settle_tls(result)
    }

    /// As [`TlsStream::stop_tls`].
    ///
    /// # Errors
    /// As [`TlsStream::stop_tls`]; [`Misuse::Finished`](starttls_core::Misuse::Finished) if it is plaintext already.
    pub fn stop_tls(&mut self) -> Result<(), Error> {
        let result = self.state.take_tls()?.stop_tls();
        self.state.settle_plain(result)
    }

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
