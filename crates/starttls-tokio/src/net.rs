use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;

use starttls_stream::adapter::pause_after;
use starttls_stream::starttls_core::Limits;
use starttls_stream::{Deadlines, Info, Stopping};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::{PlainStream, TlsStream};

/// Connects over TCP; the connection begins in plaintext.
///
/// Its limits and deadlines are the defaults: 64 KiB read ahead, 30 seconds to upgrade. For others there are [`PlainStream::with_limits`] over a socket of your
/// own and [`PlainStream::with_deadlines`]. Connecting itself takes as long as the system allows.
///
/// `TCP_NODELAY` is set, since small messages that wait for one another are what an upgrade consists of.
///
/// # Errors
/// Those of [`TcpStream::connect`].
pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<PlainStream<TcpStream>> {
    let socket = TcpStream::connect(addr).await?;
    socket.set_nodelay(true)?;
    Ok(PlainStream::new(socket))
}

/// Accepts TCP connections that begin in plaintext, and has each handled in a task of its own.
///
/// ```no_run
/// # async fn f(config: std::sync::Arc<starttls_tokio::rustls::ServerConfig>) -> std::io::Result<()> {
/// use std::error::Error;
/// use starttls_tokio::rustls::ServerConnection;
/// use starttls_tokio::{PlainStream, Server};
/// use tokio::io::AsyncWriteExt;
/// use tokio::net::TcpStream;
/// # type Config = std::sync::Arc<starttls_tokio::rustls::ServerConfig>;
///
/// async fn talk(mut plain: PlainStream<TcpStream>, config: Config) -> Result<(), Box<dyn Error>> {
///     plain.next_line(512).await?;
///     plain.write_all(b"OK\n").await?;
///     let mut tls = plain.start_tls(ServerConnection::new(config)?).await?;
///     Ok(tls.shutdown().await?)
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
    deadlines: Deadlines,
    most: usize,
    stopping: Stopping,
}

impl Server {
    /// Listens there. Port 0 takes a free one.
    ///
    /// # Errors
    /// Those of [`TcpListener::bind`].
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(TcpListener::bind(addr).await?.into())
    }

    /// Accepts from a listener that was made elsewhere.
    pub fn from_listener(listener: TcpListener) -> Self {
        Self {
            listener,
            limits: Limits::default(),
            deadlines: Deadlines::default(),
            most: usize::MAX,
            stopping: Stopping::new(),
        }
    }

    /// Sets the limits of its connections, such as how much is read ahead (64 KiB by default).
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the deadlines of its connections, such as one over the plaintext phase ([`Deadlines::dialogue`]).
    #[must_use]
    pub fn with_deadlines(self, deadlines: Deadlines) -> Self {
        Self { deadlines, ..self }
    }

    /// Sets how many connections are handled at the same time: nobody is let in before there is room. There is no limit by default but that of the system.
    #[must_use]
    pub fn with_most_connections(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Says to handlers that the server is stopping.
    pub fn stopping(&self) -> Stopping {
        self.stopping.clone()
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's own.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Has each connection handled by the future that `handler` makes, in a task of its own, until `stop` completes. Then nothing more is accepted, and when all
    /// handlers have completed, so does this.
    ///
    /// A handler that takes long, or panics, is no matter to the others. Nor does it end the server when a connection cannot be accepted, be it for lack of
    /// files; it goes on after a short pause.
    ///
    /// A handler hears of `stop` by [`stopping`](Self::stopping). When this future is dropped the handlers are too: to give them an end, put a timeout around it.
    pub async fn serve<F>(
        self,
        mut handler: impl FnMut(PlainStream<TcpStream>, SocketAddr) -> F,
        stop: impl Future,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let Self {
            listener,
            limits,
            deadlines,
            most,
            stopping,
        } = self;
        let mut stop = pin!(stop);
        let mut handlers = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = &mut stop => break,
                // One that has panicked is done, too.
                Some(_) = handlers.join_next() => continue,
                accepted = listener.accept(), if handlers.len() < most => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    // If it fails the connection is gone, and the handler finds that out.
                    let _ = socket.set_nodelay(true);
                    let plain = PlainStream::with_limits(socket, limits).with_deadlines(deadlines);
                    handlers.spawn(handler(plain, peer));
                }
                Err(error) => {
                    if let Some(pause) = pause_after(&error) {
                        tokio::select! {
                            _ = &mut stop => break,
                            () = sleep(pause) => {}
                        }
                    }
                }
            }
        }
        drop(listener);
        stopping.stop();
        while handlers.join_next().await.is_some() {}
    }
}

impl From<TcpListener> for Server {
    fn from(listener: TcpListener) -> Self {
        Self::from_listener(listener)
    }
}

impl PlainStream<TcpStream> {
    /// Whom it is connected to.
    pub fn info(&self) -> Info {
        let socket = self.get_ref();
        Info::new(socket.peer_addr(), socket.local_addr(), None)
    }
}

impl TlsStream<TcpStream> {
    /// Whom it is connected to, and what was negotiated.
    pub fn info(&self) -> Info {
        let socket = self.get_ref();
        let connection = Some(self.connection());
        Info::new(socket.peer_addr(), socket.local_addr(), connection)
    }
}
