//! The runtimes, each bound to the dialogue, and the same program on any of them.

use std::future::Future;
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

            async fn close(&mut self) -> Result<()> {
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

mod on_tokio {
    use super::*;
    use starttls_tokio::{PlainStream, TlsStream};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    bind!(PlainStream<TcpStream>, TlsStream<TcpStream>, shutdown, (.await));

    pub(super) fn client(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        go_ahead: GoAhead,
    ) -> Result<()> {
        run(async {
            let plain = PlainStream::new(TcpStream::connect(address).await?);
            dialogue::client(plain, config, name, go_ahead).await
        })
    }

    pub(super) fn serve_one(
        listener: TcpListener,
        config: Arc<ServerConfig>,
        go_ahead: GoAhead,
    ) -> Result<()> {
        run(async {
            let (socket, _) = ours(listener)?.accept().await?;
            dialogue::server(PlainStream::new(socket), config, go_ahead).await
        })
    }

    pub(super) fn serve(
        listener: TcpListener,
        config: Arc<ServerConfig>,
        go_ahead: GoAhead,
    ) -> Result<()> {
        run(async {
            let listener = ours(listener)?;
            loop {
                let (socket, _) = listener.accept().await?;
                let served = dialogue::server(PlainStream::new(socket), config.clone(), go_ahead);
                tokio::spawn(async { report(served.await) });
            }
        })
    }

    fn run(work: impl Future<Output = Result<()>>) -> Result<()> {
        tokio::runtime::Runtime::new()?.block_on(work)
    }

    fn ours(listener: TcpListener) -> Result<tokio::net::TcpListener> {
        listener.set_nonblocking(true)?;
        Ok(listener.try_into()?)
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
        }
    }
}
