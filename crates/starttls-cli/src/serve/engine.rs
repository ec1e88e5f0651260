//! Accepting connections until the end, and what signals and timers do.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval_at, sleep, timeout};
use tracing::{info, warn};

use crate::metrics::PROMETHEUS;
use crate::report::Failure;
use crate::serve::places::{Full, Places};
use crate::serve::{Counters, ServeArguments};
use crate::{http, terminal};

/// What is done with each connection.
pub(crate) trait Service: Send + Sync + 'static {
    /// Carries one connection from its first to its last byte.
    fn serve(&self, connection: Connection) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Reads the files again. After an error everything is as it was.
    fn reload(&self) -> Result<(), String>;
}

/// One accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) counters: Arc<Counters>,
}

/// Serves until a signal says otherwise.
pub(crate) async fn run(arguments: &ServeArguments, service: impl Service) -> ExitCode {
    arguments.log.begin();
    let listeners = match listeners(&arguments.listen) {
        Ok(listeners) => listeners,
        Err(error) => return terminal::usage(&error),
    };
    // Two sockets a connection, and some for ourselves. Who may not have as many is told by `accept`.
    let _ = rlimit::increase_nofile_limit(u64::from(arguments.max_connections) * 2 + 100);
    let counters = Arc::new(Counters::default());
    let draining = Arc::new(AtomicBool::new(false));
    if let Some(address) = arguments.metrics {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                if let Ok(address) = listener.local_addr() {
                    terminal::print(&format!("metrics {address}\n"));
                }
                let (counters, draining) = (counters.clone(), draining.clone());
                tokio::spawn(http::serve(listener, move |request| {
                    std::future::ready(page(request.uri().path(), &counters, &draining))
                }));
            }
            Err(error) => return terminal::usage(&format!("{address}: {error}")),
        }
    }
    let places = Places::new(arguments.max_connections, arguments.max_per_source);
    let service = Arc::new(service);
    let mut accepting = JoinSet::new();
    let (sender, mut sockets) = tokio::sync::mpsc::channel(64);
    for listener in listeners {
        if let Ok(address) = listener.local_addr() {
            terminal::print(&format!("listening {address}\n"));
        }
        let sender = sender.clone();
        accepting.spawn(async move {
            loop {
                match listener.accept().await {
                    Ok(accepted) => {
                        if sender.send(accepted).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        warn!(%error, "cannot accept");
                        sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
    }
    let _ = sd_notify::notify(false, &[NotifyState::Ready]);
    let mut signals = Signals::new();
    let mut timer = interval_at(
        tokio::time::Instant::now() + arguments.reload,
        arguments.reload,
    );
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some((socket, peer)) = sockets.recv() => {
                counters.accepted();
                match places.take(peer.ip()) {
                    Ok(place) => {
                        let connection = Connection { socket, peer, counters: counters.clone() };
                        let service = service.clone();
                        connections.spawn(async move {
                            carry(&*service, connection).await;
                            drop(place);
                        });
                    }
                    Err(full) => {
                        let limit = match full { Full::All => "all", Full::Source => "source" };
                        counters.rejected(limit);
                        warn!(%peer, limit, "too many connections");
                    }
                }
            }
            Some(_) = connections.join_next() => {}
            _ = timer.tick() => reload(&*service, &counters),
            signal = signals.next() => match signal {
                Signal::Reload => {
                    let _ = sd_notify::notify(false, &[NotifyState::Reloading]);
                    reload(&*service, &counters);
                    let _ = sd_notify::notify(false, &[NotifyState::Ready]);
                }
                Signal::End => break,
            },
        }
    }
    // Nothing new from here on; what is under way has a while.
    let _ = sd_notify::notify(false, &[NotifyState::Stopping]);
    draining.store(true, Ordering::Relaxed);
    accepting.shutdown().await;
    // Those that were accepted and not yet seen are under way, too.
    sockets.close();
    while let Ok((socket, peer)) = sockets.try_recv() {
        let connection = Connection {
            socket,
            peer,
            counters: counters.clone(),
        };
        let service = service.clone();
        connections.spawn(async move { carry(&*service, connection).await });
    }
    info!(connections = connections.len(), "draining");
    let drained = timeout(arguments.drain, async {
        while connections.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        warn!(
            connections = connections.len(),
            "closed while they were under way"
        );
    }
    info!("ended");
    ExitCode::SUCCESS
}

async fn carry(service: &impl Service, connection: Connection) {
    let (peer, counters) = (connection.peer, connection.counters.clone());
    let _active = counters.active();
    let _ = connection.socket.set_nodelay(true);
    match service.serve(connection).await {
        Ok(()) => counters.ended("closed"),
        Err(failure) => {
            let outcome = serde_json::to_value(failure.outcome()).unwrap_or_default();
            let outcome = outcome.as_str().unwrap_or_default();
            counters.ended(outcome);
            // What the peer has said is escaped there.
            let words = failure.refusal().map(|refusal| refusal.text.escaped());
            let words = words.or(failure.injected()).unwrap_or_default();
            warn!(%peer, outcome, reason = %failure, words, "failed");
        }
    }
}

fn reload(service: &impl Service, counters: &Counters) {
    match service.reload() {
        Ok(()) => {
            counters.reloaded("done");
            info!("files read again");
        }
        Err(error) => {
            counters.reloaded("failed");
            warn!(error, "files not read again, the old ones stay");
        }
    }
}

fn page(path: &str, counters: &Counters, draining: &AtomicBool) -> http::Page {
    match path {
        "/metrics" => http::page(StatusCode::OK, PROMETHEUS, counters.metrics().prometheus()),
        "/healthz" if draining.load(Ordering::Relaxed) => {
            http::text(StatusCode::SERVICE_UNAVAILABLE, "draining")
        }
        "/healthz" => http::text(StatusCode::OK, "ok"),
        _ => http::text(StatusCode::NOT_FOUND, "there is /metrics and /healthz"),
    }
}

/// Those of systemd (`LISTEN_FDS`), or new ones.
fn listeners(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, String> {
    let mut given = ListenFd::from_env();
    let mut sockets: Vec<StdListener> = Vec::new();
    for index in 0..given.len() {
        let socket = given.take_tcp_listener(index);
        sockets.extend(socket.map_err(|error| format!("socket {index} of systemd: {error}"))?);
    }
    if sockets.is_empty() {
        for address in addresses {
            let socket = StdListener::bind(address);
            sockets.push(socket.map_err(|error| format!("{address}: {error}"))?);
        }
    }
    if sockets.is_empty() {
        return Err(
            "nowhere to listen: say --listen, or be started by a socket of systemd".to_owned(),
        );
    }
    let listen = |socket: StdListener| -> io::Result<TcpListener> {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    };
    let listening: io::Result<Vec<_>> = sockets.into_iter().map(listen).collect();
    listening.map_err(|error| error.to_string())
}

enum Signal {
    Reload,
    End,
}

#[cfg(unix)]
struct Signals(Option<[tokio::signal::unix::Signal; 3]>);

#[cfg(unix)]
impl Signals {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let all = [
            SignalKind::hangup(),
            SignalKind::terminate(),
            SignalKind::interrupt(),
        ];
        let [a, b, c] = all.map(signal);
        // Without them the default of the system holds: the end.
        Self(a.and_then(|a| Ok([a, b?, c?])).ok())
    }

    async fn next(&mut self) -> Signal {
        match &mut self.0 {
            Some([hangup, terminate, interrupt]) => tokio::select! {
                _ = hangup.recv() => Signal::Reload,
                _ = terminate.recv() => Signal::End,
                _ = interrupt.recv() => Signal::End,
            },
            None => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) -> Signal {
        let _ = tokio::signal::ctrl_c().await;
        Signal::End
    }
}
