use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net;

use anyhow::Result;
use futures_rustls::{TlsAcceptor, TlsConnector};
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use starttls_async_std::AsyncStdTimer;
use starttls_futures::{Timer, timed};
use starttls_smol::SmolTimer;

use super::{Binding, Pipe, Role, Row, Runtime, ask, be_asked, row};
use crate::reads::Counted;
use crate::setup::Setup;

pub(super) fn rows() -> Vec<Row> {
    vec![
        row::<Plain<Smol>>("smol", Role::Plain, "smol, plain TCP"),
        row::<FuturesRustls<Smol>>("smol", Role::Other, "futures-rustls on smol"),
        row::<Starttls<Smol>>("smol", Role::Ours, "starttls-smol"),
        row::<Plain<AsyncStd>>("async-std", Role::Plain, "async-std, plain TCP"),
        row::<FuturesRustls<AsyncStd>>("async-std", Role::Other, "futures-rustls on async-std"),
        row::<Starttls<AsyncStd>>("async-std", Role::Ours, "starttls-async-std"),
    ]
}

/// Any stream of futures-io's traits.
pub(super) struct Futures<S>(S);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Pipe for Futures<S> {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).await
    }

    async fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.0.write_all(data).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush().await
    }

    async fn idle(&mut self) -> Result<()> {
        super::pending(self.0.read(&mut [0])).await
    }
}

/// A runtime with its socket and its timer.
trait Sockets: Runtime {
    type Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    type Timer: Timer<Sleep: Send> + Send + Unpin;

    fn socket(socket: net::TcpStream) -> io::Result<Self::Socket>;

    fn transport(socket: net::TcpStream) -> Result<Counted<Self::Socket>> {
        socket.set_nonblocking(true)?;
        Ok(Counted(Self::socket(socket)?))
    }
}

struct Smol;

impl Runtime for Smol {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn run<S: Send, C: Send>(
        &self,
        server: impl Future<Output = Result<S>> + Send,
        client: impl Future<Output = Result<C>> + Send,
    ) -> Result<(S, C)> {
        smol::block_on(super::both(server, client))
    }
}

impl Sockets for Smol {
    type Socket = smol::net::TcpStream;
    type Timer = SmolTimer;

    fn socket(socket: net::TcpStream) -> io::Result<Self::Socket> {
        socket.try_into()
    }
}

struct AsyncStd;

impl Runtime for AsyncStd {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn run<S: Send, C: Send>(
        &self,
        server: impl Future<Output = Result<S>> + Send,
        client: impl Future<Output = Result<C>> + Send,
    ) -> Result<(S, C)> {
        async_std::task::block_on(super::both(server, client))
    }
}

impl Sockets for AsyncStd {
    type Socket = async_std::net::TcpStream;
    type Timer = AsyncStdTimer;

    fn socket(socket: net::TcpStream) -> io::Result<Self::Socket> {
        Ok(socket.into())
    }
}

struct Plain<R>(PhantomData<R>);

impl<R: Sockets> Binding for Plain<R> {
    type Runtime = R;
    type Server = Futures<Counted<R::Socket>>;
    type Client = Futures<Counted<R::Socket>>;

    async fn server(_: &Setup, socket: net::TcpStream) -> Result<Self::Server> {
        let mut stream = Futures(R::transport(socket)?);
        be_asked(&mut stream).await?;
        Ok(stream)
    }

    async fn client(_: &Setup, socket: net::TcpStream) -> Result<Self::Client> {
        let mut stream = Futures(R::transport(socket)?);
        ask(&mut stream).await?;
        Ok(stream)
    }
}

struct FuturesRustls<R>(PhantomData<R>);

impl<R: Sockets> Binding for FuturesRustls<R> {
    type Runtime = R;
    type Server = Futures<futures_rustls::server::TlsStream<Counted<R::Socket>>>;
    type Client = Futures<futures_rustls::client::TlsStream<Counted<R::Socket>>>;

    async fn server(setup: &Setup, socket: net::TcpStream) -> Result<Self::Server> {
        let mut plain = Futures(R::transport(socket)?);
        be_asked(&mut plain).await?;
        let acceptor = TlsAcceptor::from(setup.server_config().clone());
        Ok(Futures(acceptor.accept(plain.0).await?))
    }

    async fn client(setup: &Setup, socket: net::TcpStream) -> Result<Self::Client> {
        let mut plain = Futures(R::transport(socket)?);
        ask(&mut plain).await?;
        let connector = TlsConnector::from(setup.client_config().clone());
        let name = "localhost".try_into()?;
        Ok(Futures(connector.connect(name, plain.0).await?))
    }
}

struct Starttls<R>(PhantomData<R>);

impl<R: Sockets> Binding for Starttls<R> {
    type Runtime = R;
    type Server = Futures<timed::TlsStream<Counted<R::Socket>, R::Timer>>;
    type Client = Futures<timed::TlsStream<Counted<R::Socket>, R::Timer>>;

    async fn server(setup: &Setup, socket: net::TcpStream) -> Result<Self::Server> {
        let mut plain = Futures(timed::PlainStream::new(R::transport(socket)?));
        be_asked(&mut plain).await?;
        Ok(Futures(
            plain.0.start_tls(setup.server_connection()?).await?,
        ))
    }

    async fn client(setup: &Setup, socket: net::TcpStream) -> Result<Self::Client> {
        let mut plain = Futures(timed::PlainStream::new(R::transport(socket)?));
        ask(&mut plain).await?;
        Ok(Futures(
            plain.0.start_tls(setup.client_connection()?).await?,
        ))
    }
}
