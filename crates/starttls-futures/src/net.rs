//! TCP, for a [`Runtime`] that has sockets and tasks: `info()` of its streams, and the accept loop of `starttls-smol` and `starttls-async-std`.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::Poll;

use futures_util::future::{CatchUnwind, FutureExt, RemoteHandle};
use futures_util::stream::{FuturesUnordered, StreamExt};
use starttls_stream::core::Limits;
use starttls_stream::{Info, pause_after};

use crate::Timer;
use crate::timed::{PlainStream, TlsStream};

/// What a runtime has beside time: sockets and tasks.
pub trait Runtime: Timer {
    /// A connection.
    type TcpStream;

    /// What accepts connections.
    type TcpListener;

    /// Waits for a connection, and says whose it is.
    fn accept(
        listener: &Self::TcpListener,
    ) -> impl Future<Output = io::Result<(Self::TcpStream, SocketAddr)>> + Send;

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

    /// Begins a task that nobody waits for.
    fn spawn(task: impl Future<Output = ()> + Send + 'static);
}

/// Has each connection handled in a task of its own until `stop` completes; then nothing more is accepted, and the handlers are waited for.
///
/// A handler that panics, and a connection that cannot be accepted, end nothing. When this future is dropped the handlers are too.
pub async fn serve<T: Runtime, F>(
    listener: T::TcpListener,
    limits: Limits,
    mut handler: impl FnMut(PlainStream<T::TcpStream, T>, SocketAddr) -> F,
    stop: impl Future,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut stop = pin!(stop);
    let mut handlers = Handlers::new();
    while let Some(accepted) = unless(stop.as_mut(), &mut handlers, T::accept(&listener)).await {
        match accepted {
            Ok((socket, peer)) => {
                let plain = PlainStream::with_limits(socket, limits);
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
    while handlers.next().await.is_some() {}
}

type Handlers = FuturesUnordered<CatchUnwind<AssertUnwindSafe<RemoteHandle<()>>>>;

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
