//! The runtimes under one vocabulary, which is nearly their own.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use starttls_core::rustls::{Connection, ServerConfig};
use starttls_core::{Limits, Negotiator};
use starttls_stream::{Deadlines, Error, TlsParts};

use super::pipe::{End, Watch, pipe};
use super::strict;

/// A runtime and its streams.
pub(crate) trait Runtime: 'static {
    /// What its streams are made over here.
    type Io: Send + 'static;
    type Plain: Plain<Io = Self::Io, Tls = Self::Tls> + Lines + Send + 'static;
    type Tls: Tls<Plain = Self::Plain, Io = Self::Io> + Split + Lines + Send + 'static;
    /// TLS inside TLS.
    type Inner: Plain<Io = Self::Tls, Tls: Send> + Lines + Send;
    type InPlace: InPlace<Io = Self::Io> + Lines;

    fn io(end: End) -> Self::Io;

    /// Runs a future on this thread.
    fn run<T>(future: impl Future<Output = T>) -> T;

    /// Runs two sides at the same time: in one task, or in two threads where there are no tasks.
    fn both<A: Send, B: Send>(
        a: impl AsyncFnOnce() -> A + Send,
        b: impl AsyncFnOnce() -> B + Send,
    ) -> (A, B) {
        // In a debug build these are large, and runtimes move what they run around.
        Self::run(strict::both(Box::pin(a()), Box::pin(b())))
    }

    /// Two connected plaintext streams over a pipe that holds so many bytes, and what there is to see of each.
    fn pair(capacity: usize) -> ((Self::Plain, Watch), (Self::Plain, Watch)) {
        let (here, there) = pipe(capacity);
        let (at_here, at_there) = (here.watch(), there.watch());
        (
            (Self::Plain::new(Self::io(here)), at_here),
            (Self::Plain::new(Self::io(there)), at_there),
        )
    }
}

/// What all streams have.
pub(crate) trait Stream: Reading + Writing {}

impl<S: Reading + Writing> Stream for S {}

pub(crate) trait Reading {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    async fn read_exact(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut data = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.read(&mut data[filled..]).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                n => filled += n,
            }
        }
        Ok(data)
    }

    /// All there is, and how it ends.
    async fn read_to_end(&mut self) -> (Vec<u8>, io::Result<()>) {
        let mut data = Vec::new();
        let mut buf = [0; 4096];
        loop {
            match self.read(&mut buf).await {
                Ok(0) => return (data, Ok(())),
                Ok(n) => data.extend_from_slice(&buf[..n]),
                Err(error) => return (data, Err(error)),
            }
        }
    }
}

pub(crate) trait Writing {
    async fn write(&mut self, data: &[u8]) -> io::Result<usize>;
    async fn flush(&mut self) -> io::Result<()>;
    async fn shutdown(&mut self) -> io::Result<()>;

    /// Writes if that is possible at once, and gives up otherwise. (A blocking one must have been made impatient.)
    fn try_write(&mut self, data: &[u8]) -> Option<io::Result<usize>>;

    async fn write_all(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            match self.write(data).await? {
                0 => return Err(ErrorKind::WriteZero.into()),
                n => data = &data[n..],
            }
        }
        Ok(())
    }

    /// Writes and flushes.
    async fn send(&mut self, data: &[u8]) -> io::Result<()> {
        self.write_all(data).await?;
        self.flush().await
    }
}

/// Streams with a buffered reader of their own.
pub(crate) trait Lines: Stream {
    /// Without its end; empty at the end.
    async fn line(&mut self) -> io::Result<String>;

    /// Of so many bytes at most.
    async fn next_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Error>;
}

pub(crate) trait Plain: Stream + Sized {
    type Io;
    type Tls: Tls<Plain = Self>;

    fn new(io: Self::Io) -> Self;
    fn with_prefix(io: Self::Io, prefix: &[u8]) -> Self;
    fn with_deadlines(self, deadlines: Deadlines) -> Self;
    fn buffered(&self) -> &[u8];
    /// Transport, what is unread and what is unsent.
    fn into_parts(self) -> (Self::Io, Vec<u8>, Vec<u8>);
    async fn start_tls(self, connection: impl Into<Connection>) -> Result<Self::Tls, Error>;
    async fn start_tls_with_unread(
        self,
        connection: impl Into<Connection>,
    ) -> Result<Self::Tls, Error>;
    async fn upgrade<N: Negotiator>(
        self,
        negotiator: N,
        connection: N::Tls,
    ) -> Result<Self::Tls, Error>;
    /// With the reason, if it was declined.
    async fn upgrade_opportunistically<N: Negotiator>(
        self,
        negotiator: N,
        connection: N::Tls,
    ) -> Result<Result<Self::Tls, (Self, starttls_core::Error)>, Error>;
    /// `accept` and `start_tls`, with the configuration chosen by the server name.
    async fn accept(
        self,
        choose: impl FnOnce(Option<&str>) -> Arc<ServerConfig>,
    ) -> Result<Self::Tls, Error>;
    /// The plaintext stream, if it was not a `ClientHello` that came.
    async fn accept_or_plaintext(
        self,
        config: Arc<ServerConfig>,
    ) -> Result<Result<Self::Tls, Self>, Error>;
    /// `negotiate` and `into_transport`.
    async fn into_transport<N: Negotiator>(self, negotiator: N) -> Result<Self::Io, Error>;
}

