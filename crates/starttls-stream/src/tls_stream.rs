use std::io::{self, BufRead, IoSlice, Read, Write};
use std::time::{Duration, Instant};

use rustls::Connection;
use starttls_core::{Tls, rustls};

use crate::halves;
use crate::stream::{Stream, Timed};
use crate::{Deadlines, Driver, Duplicate, Error, PlainStream, ReadHalf, Transport, WriteHalf};

/// A blocking connection in its TLS phase.
///
/// Reading ends with 0 after the peer's `close_notify`; where the connection ends without one, that is
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), after everything before it was read. [`shutdown`](Self::shutdown) sends our `close_notify` and shuts the
/// transport down for writing, and does not wait for the peer; reading is still possible.
///
/// Reading and writing take as long as the timeouts of the socket say, and a timeout is [`TimedOut`](io::ErrorKind::TimedOut), after which the
/// same call can be made again.
///
/// One thread that writes does not read meanwhile: where both sides may write much before they read, [`split`](Self::split) it.
#[derive(Debug)]
pub struct TlsStream<IO> {
    pub(crate) inner: Stream<IO, Tls>,
}

impl<IO> TlsStream<IO> {
    /// Sets how long closing may take.
    #[must_use]
    pub fn with_deadlines(mut self, deadlines: Deadlines) -> Self {
        self.inner.deadlines = deadlines;
        self
    }

    /// The transport, to look at. Reading from it or writing to it breaks the connection.
    pub fn get_ref(&self) -> &IO {
        &self.inner.io
    }

    /// What was negotiated and who the peer is: version, cipher suite, ALPN, certificates, exporter; `server_name()` of a server's.
    pub fn connection(&self) -> &Connection {
        self.inner.driver.phase().connection()
    }

    /// The channel binding `tls-exporter` (RFC 9266), with TLS 1.3.
    pub fn tls_exporter(&self) -> Option<[u8; 32]> {
        self.inner.driver.phase().tls_exporter()
    }
}

impl<IO: Transport> TlsStream<IO> {
    /// TLS from the first byte, where there is nothing to negotiate ("implicit TLS").
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`].
    pub fn implicit(io: IO, connection: impl Into<Connection>) -> Result<Self, Error> {
        let stream = Stream::new(io, Driver::implicit(connection));
        let until = stream.upgrade_until();
        Self::handshake(stream, until)
    }

    pub(crate) fn handshake(
        mut stream: Stream<IO, Tls>,
        until: Option<Instant>,
    ) -> Result<Self, Error> {
        stream.run(until, |driver, io| driver.handshake(io))?;
        Ok(Self { inner: stream })
    }

    /// Sends our `close_notify` and leaves the transport open for writing: the polite half of [`stop_tls`](Self::stop_tls), for those who have yet to
    /// read what the peer sends before its own. Writing is an error from here on.
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub fn send_close_notify(&mut self) -> Result<(), Error> {
        let until = self.inner.close_until();
        self.inner.run(until, |driver, io| driver.close(io))
    }

    /// Sends our `close_notify` and ends the transport's writing. It does not wait for the peer.
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub fn shutdown(&mut self) -> Result<(), Error> {
        let until = self.inner.close_until();
        self.inner.run(until, |driver, io| {
            driver.shutdown(io, Timed::shutdown_write)
        })
    }

    /// Back to plaintext: sends `close_notify`, waits for the peer's, and gives the stream that begins with the byte behind it.
    ///
    /// # Errors
    /// [`NotClosed`](starttls_core::Misuse::NotClosed) if the peer sends data instead: read to the end first. [`Error::Deadline`] if it does
    /// not answer. The connection is closed then.
    pub fn stop_tls(mut self) -> Result<PlainStream<IO>, Error> {
        let until = self.inner.close_until();
        self.inner.run(until, |driver, io| driver.stop(io))?;
        Ok(PlainStream {
            inner: self.inner.try_map(Driver::into_plain)?,
        })
    }
}

impl<IO: Duplicate> TlsStream<IO> {
    /// Two halves, to be read in one thread and written in another: neither waits for the other, and while one is blocked writing the other
    /// still reads. [`ReadHalf::reunite`] makes them one again.
    ///
    /// # Errors
    /// If there cannot be another handle to the transport.
    pub fn split(self) -> io::Result<(ReadHalf<IO>, WriteHalf<IO>)> {
        halves::split(self)
    }
}

impl<IO: Transport> Read for TlsStream<IO> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.call(|driver, io| driver.read(io, buf))
    }
}

impl<IO: Transport> BufRead for TlsStream<IO> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.call(|driver, io| driver.fill_buf(io))?;
        Ok(self.inner.driver.buffered())
    }

    fn consume(&mut self, amount: usize) {
        self.inner.driver.consume(amount);
    }
}

impl<IO: Transport> Write for TlsStream<IO> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.call(|driver, io| driver.write(io, bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.call(|driver, io| driver.flush(io))
    }
}

/// TLS inside TLS: the deadlines of the inner connection are kept with the socket of the outer one.
impl<IO: Transport> Transport for TlsStream<IO> {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.inner.io.read_timeout()
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.inner.io.write_timeout()
    }

    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.inner.io.set_read_timeout(limit)
    }

    fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.inner.io.set_write_timeout(limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(self.shutdown()?)
    }
}
