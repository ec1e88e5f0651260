use std::future::Future;
use std::io;
use std::net::SocketAddr;

use smol::net::{AsyncToSocketAddrs, TcpListener, TcpStream};
use starttls_futures::net::{self, Resolve, Runtime};

use crate::{PlainStream, SmolTimer};

/// As [`starttls_futures::net::connect`]: connects over TCP, and the connection begins in plaintext.
///
/// # Errors
/// Those of [`TcpStream::connect`].
pub async fn connect(addr: impl AsyncToSocketAddrs) -> io::Result<PlainStream<TcpStream>> {
    net::connect(addr).await
}

/// [`starttls_futures::net::Server`] with smol's sockets and tasks.
///
/// ```no_run
/// # async fn f(config: std::sync::Arc<starttls_smol::rustls::ServerConfig>) -> std::io::Result<()> {
/// use std::error::Error;
/// use smol::net::TcpStream;
/// use smol::io::AsyncWriteExt;
/// use starttls_smol::rustls::ServerConnection;
/// use starttls_smol::{PlainStream, Server};
/// # type Config = std::sync::Arc<starttls_smol::rustls::ServerConfig>;
///
/// async fn talk(mut plain: PlainStream<TcpStream>, config: Config) -> Result<(), Box<dyn Error>> {
///     plain.next_line(512).await?;
///     plain.write_all(b"OK\n").await?;
///     let mut tls = plain.start_tls(ServerConnection::new(config)?).await?;
///     Ok(tls.close().await?)
/// }
///
/// let server = Server::bind("127.0.0.1:2525").await?;
/// let handler = |plain, peer| {
///     let talk = talk(plain, config.clone());
///     async move {
///         if let Err(error) = talk.await {
///             eprintln!("{peer}: {error}");
///         }
///     }
/// };
/// let stop = async { /* a signal, or the other end of a channel */ };
/// server.serve(handler, stop).await;
/// # Ok(()) }
/// ```
pub type Server = net::Server<SmolTimer>;

impl Runtime for SmolTimer {
    type TcpStream = TcpStream;
    type TcpListener = TcpListener;

    async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        listener.accept().await
    }

    fn set_nodelay(socket: &TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)
    }

    fn peer_addr(socket: &TcpStream) -> io::Result<SocketAddr> {
        socket.peer_addr()
    }

    fn local_addr(socket: &TcpStream) -> io::Result<SocketAddr> {
        socket.local_addr()
    }

    fn listening_addr(listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }
}

impl<A: AsyncToSocketAddrs> Resolve<A> for SmolTimer {
    async fn connect(addr: A) -> io::Result<TcpStream> {
        TcpStream::connect(addr).await
    }

    async fn bind(addr: A) -> io::Result<TcpListener> {
        TcpListener::bind(addr).await
    }
}
