//! The runtimes, each bound to the dialogue, and the same program on any of them.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Result;
use starttls_core::rustls::pki_types::ServerName;
use starttls_core::rustls::{ClientConfig, Connection, ServerConfig};
// It needs no runtime, and can be waited for by a thread too.
use tokio::sync::oneshot::Receiver;

use crate::dialogue::{self, GoAhead, Plain, Secured, Talk};

/// Which runtime a program runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Runtime {
    /// tokio.
    #[default]
    Tokio,
    /// smol.
    Smol,
    /// async-std.
    AsyncStd,
    /// Threads and blocking sockets.
    Blocking,
}

/// What is done with the outcome of a connection.
pub trait Report: Fn(Result<()>) + Clone + Send + Sync + 'static {}

impl<F: Fn(Result<()>) + Clone + Send + Sync + 'static> Report for F {}

/// Binds the streams of one runtime to the dialogue. Their methods have the same names everywhere, with `.await` or without.
macro_rules! bind {
    ($plain:ty, $tls:ty, $close:ident, ($($wait:tt)*)) => {
        bind!(@talk $plain, ($($wait)*));
        bind!(@talk $tls, ($($wait)*));

        impl Plain for $plain {
            type Tls = $tls;

            async fn start_tls(self, connection: Connection, pipelined: bool) -> Result<$tls> {
                Ok(if pipelined {
                    self.start_tls_with_unread(connection)$($wait)*?
                } else {
                    self.start_tls(connection)$($wait)*?
                })
            }
        }

        impl Secured for $tls {
            fn connection(&self) -> &Connection {
                self.connection()
            }

            async fn hang_up(&mut self) -> Result<()> {
                Ok(self.$close()$($wait)*?)
            }
        }
    };
    (@talk $stream:ty, ($($wait:tt)*)) => {
        impl Talk for $stream {
            async fn line(&mut self) -> Result<Option<String>> {
                let mut line = String::new();
                let n = self.read_line(&mut line)$($wait)*?;
                Ok((n > 0).then(|| line.trim_end().to_owned()))
            }

            async fn say(&mut self, words: &str) -> Result<()> {
                self.write_all(format!("{words}\n").as_bytes())$($wait)*?;
                Ok(self.flush()$($wait)*?)
            }
        }
    };
}

/// The programs on one async runtime, from what differs: how to take over a listener, and to run.
macro_rules! programs {
    (listener: $listener:expr, run: $run:expr) => {
        pub(super) fn client(
            address: SocketAddr,
            config: Arc<ClientConfig>,
            name: ServerName<'static>,
            go_ahead: GoAhead,
        ) -> Result<()> {
            $run(async {
                let plain = connect(address).await?;
                dialogue::client(plain, config, name, go_ahead).await
            })
        }

        pub(super) fn serve(
            listener: TcpListener,
            config: Arc<ServerConfig>,
            go_ahead: GoAhead,
            report: impl Report,
            stop: Receiver<()>,
        ) -> Result<()> {
            $run(async {
                let handler = |plain, _| {
                    let report = report.clone();
                    let served = dialogue::server(plain, config.clone(), go_ahead);
                    async move { report(served.await) }
                };
                Server::from_listener($listener(listener)?)
                    .serve(handler, stop)
                    .await;
                Ok(())
            })
        }
    };
}

mod on_tokio {
    use super::*;
    use starttls_tokio::{PlainStream, Server, TlsStream, connect};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    bind!(PlainStream<TcpStream>, TlsStream<TcpStream>, shutdown, (.await));
    programs!(
        listener: |listener: TcpListener| {
            listener.set_nonblocking(true)?;
            tokio::net::TcpListener::from_std(listener)
        },
        run: |work| tokio::runtime::Runtime::new()?.block_on(work)
    );
}

mod on_smol {
    use super::*;
    use futures_util::{AsyncBufReadExt, AsyncWriteExt};
    use smol::net::TcpStream;
    use starttls_smol::{PlainStream, Server, TlsStream, connect};

    bind!(PlainStream<TcpStream>, TlsStream<TcpStream>, close, (.await));
    programs!(
        listener: smol::net::TcpListener::try_from,
        run: smol::block_on
    );
}

mod on_async_std {
    use super::*;
    use async_std::net::TcpStream;
    use futures_util::{AsyncBufReadExt, AsyncWriteExt};
    use starttls_async_std::{PlainStream, Server, TlsStream, connect};

    bind!(PlainStream<TcpStream>, TlsStream<TcpStream>, close, (.await));
    programs!(
        listener: |listener| anyhow::Ok(async_std::net::TcpListener::from(listener)),
        run: async_std::task::block_on
    );
}

mod on_threads {
    use super::*;
    use starttls_stream::{PlainStream, Server, TlsStream, connect};
    use std::io::{BufRead, Write};
    use std::net::TcpStream;

    bind!(PlainStream<TcpStream>, TlsStream<TcpStream>, shutdown, ());

    pub(super) fn client(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        go_ahead: GoAhead,
    ) -> Result<()> {
        run(dialogue::client(connect(address)?, config, name, go_ahead))
    }

    pub(super) fn serve(
        listener: TcpListener,
        config: Arc<ServerConfig>,
        go_ahead: GoAhead,
        report: impl Report,
        stop: Receiver<()>,
    ) -> Result<()> {
        let handler = |plain, _| {
            report(run(dialogue::server(plain, config.clone(), go_ahead)));
        };
        Ok(Server::from(listener).serve(handler, || drop(stop.blocking_recv()))?)
    }

    /// A dialogue that blocks wherever others wait is done when it is polled once.
    fn run(dialogue: impl Future<Output = Result<()>>) -> Result<()> {
        smol::block_on(dialogue)
    }
}

impl Runtime {
    /// Has the client's dialogue with whoever listens there.
    pub fn client(
        self,
        address: SocketAddr,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        go_ahead: GoAhead,
    ) -> Result<()> {
        match self {
            Self::Tokio => on_tokio::client(address, config, name, go_ahead),
            Self::Smol => on_smol::client(address, config, name, go_ahead),
            Self::AsyncStd => on_async_std::client(address, config, name, go_ahead),
            Self::Blocking => on_threads::client(address, config, name, go_ahead),
        }
    }

    /// Serves many at a time, until it is told to stop or nobody can tell it any more. What comes of each connection is reported.
    pub fn serve(
        self,
        listener: TcpListener,
        config: Arc<ServerConfig>,
        go_ahead: GoAhead,
        report: impl Report,
        stop: Receiver<()>,
    ) -> Result<()> {
        match self {
            Self::Tokio => on_tokio::serve(listener, config, go_ahead, report, stop),
            Self::Smol => on_smol::serve(listener, config, go_ahead, report, stop),
            Self::AsyncStd => on_async_std::serve(listener, config, go_ahead, report, stop),
            Self::Blocking => on_threads::serve(listener, config, go_ahead, report, stop),
        }
    }
}