pub(crate) trait Tls: Stream + Sized {
    type Io;
    type Plain;

    async fn implicit(io: Self::Io, connection: impl Into<Connection>) -> Result<Self, Error>;
    async fn implicit_with(
        io: Self::Io,
        connection: impl Into<Connection>,
        limits: Limits,
        deadlines: Deadlines,
    ) -> Result<Self, Error>;
    fn refresh_traffic_keys(&mut self) -> Result<(), Error>;
    fn into_parts(self) -> TlsParts<Self::Io>;
    fn with_deadlines(self, deadlines: Deadlines) -> Self;
    fn connection(&self) -> &Connection;
    fn tls_exporter(&self) -> Option<[u8; 32]>;
    async fn send_close_notify(&mut self) -> Result<(), Error>;
    async fn stop_tls(self) -> Result<Self::Plain, Error>;
}

/// TLS streams that can be read and written at the same time.
pub(crate) trait Split: Tls {
    type Reader: Reading + Send + 'static;
    type Writer: Writing + Send + 'static;

    fn split(self) -> (Self::Reader, Self::Writer);
    fn reunite(reader: Self::Reader, writer: Self::Writer) -> Self;

    /// Writes while it reads as much, on one stream as long as that is possible.
    async fn exchange(self, data: &[u8]) -> io::Result<(Self, Vec<u8>)>;
}

/// The stream that is upgraded behind `&mut self`.
pub(crate) trait InPlace: Stream {
    type Io;

    fn new(io: Self::Io) -> Self;
    fn is_tls(&self) -> bool;
    async fn start_tls(&mut self, connection: impl Into<Connection>) -> Result<(), Error>;
    async fn upgrade<N: Negotiator>(
        &mut self,
        negotiator: N,
        connection: N::Tls,
    ) -> Result<(), Error>;
    async fn stop_tls(&mut self) -> Result<(), Error>;
}

/// Async streams, whatever their traits are.
pub(crate) trait PolledRead: Unpin {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;
}

pub(crate) trait PolledWrite: Unpin {
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl<S: PolledRead> Reading for S {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, buf)).await
    }
}

impl<S: PolledWrite> Writing for S {
    async fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_write(cx, data)).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_shutdown(cx)).await
    }

    fn try_write(&mut self, data: &[u8]) -> Option<io::Result<usize>> {
        match self.poll_write(&mut Context::from_waker(Waker::noop()), data) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }
}

/// Writes while it reads as much, in one future.
async fn exchange(
    stream: &mut (impl PolledRead + PolledWrite),
    mut data: &[u8],
) -> io::Result<Vec<u8>> {
    let (mut received, mut filled) = (vec![0; data.len()], 0);
    let mut flushed = false;
    poll_fn(|cx| {
        while !data.is_empty() {
            match stream.poll_write(cx, data)? {
                Poll::Ready(n) => data = &data[n..],
                Poll::Pending => break,
            }
        }
        if data.is_empty() && !flushed {
            flushed = stream.poll_flush(cx)?.is_ready();
        }
        while filled < received.len() {
            match stream.poll_read(cx, &mut received[filled..])? {
                Poll::Ready(0) => {
                    return Poll::Ready(Err(io::Error::from(ErrorKind::UnexpectedEof)));
                }
                Poll::Ready(n) => filled += n,
                Poll::Pending => return Poll::Pending,
            }
        }
        if flushed {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    })
    .await?;
    Ok(received)
}

/// The polls of these types, in the idiom of their traits.
macro_rules! polled {
    (tokio read: $($stream:ty),*) => { $(
        impl PolledRead for $stream {
            fn poll_read(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let mut buf = tokio::io::ReadBuf::new(buf);
                tokio::io::AsyncRead::poll_read(Pin::new(self), cx, &mut buf)
                    .map_ok(|()| buf.filled().len())
            }
        }
    )* };
    (tokio write: $($stream:ty),*) => { polled!(tokio::io, poll_shutdown, $($stream),*); };
    (futures read: $($stream:ty),*) => { $(
        impl PolledRead for $stream {
            fn poll_read(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                futures_util::io::AsyncRead::poll_read(Pin::new(self), cx, buf)
            }
        }
    )* };
    (futures write: $($stream:ty),*) => { polled!(futures_util::io, poll_close, $($stream),*); };
    ($io:ident::io, $close:ident, $($stream:ty),*) => { $(
        impl PolledWrite for $stream {
            fn poll_write(
                &mut self,
                cx: &mut Context<'_>,
                data: &[u8],
            ) -> Poll<io::Result<usize>> {
                $io::io::AsyncWrite::poll_write(Pin::new(self), cx, data)
            }

            fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                $io::io::AsyncWrite::poll_flush(Pin::new(self), cx)
            }

            fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                $io::io::AsyncWrite::$close(Pin::new(self), cx)
            }
        }
    )* };
}

