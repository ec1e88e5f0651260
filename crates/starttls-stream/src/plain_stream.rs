use std::io::{self, BufRead, Read, Write};
use std::time::Instant;

use rustls::Connection;
use starttls_core::{Boundary, Error as CoreError, Negotiator, Plain, rustls};

use crate::adapter::{Driver, Negotiation};
use crate::stream::{Stream, Timed};
use crate::{Accepted, Arrival, Error, TlsStream, Transport, Waiting};

/// A blocking connection in its plaintext phase, to be upgraded.
///
/// It is read and written like any stream. It buffers what it has read, so that nothing which arrived before the switch can be read after
/// it: what is unread at [`start_tls`](Self::start_tls) is an error.
///
/// Reading and writing take as long as the timeouts of the socket say, and a timeout is [`TimedOut`](io::ErrorKind::TimedOut), after which the
/// same call can be made again.
///
/// ```no_run
/// # use starttls_stream::rustls;
/// # fn f(connection: rustls::ClientConnection) -> Result<(), Box<dyn std::error::Error>> {
/// use std::io::Write;
/// use std::net::TcpStream;
/// use starttls_stream::PlainStream;
///
/// let mut plain = PlainStream::new(TcpStream::connect("127.0.0.1:2525")?);
/// plain.write_all(b"STARTTLS\n")?;
/// plain.flush()?;
/// let line = plain.next_line(512)?;
/// if line.as_deref() != Some(b"OK") {
///     return Err("the peer does not want TLS".into());
/// }
///
/// let mut tls = plain.start_tls(connection)?;
/// tls.write_all(b"PING\n")?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PlainStream<IO> {
    pub(crate) inner: Stream<IO, Plain>,
}

crate::plain_stream_methods!(PlainStream<IO>);
#[cfg(feature = "policy")]
crate::policy_methods!(PlainStream<IO>, over(Transport), ()());

impl<IO: Transport> PlainStream<IO> {
    /// Switches to TLS and completes the handshake. `connection` is a `rustls::ClientConnection` or a `rustls::ServerConnection`. What was
    /// written before goes out first.
    ///
    /// # Errors
    /// [`UnreadPlaintext`](CoreError::UnreadPlaintext) if anything was received that nobody has read; why the handshake failed;
    /// [`Error::Deadline`]. The connection is closed then.
    pub fn start_tls(self, connection: impl Into<Connection>) -> Result<TlsStream<IO>, Error> {
        self.at(Boundary::Exact).start_tls(connection)
    }

    /// Switches to TLS and takes what was received and not read as its beginning: only where the protocol has no go-ahead, so that the
    /// peer's `ClientHello` may be there already. As [`start_tls`](Self::start_tls) otherwise.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls), but for the first.
    pub fn start_tls_with_unread(
        self,
        connection: impl Into<Connection>,
    ) -> Result<TlsStream<IO>, Error> {
        self.at(Boundary::Pipelined).start_tls(connection)
    }

    /// Switches to TLS as a server and waits for the `ClientHello`, by which the configuration can be chosen.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls).
    pub fn accept(self) -> Result<Accepted<IO>, Error> {
        self.at(Boundary::Exact).accept()
    }

    /// As [`accept`](Self::accept) for a server that answers in plaintext what is not TLS: it gives the stream back with that unread.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls), but for the peer sending something that does not begin as TLS does.
    #[doc(alias = "take_io")]
    pub fn accept_or_plaintext(self) -> Result<Arrival<IO>, Error> {
        self.at(Boundary::Exact).accept_or_plaintext()
    }

    /// Reads a line of at most `limit` bytes, its end included, and returns it without that (LF or CR LF); `None` at the end of the connection.
    /// It takes as long as the timeouts of the socket say.
    ///
    /// # Errors
    /// [`TooLong`](starttls_core::Misbehaviour::TooLong) for a longer line, [`Truncated`](CoreError::Truncated) for one that ends with the connection;
    /// what there is of it is still there to be read. Otherwise as reading.
    pub fn next_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.inner.call(|driver, io| driver.next_line(io, limit))?)
    }

    /// Has the plaintext dialogue of a protocol. Lend the negotiator (`&mut negotiator`) to look at what it has learnt; it is gone
    /// otherwise.
    ///
    /// # Errors
    /// Why there will be no TLS, after what the negotiator had to say was sent; [`Error::Deadline`]. The connection is closed then.
    pub fn negotiate<N: Negotiator>(self, negotiator: N) -> Result<Negotiated<IO>, Error> {
        match self.negotiate_or_keep(negotiator)? {
            Ok(negotiated) => Ok(negotiated),
            Err((_, reason)) => Err(reason.into()),
        }
    }

    /// Has the plaintext dialogue of a protocol, then the handshake, under one deadline.
    ///
    /// # Errors
    /// As [`negotiate`](Self::negotiate) and [`start_tls`](Self::start_tls).
    pub fn upgrade<N: Negotiator>(
        self,
        negotiator: N,
        connection: N::Tls,
    ) -> Result<TlsStream<IO>, Error> {
        self.negotiate(negotiator)?.start_tls(connection)
    }

    /// As [`upgrade`](Self::upgrade) for callers who go on in plaintext where the peer declines, knowing that anybody on the path can make it look so.
    /// There is no way on after any other failure.
    ///
    /// # Errors
    /// As [`upgrade`](Self::upgrade), but for the peer not offering TLS or refusing it.
    pub fn upgrade_opportunistically<N: Negotiator>(
        self,
        negotiator: N,
        connection: N::Tls,
    ) -> Result<Opportunistic<IO>, Error> {
        match self.negotiate_or_keep(negotiator)? {
            Ok(negotiated) => negotiated.start_tls(connection).map(Opportunistic::Tls),
            Err((plain, reason)) if reason.is_declined() => {
                Ok(Opportunistic::Declined { plain, reason })
            }
            Err((_, reason)) => Err(reason.into()),
        }
    }

    /// Sends what was written and ends the transport's writing.
    ///
    /// # Errors
    /// Those of the transport; [`Error::Deadline`].
    pub fn shutdown(&mut self) -> Result<(), Error> {
        let until = self.inner.close_until();
        self.inner.run(Waiting::Close, until, |driver, io| {
            driver.shutdown(io, Timed::shutdown_write)
        })
    }

    fn negotiate_or_keep<N: Negotiator>(
        mut self,
        negotiator: N,
    ) -> Result<Result<Negotiated<IO>, (Self, CoreError)>, Error> {
        let until = self.inner.upgrade_until();
        let mut negotiation = Negotiation::new(negotiator);
        let outcome = self.inner.run(Waiting::Negotiation, until, |driver, io| {
            driver.negotiate(io, &mut negotiation)
        });
        match outcome {
            Ok(boundary) => Ok(Ok(Negotiated {
                plain: self,
                boundary,
                until,
            })),
            Err(Error::Protocol(reason)) => Ok(Err((self, reason))),
            Err(error) => Err(error),
        }
    }

    fn at(self, boundary: Boundary) -> Negotiated<IO> {
        Negotiated {
            boundary,
            until: self.inner.upgrade_until(),
            plain: self,
        }
    }
}

