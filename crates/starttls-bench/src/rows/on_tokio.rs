use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use starttls_tokio::PlainStream;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::binding::{Binding, Opening, Pipe, pipe};
use crate::setup::{DEADLINE, Tls};

/// Any stream of tokio's traits.
pub(crate) struct Tokio<S>(pub(super) S);

impl<S: Io> Pipe for Tokio<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
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

/// A transport of tokio's, with nothing on it.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

pub(super) struct Plain;

impl<IO: Io> Binding<IO> for Plain {
    fn server(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Tokio(io))) })
    }

    fn client(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Tokio(io))) })
    }
}

pub(crate) struct Buffered;

impl<IO: Io> Binding<IO> for Buffered {
    fn server(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Tokio(BufReader::new(io)))) })
    }

    fn client(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Tokio(BufReader::new(io)))) })
    }
}

pub(crate) struct PlainStarttls;

impl<IO: Io> Binding<IO> for PlainStarttls {
    fn server(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Tokio(PlainStream::new(io)))) })
    }

    fn client(_: &'static Tls, io: IO) -> Opening {
        Box::pin(async move { Ok(pipe(Tokio(PlainStream::new(io)))) })
    }
}

pub(crate) struct TokioRustls;

impl<IO: Io> Binding<IO> for TokioRustls {
    fn server(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let acceptor = TlsAcceptor::from(tls.server.clone());
            Ok(pipe(Tokio(timeout(DEADLINE, acceptor.accept(io)).await??)))
        })
    }

    fn client(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let connector = TlsConnector::from(tls.client.clone());
            let name = "localhost".try_into()?;
            Ok(pipe(Tokio(
                timeout(DEADLINE, connector.connect(name, io)).await??,
            )))
        })
    }
}

pub(crate) struct StarttlsTokio;

impl<IO: Io> Binding<IO> for StarttlsTokio {
    fn server(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let plain = PlainStream::new(io);
            Ok(pipe(Tokio(
                plain.start_tls(tls.server_connection()?).await?,
            )))
        })
    }

    fn client(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let plain = PlainStream::new(io);
            Ok(pipe(Tokio(
                plain.start_tls(tls.client_connection()?).await?,
            )))
        })
    }
}
