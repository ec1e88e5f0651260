//! TCP, for a [`Runtime`] that has sockets and tasks: `connect`, `Server` and `info()` of `starttls-smol` and `starttls-async-std`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::Poll;

use futures_util::future::{CatchUnwind, FutureExt, RemoteHandle};
use futures_util::stream::{FuturesUnordered, StreamExt};
use starttls_stream::adapter::{Timer, pause_after};
use starttls_stream::starttls_core::Limits;
use starttls_stream::{Deadlines, Info, Stopping};

use crate::timed::{PlainStream, TlsStream};

/// What a runtime has beside time: sockets and tasks.
pub trait Runtime: Timer {
    /// A connection.
    type TcpStream;

    /// What accepts connections.
    type TcpListener: fmt::Debug;

    /// Waits for a connection, and says whose it is.
    fn accept(
        listener: &Self::TcpListener,
    ) -> impl Future<Output = io::Result<(Self::TcpStream, SocketAddr)>> + Send;

    /// Sets `TCP_NODELAY`.
    ///
    /// # Errors
    /// The system's own.
    fn set_nodelay(socket: &Self::TcpStream) -> io::Result<()>;

    /// The address of the other end.
    ///
    /// # Errors
    /// The system's own.
    fn peer_addr(socket: &Self::TcpStream) -> io::Result<SocketAddr>;

    /// The address of our end.
    ///
    /// # Errors
    /// The system's own.
    fn local_addr(socket: &Self::TcpStream) -> io::Result<SocketAddr>;

    /// The address that a listener has.
    ///
    /// # Errors
    /// The system's own.
    fn listening_addr(listener: &Self::TcpListener) -> io::Result<SocketAddr>;

    /// Begins a task that nobody waits for.
    fn spawn(task: impl Future<Output = ()> + Send + 'static);
}

/// A runtime that can look an address of the kind `A` up: what it takes for one is a trait of its own.
pub trait Resolve<A>: Runtime {
    /// Connects to it.
    fn connect(addr: A) -> impl Future<Output = io::Result<Self::TcpStream>>;

    /// Listens there.
    fn bind(addr: A) -> impl Future<Output = io::Result<Self::TcpListener>>;
}

/// Connects over TCP; the connection begins in plaintext.
///
/// Its limits and deadlines are the defaults: 64 KiB read ahead, 30 seconds to upgrade. For others there are [`PlainStream::with_limits`] over a socket of your
/// own and [`PlainStream::with_deadlines`]. Connecting itself takes as long as the system allows.
///
/// `TCP_NODELAY` is set, since small messages that wait for one another are what an upgrade consists of.
///
/// # Errors
/// The system's own.
pub async fn connect<T: Resolve<A>, A>(addr: A) -> io::Result<PlainStream<T::TcpStream, T>> {
    let socket = T::connect(addr).await?;
    T::set_nodelay(&socket)?;
    Ok(PlainStream::new(socket))
}

/// Accepts TCP connections that begin in plaintext, and has each handled in a task of its own.
pub struct Server<T: Runtime> {
    listener: T::TcpListener,
    limits: Limits,
    deadlines: Deadlines,
    most: usize,
    stopping: Stopping,
}

impl<T: Runtime> Server<T> {
    /// Listens there. Port 0 takes a free one.
    ///
    /// # Errors
    /// The system's own.
    pub async fn bind<A>(addr: A) -> io::Result<Self>
    where
        T: Resolve<A>,
    {
        Ok(Self::from_listener(T::bind(addr).await?))
    }

    /// Accepts from a listener that was made elsewhere.
    pub fn from_listener(listener: T::TcpListener) -> Self {
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
        T::listening_addr(&self.listener)
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
        mut handler: impl FnMut(PlainStream<T::TcpStream, T>, SocketAddr) -> F,
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
        let mut handlers = Handlers::new();
        loop {
            let room = room(stop.as_mut(), &mut handlers, most);
            if room.await.is_none() {
                break;
            }
            let accept = unless(stop.as_mut(), &mut handlers, T::accept(&listener));
            let Some(accepted) = accept.await else {
                break;
            };
            match accepted {
                Ok((socket, peer)) => {
                    // If it fails the connection is gone, and the handler finds that out.
                    let _ = T::set_nodelay(&socket);
                    let plain = PlainStream::with_limits(socket, limits).with_deadlines(deadlines);
                    let (task, handle) = handler(plain, peer).remote_handle();
                    T::spawn(task);
                    // The handle hands a panic of the task on.
                    handlers.push(AssertUnwindSafe(handle).catch_unwind());
                }
                Err(error) => {
                    if let Some(pause) = pause_after(&error) {
                        let paused = unless(stop.as_mut(), &mut handlers, T::sleep(pause));
                        if paused.await.is_none() {
                            break;
                        }
                    }
                }
            }
        }
        drop(listener);
        stopping.stop();
        while handlers.next().await.is_some() {}
    }
}

impl<T: Runtime> fmt::Debug for Server<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

type Handlers = FuturesUnordered<CatchUnwind<AssertUnwindSafe<RemoteHandle<()>>>>;

/// Waits until fewer handlers than `most` are at work; `None` if `stop` completes before.
async fn room(mut stop: Pin<&mut impl Future>, handlers: &mut Handlers, most: usize) -> Option<()> {
    poll_fn(|cx| {
        if stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        while let Poll::Ready(Some(_)) = handlers.poll_next_unpin(cx) {}
        if handlers.len() < most {
            Poll::Ready(Some(()))
        } else {
            Poll::Pending
        }
    })
    .await
}

/// What comes of `future`; `None` if `stop` completes before. Lets go of the handlers that are done.
async fn unless<R>(
    mut stop: Pin<&mut impl Future>,
    handlers: &mut Handlers,
    future: impl Future<Output = R>,
) -> Option<R> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        while let Poll::Ready(Some(_)) = handlers.poll_next_unpin(cx) {}
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

impl<T: Runtime> PlainStream<T::TcpStream, T> {
    /// Whom it is connected to.
    pub fn info(&self) -> Info {
        let socket = self.get_ref();
        Info::new(T::peer_addr(socket), T::local_addr(socket), None)
    }
}

impl<T: Runtime> TlsStream<T::TcpStream, T> {
    /// Whom it is connected to, and what was negotiated.
    pub fn info(&self) -> Info {
        let socket = self.get_ref();
        let connection = Some(self.connection());
        Info::new(T::peer_addr(socket), T::local_addr(socket), connection)
    }
}
