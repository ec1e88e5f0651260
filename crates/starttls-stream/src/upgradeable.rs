use std::io::{self, BufRead, IoSlice, Read, Write};

use rustls::Connection;
use starttls_core::{Error as CoreError, Misuse, Negotiator, rustls};

use crate::{Error, PlainStream, TlsStream, Transport};

/// A blocking stream that is upgraded in place, for code that has it behind `&mut self`.
///
/// Which phase it is in is a question at run time here; prefer [`PlainStream`] and [`TlsStream`] where the types can tell. An upgrade
/// that fails leaves a stream on which everything is an error: never plaintext.
#[derive(Debug)]
pub struct UpgradeableStream<IO> {
    state: State<IO>,
}

#[derive(Debug)]
enum State<IO> {
    Plain(Box<PlainStream<IO>>),
    Tls(Box<TlsStream<IO>>),
    /// An upgrade failed, or was dropped.
    Ended(Error),
}

impl<IO> From<PlainStream<IO>> for UpgradeableStream<IO> {
    fn from(plain: PlainStream<IO>) -> Self {
        Self {
            state: State::Plain(Box::new(plain)),
        }
    }
}

impl<IO> From<TlsStream<IO>> for UpgradeableStream<IO> {
    fn from(tls: TlsStream<IO>) -> Self {
        Self {
            state: State::Tls(Box::new(tls)),
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

    /// Takes the stream out; what is left behind is an error to use.
    fn take(&mut self) -> State<IO> {
        std::mem::replace(&mut self.state, State::Ended(misuse(Misuse::HalfUpgraded)))
    }

    fn settle<T>(&mut self, result: Result<T, Error>) -> Result<(), Error>
    where
        Self: From<T>,
    {
        let (state, result) = match result {
            Ok(stream) => (Self::from(stream).state, Ok(())),
            Err(error) => (State::Ended(error.clone()), Err(error)),
        };
        self.state = state;
        result
    }
}

impl<IO: Transport> UpgradeableStream<IO> {
    /// As [`PlainStream::start_tls`].
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`]; [`Misuse::Finished`] if it is TLS already.
    pub fn start_tls(&mut self, connection: impl Into<Connection>) -> Result<(), Error> {
        let result = self.take_plain()?.start_tls(connection);
        self.settle(result)
    }

    /// As [`PlainStream::upgrade`].
    ///
    /// # Errors
    /// As [`PlainStream::upgrade`]; [`Misuse::Finished`] if it is TLS already.
    pub fn upgrade<N: Negotiator>(
        &mut self,
        negotiator: N,
        connection: N::Tls,
    ) -> Result<(), Error> {
        let result = self.take_plain()?.upgrade(negotiator, connection);
        self.settle(result)
    }

    /// As [`TlsStream::stop_tls`].
    ///
    /// # Errors
    /// As [`TlsStream::stop_tls`]; [`Misuse::Finished`] if it is plaintext already.
    pub fn stop_tls(&mut self) -> Result<(), Error> {
        let tls = match self.take() {
            State::Tls(tls) => tls,
            other => return self.put_back(other),
        };
        let result = tls.stop_tls();
        self.settle(result)
    }

    fn take_plain(&mut self) -> Result<PlainStream<IO>, Error> {
        match self.take() {
            State::Plain(plain) => Ok(*plain),
            other => self.put_back(other),
        }
    }

    fn put_back<T>(&mut self, state: State<IO>) -> Result<T, Error> {
        self.state = state;
        match &self.state {
            State::Ended(error) => Err(error.clone()),
            _ => Err(misuse(Misuse::Finished)),
        }
    }
}

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

fn misuse(what: Misuse) -> Error {
    CoreError::from(what).into()
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
