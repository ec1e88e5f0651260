use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::FutureExt;
use starttls_core::rustls::{ClientConnection, ServerConnection, StreamOwned};
use starttls_stream::{PlainStream, Transport};

use super::{Binding, Pipe, Role, Row, Runtime, ask, be_asked, row};
use crate::layout::Layout;
use crate::reads::Counted;
use crate::setup::Setup;

pub(super) fn rows() -> Vec<Row> {
    vec![
        row::<Plain>("blocking", Role::Plain, "blocking, plain TCP"),
        row::<Owned>("blocking", Role::Other, "rustls::StreamOwned"),
        row::<Starttls>("blocking", Role::Ours, "starttls-stream"),
    ]
}

type Socket = Counted<TcpStream>;

impl Transport for Socket {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.0.read_timeout()
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.0.write_timeout()
    }

    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(limit)
    }

    fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.0.set_write_timeout(limit)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

/// Any blocking stream. Its futures are ready at once, since they block.
pub(super) struct Blocking<S>(S);

/// A stream over a socket.
trait OverSocket: Read + Write + Send {
    fn socket(&self) -> &TcpStream;
}

impl<S: OverSocket> Pipe for Blocking<S> {
    async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    async fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.0.write_all(data)
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }

    async fn idle(&mut self) -> Result<()> {
        self.0
            .socket()
            .set_read_timeout(Some(Duration::from_millis(1)))?;
        let read = self.0.read(&mut [0]);
        ensure!(
            matches!(&read, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)),
            "an idle connection has something to read"
        );
        Ok(self.0.socket().set_read_timeout(None)?)
    }
}

/// A thread for each side.
pub(super) struct Threads;

impl Runtime for Threads {
    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn run<S: Send, C: Send>(
        &self,
        server: impl Future<Output = Result<S>> + Send,
        client: impl Future<Output = Result<C>> + Send,
    ) -> Result<(S, C)> {
        let (server, client) = thread::scope(|scope| {
            let server = scope.spawn(|| {
                let _layout = Layout::new();
                server.now_or_never()
            });
            let client = client.now_or_never();
            (server.join(), client)
        });
        let server = server.ok().flatten().context("the server panicked")?;
        Ok((server?, client.context("the client waits")??))
    }
}

struct Plain;

impl OverSocket for Socket {
    fn socket(&self) -> &TcpStream {
        &self.0
    }
}

impl Binding for Plain {
    type Runtime = Threads;
    type Server = Blocking<Socket>;
    type Client = Blocking<Socket>;

    async fn server(_: &Setup, socket: TcpStream) -> Result<Self::Server> {
        let mut stream = Blocking(Counted(socket));
        be_asked(&mut stream).await?;
        Ok(stream)
    }

    async fn client(_: &Setup, socket: TcpStream) -> Result<Self::Client> {
        let mut stream = Blocking(Counted(socket));
        ask(&mut stream).await?;
        Ok(stream)
    }
}

struct Owned;

impl OverSocket for StreamOwned<ServerConnection, Socket> {
    fn socket(&self) -> &TcpStream {
        &self.sock.0
    }
}

impl OverSocket for StreamOwned<ClientConnection, Socket> {
    fn socket(&self) -> &TcpStream {
        &self.sock.0
    }
}

impl Binding for Owned {
    type Runtime = Threads;
    type Server = Blocking<StreamOwned<ServerConnection, Socket>>;
    type Client = Blocking<StreamOwned<ClientConnection, Socket>>;

    async fn server(setup: &Setup, socket: TcpStream) -> Result<Self::Server> {
        let mut plain = Blocking(Counted(socket));
        be_asked(&mut plain).await?;
        let mut stream = StreamOwned::new(setup.server_connection()?, plain.0);
        // The handshake would wait for the first read or write.
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(Blocking(stream))
    }

    async fn client(setup: &Setup, socket: TcpStream) -> Result<Self::Client> {
        let mut plain = Blocking(Counted(socket));
        ask(&mut plain).await?;
        let mut stream = StreamOwned::new(setup.client_connection()?, plain.0);
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(Blocking(stream))
    }
}

struct Starttls;

impl OverSocket for PlainStream<Socket> {
    fn socket(&self) -> &TcpStream {
        &self.get_ref().0
    }
}

impl OverSocket for starttls_stream::TlsStream<Socket> {
    fn socket(&self) -> &TcpStream {
        &self.get_ref().0
    }
}

impl Binding for Starttls {
    type Runtime = Threads;
    type Server = Blocking<starttls_stream::TlsStream<Socket>>;
    type Client = Blocking<starttls_stream::TlsStream<Socket>>;

    async fn server(setup: &Setup, socket: TcpStream) -> Result<Self::Server> {
        let mut plain = Blocking(PlainStream::new(Counted(socket)));
        be_asked(&mut plain).await?;
        Ok(Blocking(plain.0.start_tls(setup.server_connection()?)?))
    }

    async fn client(setup: &Setup, socket: TcpStream) -> Result<Self::Client> {
        let mut plain = Blocking(PlainStream::new(Counted(socket)));
        ask(&mut plain).await?;
        Ok(Blocking(plain.0.start_tls(setup.client_connection()?)?))
    }
}
