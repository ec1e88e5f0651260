use std::io::{self, ErrorKind, IoSlice, Write};
use std::time::Instant;

use starttls_core::Tls;

use super::WriteHalf;
use super::shared::{Arrived, Line, lock};
use crate::adapter::Driver;
use crate::driver::{unless_gone, would_block};
use crate::stream::from_now;
use crate::{Duplicate, Error};

impl<IO: Duplicate> WriteHalf<IO> {
    /// Sends our `close_notify` and leaves the transport open for writing, as [`TlsStream::send_close_notify`](crate::TlsStream::send_close_notify).
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub fn send_close_notify(&mut self) -> Result<(), Error> {
        let until = from_now(self.shared.deadlines.for_close());
        Ok(self.complete(until, |driver, line| driver.close(line))?)
    }

    /// Sends our `close_notify` and ends the transport's writing, as [`TlsStream::shutdown`](crate::TlsStream::shutdown).
    ///
    /// # Errors
    /// Why it cannot be sent; [`Error::Deadline`].
    pub fn shutdown(&mut self) -> Result<(), Error> {
        let closed = self.send_close_notify();
        if matches!(&closed, Err(error) if error.kind() == ErrorKind::TimedOut) {
            return closed;
        }
        // The transport ends here however TLS has ended.
        let shut = unless_gone(lock(&self.shared.outlet).io.shutdown_write());
        closed.and(shut.map_err(Error::from))
    }

    /// Does what the driver needs no input for, until all that it has made of it is sent.
    fn complete(
        &mut self,
        until: Option<Instant>,
        mut step: impl FnMut(&mut Driver<Tls>, &mut Line<'_, '_>) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let done = self.shared.step(&mut Arrived::default(), &mut step)?;
            let sent = self.shared.send(until);
            if would_block(&done) {
                sent?;
                continue;
            }
            done.and(sent)?;
            // By now it is known whether the transport took it.
            return self.shared.step(&mut Arrived::default(), &mut step)?;
        }
    }
}

impl<IO: Duplicate> Write for WriteHalf<IO> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            let taken = self.shared.step(&mut Arrived::default(), |driver, line| {
                driver.write(line, bufs)
            })?;
            if would_block(&taken) {
                self.shared.send(None)?;
                continue;
            }
            if taken.is_ok() {
                // These bytes are ours now: a failure is told at the next call.
                let _ = self.shared.try_send(None);
            }
            return taken;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.complete(None, |driver, line| driver.flush(line))
    }
}
