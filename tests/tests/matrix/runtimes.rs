use std::net::SocketAddr;
use std::pin::pin;
use std::slice;
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};

use anyhow::{Result, ensure};
use futures_util::future::{Either, select};
use smol::channel::{Receiver, Sender, bounded};
use starttls_core::Limits;
use starttls_core::rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use starttls_stream::Info;
use starttls_tests::certs;

/// One runtime's programs.
pub(crate) struct Runtime {
    pub(crate) name: &'static str,
    /// Serves until it is stopped, each connection with the commands of [`commands`].
    pub(crate) serve: fn() -> Serving,
    /// PING, STARTTLS, PING, INFO, QUIT.
    pub(crate) dialogue: fn(SocketAddr) -> Result<Told>,
}

/// What a client has found out.
pub(crate) struct Told {
    pub(crate) before: Info,
    pub(crate) after: Info,
    pub(crate) seen_by_the_server: String,
}

/// A server under way.
pub(crate) struct Serving {
    pub(crate) addr: SocketAddr,
    stop: Sender<()>,
    drop: Sender<()>,
    served: JoinHandle<()>,
}

impl Serving {
    /// Tells it to stop, and waits until it has.
    pub(crate) fn stop(self) {
        self.tell_to_stop();
        self.served.join().unwrap();
    }

    pub(crate) fn tell_to_stop(&self) {
        self.stop.send_blocking(()).unwrap();
    }

    /// Drops the future of an asynchronous server; what runs it goes on until it is told again, or this is dropped.
    pub(crate) fn drop_future(&self) {
        self.drop.send_blocking(()).unwrap();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.served.is_finished()
    }

    fn new(serve: impl FnOnce(Sender<SocketAddr>, Signals) + Send + 'static) -> Self {
        let (stop, stopped) = bounded(1);
        let (drop, dropped) = bounded(1);
        let (listening, addr) = bounded(1);
        let signals = Signals { stopped, dropped };
        let served = thread::spawn(move || serve(listening, signals));
        Self {
            addr: addr.recv_blocking().expect("it listens"),
            stop,
            drop,
            served,
        }
    }
}

/// How a server is told to end.
struct Signals {
    stopped: Receiver<()>,
    dropped: Receiver<()>,
}

/// What the servers read ahead: less than the first buffer of a stream with the usual limits.
pub(crate) const READ_AHEAD: usize = 1000;

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.plaintext_input = READ_AHEAD;
    limits
}

static SERVER: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let mut config = certs::server_config_with_client_auth();
    config.alpn_protocols = vec![b"ping".to_vec()];
    Arc::new(config)
});

static CLIENT: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut config = certs::client_config_with_certificate();
    config.alpn_protocols = vec![b"ping".to_vec()];
    Arc::new(config)
});

fn server() -> ServerConnection {
    certs::server_of(&SERVER)
}

fn client() -> ClientConnection {
    certs::client_of(&CLIENT)
}

fn words(info: &Info) -> String {
    let Some(tls) = &info.tls else {
        return "plaintext".to_owned();
    };
    let certificate = slice::from_ref(&certs::CERTS.client.certificate);
    format!(
        "{} {:?} {:?} {} {} {}",
        info.peer_addr.unwrap(),
        tls.version,
        tls.cipher_suite,
        String::from_utf8_lossy(tls.alpn.as_deref().unwrap_or_default()),
        tls.server_name.as_deref().unwrap_or_default(),
        tls.peer_certificates == certificate
    )
}

/// What is said over one of the streams.
macro_rules! talk {
    (($($async:tt)?) ($($wait:tt)*) $stream:ty) => {
        /// Answers what the client says until it says something else.
        pub(super) $($async)? fn answer(stream: &mut $stream) -> Result<String> {
            loop {
                let command = line(stream)$($wait)*?;
                match command.as_str() {
                    "PING" => say(stream, "PONG")$($wait)*?,
                    "INFO" => say(stream, &words(&stream.info()))$($wait)*?,
                    "PANIC" => panic!("as it was told"),
                    _ => return Ok(command),
                }
            }
        }

        pub(super) $($async)? fn ask(stream: &mut $stream, words: &str) -> Result<String> {
            say(stream, words)$($wait)*?;
            line(stream)$($wait)*
        }

        $($async)? fn line(stream: &mut $stream) -> Result<String> {
            let mut line = String::new();
            stream.read_line(&mut line)$($wait)*?;
            Ok(line.trim_end().to_owned())
        }

        $($async)? fn say(stream: &mut $stream, words: &str) -> Result<()> {
            stream.write_all(format!("{words}\n").as_bytes())$($wait)*?;
            Ok(stream.flush()$($wait)*?)
        }
    };
}

