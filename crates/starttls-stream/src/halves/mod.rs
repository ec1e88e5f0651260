use std::fmt;
use std::io;
use std::sync::Arc;

use crate::stream::{Dialogue, Stream, from_now};
use crate::{Duplicate, TlsStream};

mod read;
use read::Input;

mod shared;
use shared::{Shared, lock};

mod write;

/// The half of a [`TlsStream`] that one thread reads. It is buffered as the whole stream is.
///
/// It is blocked in a read of the transport without holding anything that the other half needs. What reading has to answer (to a `KeyUpdate`)
/// is sent by a thread made for it, so that a peer which does not read cannot keep this one from reading.
#[derive(Debug)]
pub struct ReadHalf<IO> {
    shared: Arc<Shared<IO>>,
    input: Input<IO>,
    /// Decrypted, and not read yet.
    decrypted: Vec<u8>,
}

/// The half of a [`TlsStream`] that one thread writes.
///
/// Dropping it sends nothing: [`shutdown`](Self::shutdown) ends our side.
#[derive(Debug)]
pub struct WriteHalf<IO> {
    shared: Arc<Shared<IO>>,
}

/// Two halves that were not made of one stream; here they are again.
#[derive(Debug)]
pub struct ReuniteError<IO>(pub ReadHalf<IO>, pub WriteHalf<IO>);

impl<IO> fmt::Display for ReuniteError<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves of two different streams")
    }
}

impl<IO: fmt::Debug> std::error::Error for ReuniteError<IO> {}

pub(crate) fn split<IO: Duplicate>(
    tls: TlsStream<IO>,
) -> io::Result<(ReadHalf<IO>, WriteHalf<IO>)> {
    let Stream {
        io,
        driver,
        early,
        deadlines,
        ..
    } = tls.inner;
    let shared = Arc::new(Shared::new(driver, io.try_clone()?, deadlines));
    let reader = ReadHalf {
        shared: shared.clone(),
        input: Input::new(io, early),
        decrypted: Vec::new(),
    };
    Ok((reader, WriteHalf { shared }))
}

impl<IO: Duplicate> ReadHalf<IO> {
    /// One stream again. What was written is sent first, for which there is the time of the deadline for closing.
    ///
    /// # Errors
    /// If the halves are not those of one stream.
    pub fn reunite(self, writer: WriteHalf<IO>) -> Result<TlsStream<IO>, ReuniteError<IO>> {
        let shared = writer.shared.clone();
        if !Arc::ptr_eq(&self.shared, &shared) {
            return Err(ReuniteError(self, writer));
        }
        let mut outlet = lock(&shared.outlet);
        let drained = shared.drain(&mut outlet, from_now(shared.deadlines.for_close()));
        let Some(mut driver) = lock(&shared.state).driver.take() else {
            return Err(ReuniteError(self, writer));
        };
        if let Err(error) = drained {
            // What could not be sent is lost with the outlet: nothing may follow it.
            driver.fail_writing(error);
        }
        driver.put_back(&self.decrypted);
        let (io, early) = self.input.into_inner();
        Ok(TlsStream {
            inner: Stream {
                io,
                driver,
                early,
                deadlines: shared.deadlines,
                dialogue: Dialogue::Over,
            },
        })
    }
}