/// A connection whose plaintext dialogue is over.
#[derive(Debug)]
#[must_use = "the peer waits for TLS"]
pub struct Negotiated<IO> {
    plain: PlainStream<IO>,
    boundary: Boundary,
    until: Option<Instant>,
}

impl<IO> Negotiated<IO> {
    /// After a tunnel was opened (`CONNECT`, SOCKS, a PROXY header): the plaintext stream inside it, with what has already come through.
    pub fn into_plain(self) -> PlainStream<IO> {
        self.plain
    }
}

impl<IO: Transport> Negotiated<IO> {
    /// Completes the handshake, within what is left of the deadline.
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`].
    pub fn start_tls(self, connection: impl Into<Connection>) -> Result<TlsStream<IO>, Error> {
        let boundary = self.boundary;
        let stream = self
            .plain
            .inner
            .try_map(|driver| driver.start_tls(boundary, connection))?;
        TlsStream::handshake(stream, self.until)
    }

    /// Waits for the `ClientHello`, within what is left of the deadline.
    ///
    /// # Errors
    /// As [`PlainStream::accept`].
    pub fn accept(self) -> Result<Accepted<IO>, Error> {
        let boundary = self.boundary;
        let stream = self.plain.inner.try_map(|driver| driver.accept(boundary))?;
        Accepted::hello(stream, self.until)
    }

    /// Waits for the `ClientHello` or something else, as [`PlainStream::accept_or_plaintext`].
    ///
    /// # Errors
    /// As there.
    pub fn accept_or_plaintext(mut self) -> Result<Arrival<IO>, Error> {
        let boundary = self.boundary;
        let begins_as_tls =
            self.plain
                .inner
                .run(Waiting::Handshake, self.until, |driver, io| {
                    driver.begins_as_tls(io, boundary)
                })?;
        if !begins_as_tls {
            return Ok(Arrival::Plaintext(self.plain));
        }
        // What was seen has come where TLS was due.
        self.boundary = Boundary::Pipelined;
        self.accept().map(Arrival::Hello)
    }

    /// The transport, for another TLS library to go on with. What was left to be said is sent first, within what is left of the deadline.
    ///
    /// # Errors
    /// [`UnreadPlaintext`](CoreError::UnreadPlaintext) if anything was received that nobody has read: it would be lost, or be taken for a part of TLS. Where the
    /// protocol has no go-ahead that is the peer's `ClientHello`; then take the parts of [`into_plain`](Self::into_plain).
    pub fn into_transport(mut self) -> Result<IO, Error> {
        let sent = |driver: &mut Driver<Plain>, io: &mut Timed<'_, IO>| driver.leave(io);
        self.plain.inner.run(Waiting::Handshake, self.until, sent)?;
        Ok(self.plain.inner.io)
    }
}

/// What came of an upgrade that the peer was free to decline.
#[derive(Debug)]
#[must_use = "there may be no TLS"]
pub enum Opportunistic<IO> {
    /// TLS is up.
    Tls(TlsStream<IO>),
    /// The peer does not offer TLS, has not asked for it, or refused it: everything on this connection is plaintext.
    Declined {
        /// The connection, after the refusal.
        plain: PlainStream<IO>,
        /// What the peer said.
        reason: CoreError,
    },
}

impl<IO: Transport> Read for PlainStream<IO> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.call(|driver, io| driver.read(io, buf))
    }
}

impl<IO: Transport> BufRead for PlainStream<IO> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.call(|driver, io| driver.fill_buf(io))?;
        Ok(self.inner.driver.buffered())
    }

    fn consume(&mut self, amount: usize) {
        self.inner.driver.consume(amount);
    }
}

impl<IO: Transport> Write for PlainStream<IO> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.inner.call(|driver, io| driver.write(io, buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.call(|driver, io| driver.flush(io))
    }
}