/// A runtime's programs: those of all runtimes are the same, but for `.await` and the name of shutting down.
macro_rules! programs {
    (
        ($($async:tt)?) ($($wait:tt)*) $shutdown:ident,
        $adapter:ident over $socket:ty, by $($traits:path),*
    ) => {
        use $adapter::{PlainStream, TlsStream};
        $( use $traits as _; )*

        mod plaintext {
            use super::*;
            talk!(($($async)?) ($($wait)*) PlainStream<$socket>);
        }

        mod encrypted {
            use super::*;
            talk!(($($async)?) ($($wait)*) TlsStream<$socket>);
        }

        $($async)? fn commands(mut plain: PlainStream<$socket>) -> Result<()> {
            let mut command = plaintext::answer(&mut plain)$($wait)*?;
            if command == "AHEAD" {
                // How much has come along and was taken in.
                let ahead = plain.buffered().len().to_string() + "\n";
                plain.write_all(ahead.as_bytes())$($wait)*?;
                command = plaintext::answer(&mut plain)$($wait)*?;
            }
            if command != "STARTTLS" {
                plain.$shutdown()$($wait)*?;
                return Ok(());
            }
            plain.write_all(b"OK\n")$($wait)*?;
            let mut tls = plain.start_tls(server())$($wait)*?;
            ensure!(encrypted::answer(&mut tls)$($wait)*? == "QUIT");
            tls.$shutdown()$($wait)*?;
            ensure!(tls.read(&mut [0])$($wait)*? == 0);
            Ok(())
        }

        $($async)? fn dialogue(addr: SocketAddr) -> Result<Told> {
            let mut plain = $adapter::connect(addr)$($wait)*?;
            ensure!(plain.get_ref().nodelay()?);
            let before = plain.info();
            ensure!(plaintext::ask(&mut plain, "PING")$($wait)*? == "PONG");
            ensure!(plaintext::ask(&mut plain, "INFO")$($wait)*? == "plaintext");
            ensure!(plaintext::ask(&mut plain, "STARTTLS")$($wait)*? == "OK");
            let mut tls = plain.start_tls(client())$($wait)*?;
            let after = tls.info();
            ensure!(encrypted::ask(&mut tls, "PING")$($wait)*? == "PONG");
            let seen_by_the_server = encrypted::ask(&mut tls, "INFO")$($wait)*?;
            tls.write_all(b"QUIT\n")$($wait)*?;
            tls.$shutdown()$($wait)*?;
            ensure!(tls.read(&mut [0])$($wait)*? == 0, "closed by the book");
            Ok(Told { before, after, seen_by_the_server })
        }
    };
}

macro_rules! asynchronous {
    ($module:ident, run $run:expr, $shutdown:ident, $adapter:ident $($more:tt)*) => {
        mod $module {
            use super::*;

            programs!((async) (.await) $shutdown, $adapter $($more)*);

            pub(super) const RUNTIME: Runtime = Runtime {
                name: stringify!($module),
                serve: || Serving::new(|listening, signals| $run(serve(listening, signals))),
                dialogue: |addr| $run(dialogue(addr)),
            };

            async fn serve(listening: Sender<SocketAddr>, signals: Signals) {
                let server = $adapter::Server::bind("127.0.0.1:0").await.unwrap();
                let server = server.with_limits(limits());
                listening.send(server.local_addr().unwrap()).await.unwrap();
                let handler = |plain: PlainStream<_>, peer: SocketAddr| {
                    assert_eq!(plain.info().peer_addr, Some(peer));
                    async { commands(plain).await.unwrap() }
                };
                let Signals { stopped, dropped } = signals;
                let serving = Box::pin(server.serve(handler, stopped.recv()));
                if let Either::Right((_, serving)) = select(serving, pin!(dropped.recv())).await {
                    drop(serving);
                    let _ = dropped.recv().await;
                }
            }
        }
    };
}

asynchronous!(
    tokio_, run |work| ::tokio::runtime::Runtime::new().unwrap().block_on(work),
    shutdown, starttls_tokio over tokio::net::TcpStream,
    by tokio::io::AsyncBufReadExt, tokio::io::AsyncReadExt, tokio::io::AsyncWriteExt
);
asynchronous!(
    smol_, run smol::block_on, close, starttls_smol over smol::net::TcpStream,
    by smol::io::AsyncBufReadExt, smol::io::AsyncReadExt, smol::io::AsyncWriteExt
);
asynchronous!(
    async_std_, run async_std::task::block_on, close, starttls_async_std over async_std::net::TcpStream,
    by futures_util::AsyncBufReadExt, futures_util::AsyncReadExt, futures_util::AsyncWriteExt
);

mod blocking {
    use super::*;

    programs!(
        () () shutdown, starttls_stream over std::net::TcpStream,
        by std::io::BufRead, std::io::Read, std::io::Write
    );

    pub(super) const RUNTIME: Runtime = Runtime {
        name: "blocking",
        serve: || Serving::new(serve),
        dialogue,
    };

    fn serve(listening: Sender<SocketAddr>, signals: Signals) {
        let server = starttls_stream::Server::bind("127.0.0.1:0").unwrap();
        let server = server.with_limits(limits());
        listening
            .send_blocking(server.local_addr().unwrap())
            .unwrap();
        let handler = |plain: PlainStream<_>, peer: SocketAddr| {
            assert_eq!(plain.info().peer_addr, Some(peer));
            commands(plain).unwrap();
        };
        server
            .serve(handler, || signals.stopped.recv_blocking().unwrap())
            .unwrap();
    }
}

pub(crate) const RUNTIMES: [Runtime; 4] = [
    tokio_::RUNTIME,
    smol_::RUNTIME,
    async_std_::RUNTIME,
    blocking::RUNTIME,
];
