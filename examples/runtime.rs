//! The runtimes, each bound to the dialogue, and the same program on any of them.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Result;
use starttls_core::rustls::pki_types::ServerName;
use starttls_core::rustls::{ClientConfig, Connection, ServerConfig};

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

/// The programs on one async runtime, from what differs: how to connect, listen, run and spawn.
macro_rules! programs {
    (connect: $connect:expr, listen: $listen:expr, run: $run:expr, spawn: $spawn:expr) => {
        pub(super) fn client(
            address: SocketAddr,
            config: Arc<ClientConfig>,
            name: ServerName<'static>,
            go_ahead: GoAhead,
        ) -> Result<()> {
            $run(async {
                let plain = PlainStream::new($connect(address).await?);
                dialogue::client(plain, config, name, go_ahead).await
            })
        }

        pub(super) fn serve_one(
            listener: TcpListener,
            config: Arc<ServerConfig>,
            go_ahead: GoAhead,
        ) -> Result<()> {
            $run(async {
                let (socket, _) = $listen(listener)?.accept().await?;
                dialogue::server(PlainStream::new(socket), config, go_ahead).await
            })
        }

        pub(super) fn serve(
            listener: TcpListener,
            config: Arc<ServerConfig>,
            go_ahead: GoAhead,
        ) -> Result<()> {
            $run(async {
                let listener = $listen(listener)?;
                loop {
                    let (socket, _) = listener.accept().await?;
                    let served =
                        dialogue::server(PlainStream::new(socket), config.clone(), go_ahead);
                    $spawn(async { report(served.await) });
                }
            })
        }
    };
}

mod on_tokio {
    use super::*;
    use starttls_tokio::{PlainStream, TlsStream};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    bind!(PlainStream<TcpStream>, TlsStream<TcpStream>, shutdown, (.await));

    programs!(
        connect: TcpStream::connect,
        listen: |listener: TcpListener| {
            listener.set_nonblocking(true)?;
            anyhow::Ok(tokio::net::TcpListener::from_std(listener)?)
        },
        run: |work| tokio::runtime::Runtime::new()?.block_on(work),
        spawn: |work| drop(tokio::spawn(work))
    );
}

mod on_smol {
    use super::*;
    use futures_util::{AsyncBufReadExt, AsyncWriteExt};
    use smol::net::TcpStream;
    use starttls_smol::{PlainStream, TlsStream};

    bind!(PlainStream<TcpStream>, TlsStream<TcpStream>, close, (.await));
    programs!(
        connect: TcpStream::connect,
        listen: |listener: TcpListener| anyhow::Ok(smol::net::TcpListener::from(smol::Async::new(listener)?)),
        run: smol::block_on,
        spawn: |work| smol::spawn(work).detach()
    );
}

mod on_async_std {
    use super::*;
    use async_std::net::TcpStream;
    use futures_util::{AsyncBufReadExt, AsyncWriteExt};
    use starttls_async_std::{PlainStream, TlsStream};

    bind!(PlainStream<TcpStream>, TlsStream<TcpStream>, close, (.await));
    programs!(
        connect: TcpStream::connect,
        listen: |listener: TcpListener| anyhow::Ok(async_std::net::TcpListener::from(listener)),
        run: async_std::task::block_on,
        spawn: |work| drop(async_std::task::spawn(work))
    );
}

mod on_threads {
    use super::*;
    use starttls_stream::{PlainStream, TlsStream};
    use std::io::{BufRead, Write};
    use std::net::TcpStream;

    bind!(PlainStream<TcpStream>, TlsStream<TcpStream>, shutdown, ());

    pub(super) fn client(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        go_ahead: GoAhead,
    ) -> Result<()> {
        let plain = PlainStream::new(TcpStream::connect(address)?);
        run(dialogue::client(plain, config, name, go_ahead))
    }

    pub(super) fn serve_one(
        listener: TcpListener,
        config: Arc<ServerConfig>,
        go_ahead: GoAhead,
    ) -> Result<()> {
        let (socket, _) = listener.accept()?;
        run(dialogue::server(PlainStream::new(socket), config, go_ahead))
    }

    pub(super) fn serve(
        listener: TcpListener,
        config: Arc<ServerConfig>,
        go_ahead: GoAhead,
    ) -> Result<()> {
        loop {
            let (socket, _) = listener.accept()?;
            let config = config.clone();
            std::thread::spawn(move || {
                report(run(dialogue::server(
                    PlainStream::new(socket),
                    config,
                    go_ahead,
                )));
            });
        }
    }

    /// A dialogue that blocks wherever others wait is done when it is polled once.
    fn run(dialogue: impl Future<Output = Result<()>>) -> Result<()> {
        smol::block_on(dialogue)
    }
}

fn report(result: Result<()>) {
    if let Err(error) = result {
        println!("server: {error:#}");
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

    /// Serves one connection.
    pub fn serve_one(
        self,
        listener: TcpListener,
        config: Arc<ServerConfig>,
        go_ahead: GoAhead,
    ) -> Result<()> {
        match self {
            Self::Tokio => on_tokio::serve_one(listener, config, go_ahead),
            Self::Smol => on_smol::serve_one(listener, config, go_ahead),
            Self::AsyncStd => on_async_std::serve_one(listener, config, go_ahead),
            Self::Blocking => on_threads::serve_one(listener, config, go_ahead),
        }
    }

    /// Serves for ever, many at a time.
    pub fn serve(
        self,
        listener: TcpListener,
        config: Arc<ServerConfig>,
        go_ahead: GoAhead,
    ) -> Result<()> {
        match self {
            Self::Tokio => on_tokio::serve(listener, config, go_ahead),
            Self::Smol => on_smol::serve(listener, config, go_ahead),
            Self::AsyncStd => on_async_std::serve(listener, config, go_ahead),
            Self::Blocking => on_threads::serve(listener, config, go_ahead),
        }
    }
}
