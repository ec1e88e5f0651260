use std::io::{self, BufRead, ErrorKind, Read};
use std::ops::Range;

use starttls_core::Tls;

use super::ReadHalf;
use super::shared::{Arrived, Line};
use crate::adapter::Driver;
use crate::driver::retry;
use crate::stream::{from_now, is_timeout};
use crate::{Duplicate, Error};

/// The handle to the transport that is read from, and what was received and the driver has not taken yet.
#[derive(Debug)]
pub(super) struct Input<IO> {
    io: IO,
    buffer: Vec<u8>,
    unread: Range<usize>,
    /// How much to receive at once.
    size: usize,
}

impl<IO> Input<IO> {
    /// What is held while nothing comes.
    const IDLE: usize = 4 * 1024;

    /// As much as the driver takes at once.
    const MOST: usize = 64 * 1024;

    pub(super) fn new(io: IO, early: Vec<u8>) -> Self {
        Self {
            io,
            unread: 0..early.len(),
            buffer: early,
            size: Self::IDLE,
        }
    }

    pub(super) fn into_inner(mut self) -> (IO, Vec<u8>) {
        self.buffer.truncate(self.unread.end);
        self.buffer.drain(..self.unread.start);
        (self.io, self.buffer)
    }

    /// What everything was taken of need not be held until the next time.
    fn let_go(&mut self) {
        if self.unread.is_empty() && self.buffer.len() > Self::IDLE {
            self.buffer = Vec::new();
            self.unread = 0..0;
        }
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.unread.clone()).unwrap_or_default()
    }
}

impl<IO: Duplicate> Input<IO> {
    /// Receives, as long as that takes, when everything is taken; returns what this has come to if it has ended.
    fn receive(&mut self) -> io::Result<Option<io::Result<usize>>> {
        if !self.unread.is_empty() {
            return Ok(None);
        }
        if self.buffer.len() != self.size {
            self.buffer = vec![0; self.size];
        }
        let Self { io, buffer, .. } = self;
        match retry(|| io.read(buffer)) {
            Ok(0) => Ok(Some(Ok(0))),
            Ok(n) => {
                self.unread = 0..n;
                // A full buffer says that there may be more; otherwise everything has come, and the next time may be long to wait for.
                self.size = if n == self.size {
                    Self::MOST.min(4 * n)
                } else {
                    Self::IDLE
                };
                Ok(None)
            }
            Err(error) if is_timeout(&error) => Err(ErrorKind::TimedOut.into()),
            Err(error) => Ok(Some(Err(error))),
        }
    }
}

/// What came of an attempt to read.
enum Attempt<R> {
    Done(R),
    NeedInput,
    Failed(io::Error),
}

impl<IO: Duplicate> ReadHalf<IO> {
    /// Reads a line of at most `limit` bytes, as [`TlsStream::next_line`](crate::TlsStream::next_line).
    ///
    /// # Errors
    /// As there.
    pub fn next_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        let decrypted = std::mem::take(&mut self.decrypted);
        self.shared.step(&mut Arrived::default(), |driver, _| {
            driver.put_back(&decrypted);
        })?;
        Ok(self.attempt(|driver, line| driver.next_line(line, limit))?)
    }

    fn attempt<R>(
        &mut self,
        mut step: impl FnMut(&mut Driver<Tls>, &mut Line<'_, '_>) -> io::Result<R>,
    ) -> io::Result<R> {
        let Self { shared, input, .. } = self;
        let mut end = None;
        loop {
            let mut arrived = Arrived {
                bytes: input.unread(),
                end: end.take(),
            };
            let attempt = shared.step(&mut arrived, |driver, line| {
                match step(driver, line.for_reading()) {
                    Ok(done) => Attempt::Done(done),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        match driver.phase().error() {
                            Some(error) => Attempt::Failed(Error::from(error.clone()).into()),
                            None => Attempt::NeedInput,
                        }
                    }
                    Err(error) => Attempt::Failed(error),
                }
            })?;
            input.unread.start = input.unread.end - arrived.bytes.len();
            match attempt {
                Attempt::Done(done) => {
                    input.let_go();
                    shared.answer();
                    return Ok(done);
                }
                Attempt::NeedInput => shared.answer(),
                Attempt::Failed(error) => {
                    // The alert, unless the writer is at it. Whether it gets out changes nothing.
                    let _ = shared.try_send(from_now(shared.deadlines.for_close()));
                    return Err(error);
                }
            }
            end = input.receive()?;
        }
    }
}

impl<IO: Duplicate> Read for ReadHalf<IO> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.decrypted.is_empty() {
            return self.attempt(|driver, line| driver.read(line, buf));
        }
        let n = self.decrypted.as_slice().read(buf)?;
        self.consume(n);
        Ok(n)
    }
}

impl<IO: Duplicate> BufRead for ReadHalf<IO> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.decrypted.is_empty() {
            self.decrypted = self.attempt(|driver, line| {
                driver.fill_buf(line)?;
                let data = driver.buffered().to_vec();
                driver.consume(data.len());
                Ok(data)
            })?;
        }
        Ok(&self.decrypted)
    }

    fn consume(&mut self, amount: usize) {
        if amount >= self.decrypted.len() {
            self.decrypted = Vec::new();
        } else {
            self.decrypted.drain(..amount);
        }
    }
}
