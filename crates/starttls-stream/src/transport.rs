use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A blocking stream under a connection: how long a call on it may take, and how its writing is ended.
///
/// Sockets have timeouts, by which [`Deadlines`](crate::Deadlines) are kept. The provided methods are for streams that have none: over those a
/// silent peer can hold the caller for ever. Any stream can be used through [`Untimed`].
pub trait Transport: Read + Write {
    /// How long one read may take.
    ///
    /// # Errors
    /// The stream's own.
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
    }

    /// How long one write may take.
    ///
    /// # Errors
    /// The stream's own.
    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(None)
    }

    /// Sets how long one read may take; then it fails with [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut).
    ///
    /// # Errors
    /// The stream's own.
    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        let _ = limit;
        Ok(())
    }

    /// Sets how long one write may take, as [`set_read_timeout`](Self::set_read_timeout).
    ///
    /// # Errors
    /// The stream's own.
    fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        let _ = limit;
        Ok(())
    }

    /// Ends writing: the peer reads to the end, and reading is still possible.
    ///
    /// # Errors
    /// The stream's own.
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.flush()
    }
}

/// A transport of which there can be two handles, one to be blocked reading and one to be blocked writing.
pub trait Duplicate: Transport + Send + Sized + 'static {
    /// Another handle to the same transport.
    ///
    /// # Errors
    /// The system's own.
    fn try_clone(&self) -> io::Result<Self>;
}

macro_rules! socket {
    ($socket:ty) => {
        impl Transport for $socket {
            fn read_timeout(&self) -> io::Result<Option<Duration>> {
                <$socket>::read_timeout(self)
            }

            fn write_timeout(&self) -> io::Result<Option<Duration>> {
                <$socket>::write_timeout(self)
            }

            fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
                <$socket>::set_read_timeout(self, limit)
            }

            fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
                <$socket>::set_write_timeout(self, limit)
            }

            fn shutdown_write(&mut self) -> io::Result<()> {
                <$socket>::shutdown(self, Shutdown::Write)
            }
        }

        impl Duplicate for $socket {
            fn try_clone(&self) -> io::Result<Self> {
                <$socket>::try_clone(self)
            }
        }
    };
}

socket!(TcpStream);
#[cfg(unix)]
socket!(UnixStream);

macro_rules! pointer {
    ($pointer:ty) => {
        impl<IO: Transport + ?Sized> Transport for $pointer {
            fn read_timeout(&self) -> io::Result<Option<Duration>> {
                (**self).read_timeout()
            }

            fn write_timeout(&self) -> io::Result<Option<Duration>> {
                (**self).write_timeout()
            }

            fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
                (**self).set_read_timeout(limit)
            }

            fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
                (**self).set_write_timeout(limit)
            }

            fn shutdown_write(&mut self) -> io::Result<()> {
                (**self).shutdown_write()
            }
        }
    };
}

pointer!(&mut IO);
pointer!(Box<IO>);

/// Any blocking stream as a [`Transport`], without deadlines: it has no timeouts to keep them by.
///
/// ```
/// use starttls_stream::{PlainStream, Untimed};
///
/// let stream = std::io::Cursor::new(b"+OK\r\n".to_vec());
/// let plain = PlainStream::new(Untimed(stream));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Untimed<IO>(pub IO);

impl<IO: Read + Write> Transport for Untimed<IO> {}

impl<IO: Read> Read for Untimed<IO> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<IO: Write> Write for Untimed<IO> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
