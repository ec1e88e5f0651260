use std::future::Future;
use std::io;
use std::net;

use anyhow::Result;
use starttls_tokio::PlainStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Binding, Pipe, Role, Row, Runtime, ask, be_asked, row};
use crate::reads::Counted;
use crate::setup::Setup;

pub(super) fn rows() -> Vec<Row> {
    vec![
        row::<Plain>("tokio", Role::Plain, "tokio, plain TCP"),
        row::<TokioRustls>("tokio", Role::Other, "tokio-rustls"),
        row::<StarttlsTokio>("tokio", Role::Ours, "starttls-tokio"),
    ]
}

/// Any stream of tokio's traits.
pub(super) struct Tokio<S>(S);

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Pipe for Tokio<S> {
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
        let mut buf = [0];
        super::pending(self.0.read(&mut buf)).await
    }
}

impl Runtime for tokio::runtime::Runtime {
    fn new() -> Result<Self> {
        Ok(tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?)
    }

    fn run<S: Send, C: Send>(
        &self,
        server: impl Future<Output = Result<S>> + Send,
        client: impl Future<Output = Result<C>> + Send,
    ) -> Result<(S, C)> {
        self.block_on(super::both(server, client))
    }
}

type Transport = Counted<TcpStream>;

fn transport(socket: net::TcpStream) -> Result<Transport> {
    socket.set_nonblocking(true)?;
    Ok(Counted(TcpStream::from_std(socket)?))
}

struct Plain;

impl Binding for Plain {
    type Runtime = tokio::runtime::Runtime;
    type Server = Tokio<Transport>;
    type Client = Tokio<Transport>;

    async fn server(_: &Setup, socket: net::TcpStream) -> Result<Self::Server> {
        let mut stream = Tokio(transport(socket)?);
        be_asked(&mut stream).await?;
        Ok(stream)
    }

    async fn client(_: &Setup, socket: net::TcpStream) -> Result<Self::Client> {
        let mut stream = Tokio(transport(socket)?);
        ask(&mut stream).await?;
        Ok(stream)
    }
}

struct TokioRustls;

impl Binding for TokioRustls {
    type Runtime = tokio::runtime::Runtime;
    type Server = Tokio<tokio_rustls::server::TlsStream<Transport>>;
    type Client = Tokio<tokio_rustls::client::TlsStream<Transport>>;

    async fn server(setup: &Setup, socket: net::TcpStream) -> Result<Self::Server> {
        let mut plain = Tokio(transport(socket)?);
        be_asked(&mut plain).await?;
        let acceptor = TlsAcceptor::from(setup.server_config().clone());
        Ok(Tokio(acceptor.accept(plain.0).await?))
    }

    async fn client(setup: &Setup, socket: net::TcpStream) -> Result<Self::Client> {
        let mut plain = Tokio(transport(socket)?);
        ask(&mut plain).await?;
        let connector = TlsConnector::from(setup.client_config().clone());
        let name = "localhost".try_into()?;
        Ok(Tokio(connector.connect(name, plain.0).await?))
    }
}

struct StarttlsTokio;

impl Binding for StarttlsTokio {
    type Runtime = tokio::runtime::Runtime;
    type Server = Tokio<starttls_tokio::TlsStream<Transport>>;
    type Client = Tokio<starttls_tokio::TlsStream<Transport>>;

    async fn server(setup: &Setup, socket: net::TcpStream) -> Result<Self::Server> {
        let mut plain = Tokio(PlainStream::new(transport(socket)?));
        be_asked(&mut plain).await?;
        Ok(Tokio(plain.0.start_tls(setup.server_connection()?).await?))
    }

    async fn client(setup: &Setup, socket: net::TcpStream) -> Result<Self::Client> {
        let mut plain = Tokio(PlainStream::new(transport(socket)?));
        ask(&mut plain).await?;
        Ok(Tokio(plain.0.start_tls(setup.client_connection()?).await?))
    }
}