/// What the streams of an adapter have beside their traits: the same names everywhere, with `.await` or without.
macro_rules! methods {
    ($adapter:ident, over $io:ty, plain $plain:ty, tls $tls:ty, wait ($($wait:tt)*)) => {
        impl Plain for $plain {
            type Io = $io;
            type Tls = $tls;

            fn new(io: $io) -> Self {
                <$plain>::new(io)
            }

            fn with_prefix(io: $io, prefix: &[u8]) -> Self {
                <$plain>::with_prefix(io, prefix)
            }

            fn with_deadlines(self, deadlines: Deadlines) -> Self {
                self.with_deadlines(deadlines)
            }

            fn buffered(&self) -> &[u8] {
                self.buffered()
            }

            fn into_parts(self) -> ($io, Vec<u8>, Vec<u8>) {
                let parts = self.into_parts();
                (parts.io, parts.unread, parts.unsent)
            }

            async fn start_tls(self, connection: impl Into<Connection>) -> Result<$tls, Error> {
                self.start_tls(connection)$($wait)*
            }

            async fn start_tls_with_unread(
                self,
                connection: impl Into<Connection>,
            ) -> Result<$tls, Error> {
                self.start_tls_with_unread(connection)$($wait)*
            }

            async fn upgrade<N: Negotiator>(
                self,
                negotiator: N,
                connection: N::Tls,
            ) -> Result<$tls, Error> {
                self.upgrade(negotiator, connection)$($wait)*
            }

            async fn upgrade_opportunistically<N: Negotiator>(
                self,
                negotiator: N,
                connection: N::Tls,
            ) -> Result<Result<$tls, (Self, starttls_core::Error)>, Error> {
                use $adapter::Opportunistic;
                Ok(match self.upgrade_opportunistically(negotiator, connection)$($wait)*? {
                    Opportunistic::Tls(tls) => Ok(tls),
                    Opportunistic::Declined { plain, reason } => Err((plain, reason)),
                })
            }

            async fn accept(
                self,
                choose: impl FnOnce(Option<&str>) -> Arc<ServerConfig>,
            ) -> Result<$tls, Error> {
                let mut accepted = self.accept()$($wait)*?;
                let hello = accepted.client_hello().expect("a hello");
                let config = choose(hello.server_name());
                accepted.start_tls(config)$($wait)*
            }

            async fn accept_or_plaintext(
                self,
                config: Arc<ServerConfig>,
            ) -> Result<Result<$tls, Self>, Error> {
                use $adapter::Arrival;
                match self.accept_or_plaintext()$($wait)*? {
                    Arrival::Hello(accepted) => accepted.start_tls(config)$($wait)*.map(Ok),
                    Arrival::Plaintext(plain) => Ok(Err(plain)),
                }
            }

            async fn into_transport<N: Negotiator>(self, negotiator: N) -> Result<$io, Error> {
                self.negotiate(negotiator)$($wait)*?.into_transport()$($wait)*
            }
        }

        impl Tls for $tls {
            type Io = $io;
            type Plain = $plain;

            async fn implicit(io: $io, connection: impl Into<Connection>) -> Result<Self, Error> {
                <$tls>::implicit(io, connection)$($wait)*
            }

            async fn implicit_with(
                io: $io,
                connection: impl Into<Connection>,
                limits: Limits,
                deadlines: Deadlines,
            ) -> Result<Self, Error> {
                <$tls>::implicit_with(io, connection, limits, deadlines)$($wait)*
            }

            fn refresh_traffic_keys(&mut self) -> Result<(), Error> {
                self.refresh_traffic_keys()
            }

            fn into_parts(self) -> TlsParts<$io> {
                self.into_parts()
            }

            fn with_deadlines(self, deadlines: Deadlines) -> Self {
                self.with_deadlines(deadlines)
            }

            fn connection(&self) -> &Connection {
                self.connection()
            }

            fn tls_exporter(&self) -> Option<[u8; 32]> {
                self.tls_exporter()
            }

            async fn send_close_notify(&mut self) -> Result<(), Error> {
                self.send_close_notify()$($wait)*
            }

            async fn stop_tls(self) -> Result<$plain, Error> {
                self.stop_tls()$($wait)*
            }
        }
    };
    ($adapter:ident, over $io:ty, in place, wait ($($wait:tt)*)) => {
        impl InPlace for $adapter::UpgradeableStream<$io> {
            type Io = $io;

            fn new(io: $io) -> Self {
                Self::new(io)
            }

            fn is_tls(&self) -> bool {
                self.tls().is_some()
            }

            async fn start_tls(&mut self, connection: impl Into<Connection>) -> Result<(), Error> {
                self.start_tls(connection)$($wait)*
            }

            async fn upgrade<N: Negotiator>(
                &mut self,
                negotiator: N,
                connection: N::Tls,
            ) -> Result<(), Error> {
                self.upgrade(negotiator, connection)$($wait)*
            }

            async fn stop_tls(&mut self) -> Result<(), Error> {
                self.stop_tls()$($wait)*
            }
        }
    };
    (lines: $($stream:ty),*; by $lines:path, wait $wait:tt) => {
        $( methods!(@lines $stream, $lines, $wait); )*
    };
    (@lines $stream:ty, $lines:path, ($($wait:tt)*)) => {
        impl Lines for $stream {
            async fn line(&mut self) -> io::Result<String> {
                let mut line = String::new();
                <Self as $lines>::read_line(self, &mut line)$($wait)*?;
                Ok(line.trim_end().to_owned())
            }

            async fn next_line(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Error> {
                self.next_line(limit)$($wait)*
            }
        }
    };
}

/// An async runtime: its adapter, the traits of its streams, the transport, and how it runs a future.
macro_rules! asynchronous {
    (
        $runtime:ident, $adapter:ident, $idiom:ident over $io:ty = $wrap:expr, run $run:expr,
        halves $reader:ident $writer:ident $reunite:expr, lines $lines:path
    ) => {
        pub(crate) struct $runtime;

        impl Runtime for $runtime {
            type Io = $io;
            type Plain = $adapter::PlainStream<$io>;
            type Tls = $adapter::TlsStream<$io>;
            type Inner = $adapter::PlainStream<Self::Tls>;
            type InPlace = $adapter::UpgradeableStream<$io>;

            fn io(end: End) -> $io {
                $wrap(end)
            }

            fn run<T>(future: impl Future<Output = T>) -> T {
                $run(future)
            }
        }

        const _: () = {
            use $adapter::{PlainStream, TlsStream, UpgradeableStream};

            polled!(
                $idiom read: PlainStream<$io>, TlsStream<$io>, UpgradeableStream<$io>,
                PlainStream<TlsStream<$io>>, TlsStream<TlsStream<$io>>, $reader<TlsStream<$io>>
            );
            polled!(
                $idiom write: PlainStream<$io>, TlsStream<$io>, UpgradeableStream<$io>,
                PlainStream<TlsStream<$io>>, TlsStream<TlsStream<$io>>, $writer<TlsStream<$io>>
            );
    methods!($adapter, over $io, plain PlainStream<$io>, tls TlsStream<$io>, wait (.await));
            methods!(
                $adapter, over TlsStream<$io>,
                plain PlainStream<TlsStream<$io>>, tls TlsStream<TlsStream<$io>>, wait (.await)
            );
    methods!($adapter, over $io, in place, wait (.await));
            methods!(
                lines: PlainStream<$io>, TlsStream<$io>, UpgradeableStream<$io>,
                PlainStream<TlsStream<$io>>; by $lines, wait (.await)
            );

            impl Split for TlsStream<$io> {
                type Reader = $reader<Self>;
                type Writer = $writer<Self>;

                fn split(self) -> (Self::Reader, Self::Writer) {
                    self.split()
                }

                fn reunite(reader: Self::Reader, writer: Self::Writer) -> Self {
                    $reunite(reader, writer)
                }

                async fn exchange(mut self, data: &[u8]) -> io::Result<(Self, Vec<u8>)> {
                    let received = exchange(&mut self, data).await?;
                    Ok((self, received))
                }
            }
        };
    };
}

mod asynchronous;
pub(crate) use asynchronous::{AsyncStd, Compat, Futures, Smol, Tokio};

mod blocking;
pub(crate) use blocking::Blocking;
