use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use starttls_core::Limits;

use crate::{Deadlines, Info, PlainStream, Stopping, TlsStream};

/// Connects over TCP; the connection begins in plaintext.
///
/// Its limits and deadlines are the defaults: 64 KiB read ahead, 30 seconds to upgrade. For others there are [`PlainStream::with_limits`] over a socket of your
/// own and [`PlainStream::with_deadlines`]. Connecting itself takes as long as the system allows.
///
/// `TCP_NODELAY` is set, since small messages that wait for one another are what an upgrade consists of.
///
/// # Errors
/// Those of [`TcpStream::connect`].
pub fn connect(addr: impl ToSocketAddrs) -> io::Result<PlainStream<TcpStream>> {
    let socket = TcpStream::connect(addr)?;
    socket.set_nodelay(true)?;
    Ok(PlainStream::new(socket))
}

/// Accepts TCP connections that begin in plaintext, and has each handled in a thread of its own.
///
/// ```no_run
/// # fn f(config: std::sync::Arc<starttls_stream::rustls::ServerConfig>) -> std::io::Result<()> {
/// use std::io::Write;
/// use std::sync::mpsc;
/// use std::thread;
/// use starttls_stream::Server;
/// use starttls_stream::rustls::ServerConnection;
///
/// let server = Server::bind("127.0.0.1:2525")?;
/// let (stop, stopped) = mpsc::channel::<()>();
/// let serving = thread::spawn(move || {
///     server.serve(
///         |mut plain, peer| {
///             let mut serve = || -> Result<(), Box<dyn std::error::Error>> {
///                 plain.next_line(512)?;
///                 plain.write_all(b"OK\n")?;
///                 let mut tls = plain.start_tls(ServerConnection::new(config.clone())?)?;
///                 Ok(tls.shutdown()?)
///             };
///             if let Err(error) = serve() {
///                 eprintln!("{peer}: {error}");
///             }
///         },
///         move || drop(stopped.recv()),
///     )
/// });
/// // and when it is time
/// drop(stop);
/// serving.join().expect("it does not panic")
/// # }
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
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(TcpListener::bind(addr)?.into())
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

    /// Has each connection handled by `handler`, in a thread of its own, until `stop` returns, which has a thread of its own too. Then nothing more is
    /// accepted, and when all handlers have returned, so does this.
    ///
    /// A handler that takes long, or panics, is no matter to the others. Nor does it end the server when a connection cannot be accepted, be it for lack of
    /// files or threads; it goes on after a short pause.
    ///
    /// A handler hears of `stop` by [`stopping`](Self::stopping). One that waits for a silent client is waited for: set the socket's timeouts, or
    /// [`Deadlines::dialogue`].
    ///
    /// # Errors
    /// If there cannot be a thread for `stop`.
    pub fn serve(
        self,
        handler: impl Fn(PlainStream<TcpStream>, SocketAddr) + Sync,
        stop: impl FnOnce() + Send,
    ) -> io::Result<()> {
        let Self {
            listener,
            limits,
            deadlines,
            most,
            stopping,
        } = self;
        let places = Places::new(most);
        let own = reachable(listener.local_addr()?);
        listener.set_nonblocking(false)?;
        let ended = AtomicBool::new(false);
        let (handler, stopping, ended, places) = (&handler, &stopping, &ended, &places);
        thread::scope(|scope| {
            named("starttls stop").spawn_scoped(scope, move || {
                // One that panics will not say it again.
                let _ = catch_unwind(AssertUnwindSafe(stop));
                stopping.stop();
                places.open();
                while !ended.load(Ordering::SeqCst) {
                    // What waits in `accept` wakes up when somebody comes.
                    let _ = TcpStream::connect_timeout(&own, Duration::from_secs(1));
                    thread::sleep(Duration::from_millis(5));
                }
            })?;
            loop {
                let place = places.take();
                let accepted = listener.accept();
                if stopping.is_stopping() {
                    break;
                }
                let handled = accepted.and_then(|(socket, peer)| {
                    // If it fails the connection is gone, and the handler finds that out.
                    let _ = socket.set_nodelay(true);
                    let plain = PlainStream::with_limits(socket, limits).with_deadlines(deadlines);
                    named("starttls connection").spawn_scoped(scope, move || {
                        // A scope would hand the panic on to us.
                        let _ = catch_unwind(AssertUnwindSafe(|| handler(plain, peer)));
                        drop(place);
                    })
                });
                if let Err(error) = handled
                    && let Some(pause) = pause_after(&error)
                {
                    thread::sleep(pause);
                }
            }
            drop(listener);
            ended.store(true, Ordering::SeqCst);
            Ok(())
        })
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

/// For adapters: how long an accept loop must wait after this error, so that it does not spin until, say, a file is closed. `None` if it was the connection that
/// failed: the next one may be fine.
pub fn pause_after(error: &io::Error) -> Option<Duration> {
    match error.kind() {
        ErrorKind::ConnectionAborted
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionRefused
        | ErrorKind::Interrupted => None,
        _ => Some(Duration::from_millis(50)),
    }
}

/// How many more connections there is room for.
struct Places {
    free: Mutex<usize>,
    changed: Condvar,
}

/// Room for one, until it is dropped.
struct Place<'a>(&'a Places);

impl Places {
    fn new(free: usize) -> Self {
        Self {
            free: Mutex::new(free),
            changed: Condvar::new(),
        }
    }

    /// Waits for one.
    fn take(&self) -> Place<'_> {
        let mut free = self.free();
        while *free == 0 {
            let woken = self.changed.wait(free);
            free = woken.unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Place(self)
    }

    /// Whoever waits has waited enough.
    fn open(&self) {
        let mut free = self.free();
        *free = free.saturating_add(1);
        self.changed.notify_all();
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.open();
    }
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.to_owned())
}

/// An address at which this host reaches its own listener.
fn reachable(mut listening: SocketAddr) -> SocketAddr {
    if listening.ip().is_unspecified() {
        listening.set_ip(match listening.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    listening
}
