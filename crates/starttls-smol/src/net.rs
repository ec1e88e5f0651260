use std::future::Future;
use std::io;
use std::net::SocketAddr;

use smol::net::{AsyncToSocketAddrs, TcpListener, TcpStream};
use starttls_futures::core::Limits;
use starttls_futures::net::{self, Runtime};

use crate::{PlainStream, SmolTimer};

/// Connects over TCP; the connection begins in plaintext.
///
/// Its limits and deadlines are the defaults: 64 KiB read ahead, 30 seconds to upgrade. For others there are [`PlainStream::with_limits`] over a socket of your
/// own and [`PlainStream::with_deadlines`]. Connecting itself takes as long as the system allows.
///
/// `TCP_NODELAY` is set, since small messages that wait for one another are what an upgrade consists of.
///
/// [`PlainStream::with_limits`]: starttls_futures::timed::PlainStream::with_limits
/// [`PlainStream::with_deadlines`]: starttls_futures::timed::PlainStream::with_deadlines
///
/// # Errors
/// Those of [`TcpStream::connect`].
pub async fn connect(addr: impl AsyncToSocketAddrs) -> io::Result<PlainStream<TcpStream>> {
    let socket = TcpStream::connect(addr).await?;
    socket.set_nodelay(true)?;
    Ok(PlainStream::new(socket))
}

/// Accepts TCP connections that begin in plaintext, and has each handled in a task of its own.
///
/// ```no_run
/// # async fn f(config: std::sync::Arc<starttls_smol::rustls::ServerConfig>) -> std::io::Result<()> {
/// use std::error::Error;
/// use smol::io::{AsyncBufReadExt, AsyncWriteExt};
/// use smol::net::TcpStream;
/// use starttls_smol::rustls::ServerConnection;
/// use starttls_smol::{PlainStream, Server};
/// # type Config = std::sync::Arc<starttls_smol::rustls::ServerConfig>;
///
/// async fn talk(mut plain: PlainStream<TcpStream>, config: Config) -> Result<(), Box<dyn Error>> {
///     plain.read_line(&mut String::new()).await?;
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
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    limits: Limits,
}

impl Server {
    /// Listens there. Port 0 takes a free one.
    ///
    /// # Errors
    /// Those of [`TcpListener::bind`].
    pub async fn bind(addr: impl AsyncToSocketAddrs) -> io::Result<Self> {
        Ok(TcpListener::bind(addr).await?.into())
    }

    /// Sets the limits of its connections, such as how much is read ahead (64 KiB by default).
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's own.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Has each connection handled by the future that `handler` makes, in a task of its own (of [`smol::spawn`]), until `stop` completes. Then nothing more is
    /// accepted, and when all handlers have completed, so does this.
    ///
    /// A handler that takes long, or panics, is no matter to the others. Nor does it end the server when a connection cannot be accepted, be it for lack of
    /// files; it goes on after a short pause. The connections have the default deadlines; [`PlainStream::with_deadlines`] sets others.
    ///
    /// When this future is dropped the handlers are too: to give them an end, put a timeout around it.
    ///
    /// [`PlainStream::with_deadlines`]: starttls_futures::timed::PlainStream::with_deadlines
    pub async fn serve<F>(
        self,
        handler: impl FnMut(PlainStream<TcpStream>, SocketAddr) -> F,
        stop: impl Future,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        net::serve(self.listener, self.limits, handler, stop).await;
    }
}

impl From<TcpListener> for Server {
    fn from(listener: TcpListener) -> Self {
        Self {
            listener,
            limits: Limits::default(),
        }
    }
}

impl Runtime for SmolTimer {
    type TcpStream = TcpStream;
    type TcpListener = TcpListener;

    async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        let (socket, peer) = listener.accept().await?;
        // If it fails the connection is gone, and the handler finds that out.
        let _ = socket.set_nodelay(true);
        Ok((socket, peer))
    }

    fn peer_addr(socket: &TcpStream) -> io::Result<SocketAddr> {
        socket.peer_addr()
    }

    fn local_addr(socket: &TcpStream) -> io::Result<SocketAddr> {
        socket.local_addr()
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }
}
