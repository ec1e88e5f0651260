use std::io::{self, BufRead, IoSlice, Read, Write};
use std::time::{Duration, Instant};

use rustls::Connection;
use starttls_core::{Limits, Tls, rustls};

use crate::adapter::Driver;
use crate::halves;
use crate::stream::{Dialogue, Stream, Timed};
use crate::{Deadlines, Duplicate, Error, PlainStream, ReadHalf, Transport, Waiting, WriteHalf};

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

crate::tls_stream_methods!(TlsStream<IO>);

impl<IO: Transport> TlsStream<IO> {
    /// TLS from the first byte, where there is nothing to negotiate ("implicit TLS").
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`].
    #[doc(alias = "TlsConnector")]
    pub fn implicit(io: IO, connection: impl Into<Connection>) -> Result<Self, Error> {
        Self::implicit_with(io, connection, Limits::default(), Deadlines::default())
    }

    /// The same with other limits and deadlines.
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`].
    pub fn implicit_with(
        io: IO,
        connection: impl Into<Connection>,
        limits: Limits,
        deadlines: Deadlines,
    ) -> Result<Self, Error> {
        let mut stream = Stream::new(io, Driver::implicit(connection, limits));
        stream.deadlines = deadlines;
        stream.dialogue = Dialogue::Over;
        let until = stream.upgrade_until();
        Self::handshake(stream, until)
    }

    pub(crate) fn handshake(
        mut stream: Stream<IO, Tls>,
        until: Option<Instant>,
    ) -> Result<Self, Error> {
        stream.run(Waiting::Handshake, until, |driver, io| driver.handshake(io))?;
        Ok(Self { inner: stream })
    }

    /// Sends our `close_notify` and leaves the transport open for writing: the polite half of [`stop_tls`](Self::stop_tls), for those who have yet to
    /// read what the peer sends before its own. Writing is an error from here on.
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub fn send_close_notify(&mut self) -> Result<(), Error> {
        let until = self.inner.close_until();
        self.inner
            .run(Waiting::Close, until, |driver, io| driver.close(io))
    }

    /// Sends our `close_notify` and ends the transport's writing. It does not wait for the peer.
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub fn shutdown(&mut self) -> Result<(), Error> {
        let until = self.inner.close_until();
        self.inner.run(Waiting::Close, until, |driver, io| {
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
        self.inner
            .run(Waiting::Close, until, |driver, io| driver.stop(io))?;
        Ok(PlainStream {
            inner: self.inner.try_map(Driver::into_plain)?,
        })
    }
}

impl<IO: Transport> TlsStream<IO> {
    /// Reads a line of at most `limit` bytes, its end included, and returns it without that (LF or CR LF); `None` after the peer's `close_notify`.
    /// It takes as long as the timeouts of the socket say.
    ///
    /// # Errors
    /// [`TooLong`](starttls_core::Misbehaviour::TooLong) for a longer line, [`Truncated`](starttls_core::Error::Truncated) for one that ends with the
    /// connection; what there is of it is still there to be read. Otherwise as reading.
    pub fn next_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.inner.call(|driver, io| driver.next_line(io, limit))?)
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
