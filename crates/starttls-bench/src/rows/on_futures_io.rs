use std::future::Future;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_rustls::{TlsAcceptor, TlsConnector};
use futures_util::future::{Either, select};
use futures_util::io::{AsyncRead, AsyncWrite, BufReader};
use starttls_futures::{Timer, timed};

use crate::binding::{Binding, Opening, Pipe, pipe};
use crate::runtimes::too_late;
use crate::setup::{DEADLINE, Tls};

/// Any stream of futures-io's traits.
pub(super) struct Futures<S>(S);

impl<S: Io> Pipe for Futures<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, data)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
}

/// A transport of futures-io's, with nothing on it.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// A runtime's timer.
pub(super) trait Sleep: Timer<Sleep: Send> + Send + Unpin + 'static {}

impl<T: Timer<Sleep: Send> + Send + Unpin + 'static> Sleep for T {}

pub(super) struct Plain;

impl<IO: Io> Binding<IO> for Plain {
    fn server(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Futures(io))) })
    }

    fn client(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Futures(io))) })
    }
}

pub(super) struct Buffered;

impl<IO: Io> Binding<IO> for Buffered {
    fn server(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Futures(BufReader::new(io)))) })
    }

    fn client(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Futures(BufReader::new(io)))) })
    }
}

pub(super) struct PlainStarttls<T>(PhantomData<T>);

impl<IO: Io, T: Sleep> Binding<IO> for PlainStarttls<T> {
    fn server(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Futures(timed::PlainStream::<IO, T>::new(io)))) })
    }

    fn client(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Futures(timed::PlainStream::<IO, T>::new(io)))) })
    }
}

pub(super) struct FuturesRustls<T>(PhantomData<T>);

impl<IO: Io, T: Sleep> Binding<IO> for FuturesRustls<T> {
    fn server(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let acceptor = TlsAcceptor::from(tls.server.clone());
            Ok(pipe(Futures(in_time::<T, _>(acceptor.accept(io)).await?)))
        })
    }

    fn client(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let connector = TlsConnector::from(tls.client.clone());
            let name = "localhost".try_into()?;
            Ok(pipe(Futures(
                in_time::<T, _>(connector.connect(name, io)).await?,
            )))
        })
    }
}

/// The deadline that ours has of itself.
async fn in_time<T: Sleep, O>(upgrade: impl Future<Output = io::Result<O>>) -> io::Result<O> {
    match select(pin!(upgrade), pin!(T::sleep(DEADLINE))).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Err(too_late()),
    }
}

pub(super) struct Starttls<T>(PhantomData<T>);

impl<IO: Io, T: Sleep> Binding<IO> for Starttls<T> {
    fn server(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let plain = timed::PlainStream::<IO, T>::new(io);
            Ok(pipe(Futures(
                plain.start_tls(tls.server_connection()?).await?,
            )))
        })
    }

    fn client(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let plain = timed::PlainStream::<IO, T>::new(io);
            Ok(pipe(Futures(
                plain.start_tls(tls.client_connection()?).await?,
            )))
        })
    }
}
