use std::future::Future;
use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use starttls_core::rustls::{Connection, ServerConfig};
use starttls_core::{Limits, Negotiator};
use starttls_stream::{
    Deadlines, Error, PlainStream, ReadHalf, TlsParts, TlsStream, UpgradeableStream, WriteHalf,
};

use super::{End, InPlace, Lines, Plain, Reading, Runtime, Split, Tls, Writing};

/// Threads. What is `async` here never waits: it blocks.
pub(crate) struct Blocking;

impl Runtime for Blocking {
    type Io = End;
    type Plain = PlainStream<End>;
    type Tls = TlsStream<End>;
    type Inner = PlainStream<TlsStream<End>>;
    type InPlace = UpgradeableStream<End>;

    fn io(end: End) -> End {
        end
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("nothing here is pending"),
        }
    }

    fn both<A: Send, B: Send>(
        a: impl AsyncFnOnce() -> A + Send,
        b: impl AsyncFnOnce() -> B + Send,
    ) -> (A, B) {
        thread::scope(|scope| {
            let b = scope.spawn(|| Self::run(b()));
            let a = Self::run(a());
            (a, b.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }
}

macro_rules! reading {
    ($($stream:ty),*) => { $(
        impl Reading for $stream {
            async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                Read::read(self, buf)
            }
        }
    )* };
}

macro_rules! writing {
    ($($stream:ty),*) => { $(
        impl Writing for $stream {
            async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
                Write::write(self, data)
            }

            async fn flush(&mut self) -> io::Result<()> {
                Write::flush(self)
            }

            async fn shutdown(&mut self) -> io::Result<()> {
                Ok(self.shutdown()?)
            }

            fn try_write(&mut self, data: &[u8]) -> Option<io::Result<usize>> {
                match Write::write(self, data) {
                    Err(error) if error.kind() == ErrorKind::TimedOut => None,
                    result => Some(result),
                }
            }
        }
    )* };
}

reading!(
    PlainStream<End>,
    TlsStream<End>,
    UpgradeableStream<End>,
    PlainStream<TlsStream<End>>,
    TlsStream<TlsStream<End>>,
    ReadHalf<End>
);
writing!(
    PlainStream<End>,
    TlsStream<End>,
    UpgradeableStream<End>,
    PlainStream<TlsStream<End>>,
    TlsStream<TlsStream<End>>,
    WriteHalf<End>
);
methods!(starttls_stream, over End, plain PlainStream<End>, tls TlsStream<End>, wait ());
methods!(
    starttls_stream, over TlsStream<End>,
    plain PlainStream<TlsStream<End>>, tls TlsStream<TlsStream<End>>, wait ()
);
methods!(starttls_stream, over End, in place, wait ());
methods!(
    lines: PlainStream<End>, TlsStream<End>, UpgradeableStream<End>, PlainStream<TlsStream<End>>;
    by BufRead, wait ()
);

impl Split for TlsStream<End> {
    type Reader = ReadHalf<End>;
    type Writer = WriteHalf<End>;

    fn split(self) -> (ReadHalf<End>, WriteHalf<End>) {
        self.split().expect("another handle")
    }

    fn reunite(reader: ReadHalf<End>, writer: WriteHalf<End>) -> Self {
        reader.reunite(writer).unwrap()
    }

    async fn exchange(self, data: &[u8]) -> io::Result<(Self, Vec<u8>)> {
        let (mut reader, mut writer) = self.split()?;
        let (sent, received) = thread::scope(|scope| {
            let sent = scope.spawn(|| Blocking::run(writer.send(data)));
            let received = Blocking::run(Reading::read_exact(&mut reader, data.len()));
            (
                sent.join().unwrap_or_else(|panic| resume_unwind(panic)),
                received,
            )
        });
        sent?;
        Ok((Split::reunite(reader, writer), received?))
    }
}
