use std::future::Future;
use std::io;
use std::net::SocketAddr;

use async_std::net::{TcpListener, TcpStream, ToSocketAddrs};
use starttls_futures::net::{self, Resolve, Runtime};

use crate::{AsyncStdTimer, PlainStream};

/// As [`starttls_futures::net::connect`]: connects over TCP, and the connection begins in plaintext.
///
/// # Errors
/// Those of [`TcpStream::connect`].
pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<PlainStream<TcpStream>> {
    net::connect(addr).await
}

/// [`starttls_futures::net::Server`] with async-std's sockets and tasks.
///
/// ```no_run
/// # async fn f(config: std::sync::Arc<starttls_async_std::rustls::ServerConfig>) -> std::io::Result<()> {
/// use std::error::Error;
/// use async_std::net::TcpStream;
/// use futures_util::AsyncWriteExt;
/// use starttls_async_std::rustls::ServerConnection;
/// use starttls_async_std::{PlainStream, Server};
/// # type Config = std::sync::Arc<starttls_async_std::rustls::ServerConfig>;
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
pub type Server = net::Server<AsyncStdTimer>;

impl Runtime for AsyncStdTimer {
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
        async_std::task::spawn(task);
    }
}

impl<A: ToSocketAddrs> Resolve<A> for AsyncStdTimer {
    async fn connect(addr: A) -> io::Result<TcpStream> {
        TcpStream::connect(addr).await
    }

    async fn bind(addr: A) -> io::Result<TcpListener> {
        TcpListener::bind(addr).await
    }
}
