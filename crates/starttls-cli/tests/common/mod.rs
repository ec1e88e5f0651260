//! Servers of our own in this process, certificates made on the spot, and the program to test.
#![allow(dead_code, reason = "each test file needs its own part of this")]

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, LazyLock, mpsc};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use starttls_protocols::registry::{Protocol, ServerOptions};
use starttls_tokio::rustls::pki_types::PrivateKeyDer;
use starttls_tokio::rustls::version::{TLS12, TLS13};
use starttls_tokio::rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};
use starttls_tokio::{PlainStream, Server, TlsStream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a run of the program came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(
            self.stdout.contains(words) || self.stderr.contains(words),
            "{words:?} is not said:\n{}\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_starttls"));
    command.env_remove("NO_COLOR");
    command
}

/// Runs the program with nothing on its standard input.
pub(crate) fn starttls(arguments: &[&str]) -> Ran {
    ran(program()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap())
}

/// Runs the program with this on its standard input.
pub(crate) fn starttls_with(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = thread::spawn(move || {
        // It may have ended before.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    ran(output)
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Certificates of this process, as files too.
pub(crate) struct Certs {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) good: Leaf,
    pub(crate) expired: Leaf,
    pub(crate) other: Leaf,
}

pub(crate) struct Leaf {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    certificate: starttls_tokio::rustls::pki_types::CertificateDer<'static>,
    private: KeyPair,
}

pub(crate) static CERTS: LazyLock<Certs> = LazyLock::new(make_certs);

impl Certs {
    pub(crate) fn ca(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }
}

fn make_certs() -> Certs {
    let folder = tempfile::tempdir().unwrap();
    let ca_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
    let issuer = Issuer::new(params, ca_key);
    let leaf = |file: &str, name: &str, until: Option<(i32, u8, u8)>| {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if let Some((year, month, day)) = until {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(year, month, day);
        }
        let private = KeyPair::generate().unwrap();
        let made = params.signed_by(&private, &issuer).unwrap();
        let [chain, key] = ["pem", "key"].map(|kind| folder.path().join(format!("{file}.{kind}")));
        std::fs::write(&chain, made.pem()).unwrap();
        std::fs::write(&key, private.serialize_pem()).unwrap();
        Leaf {
            chain,
            key,
            certificate: made.der().clone(),
            private,
        }
    };
    Certs {
        good: leaf("good", "localhost", None),
        expired: leaf("expired", "localhost", Some((2001, 1, 1))),
        other: leaf("other", "other.example", None),
        folder,
    }
}

impl Leaf {
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config_of(&[&TLS12, &TLS13])
    }

    pub(crate) fn config_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.private.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_protocol_versions(versions)
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap();
        Arc::new(config)
    }
}

pub(crate) type Plain = PlainStream<TcpStream>;

/// A server in a thread of its own, as long as the process runs.
pub(crate) fn serve<F>(handler: impl Fn(Plain) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let server = Server::bind("127.0.0.1:0").await.unwrap();
            sender.send(server.local_addr().unwrap()).unwrap();
            let never = std::future::pending::<()>();
            server.serve(|plain, _| handler(plain), never).await;
        });
    });
    receiver.recv().unwrap()
}

/// A server that negotiates by the book, says a line inside TLS and then gives back what it gets.
pub(crate) fn honest(protocol: Protocol, config: Arc<ServerConfig>) -> SocketAddr {
    honest_as("localhost", protocol, config)
}

/// The same with another name.
pub(crate) fn honest_as(
    name: &'static str,
    protocol: Protocol,
    config: Arc<ServerConfig>,
) -> SocketAddr {
    serve(move |plain| {
        let config = config.clone();
        async move {
            let options = ServerOptions::new(name).random([7; 20]);
            let negotiator = protocol.server(&options).unwrap();
            let connection = ServerConnection::new(config).unwrap();
            if let Ok(tls) = plain.upgrade(negotiator, connection).await {
                inside(tls).await;
            }
        }
    })
}

/// TLS from the first byte.
pub(crate) fn implicit(config: Arc<ServerConfig>) -> SocketAddr {
    serve(move |plain| {
        let connection = ServerConnection::new(config.clone()).unwrap();
        async move {
            if let Ok(tls) = plain.start_tls(connection).await {
                inside(tls).await;
            }
        }
    })
}

pub(crate) async fn inside(mut tls: TlsStream<TcpStream>) {
    let mut buf = [0; 4096];
    let _ = tls.write_all(b"inside\r\n").await;
    while let Ok(n @ 1..) = tls.read(&mut buf).await {
        let _ = tls.write_all(&buf[..n]).await;
    }
    let _ = tls.shutdown().await;
}

/// A server that says these things, each after a line of the client's, and then hears until the client leaves.
pub(crate) fn says(words: &'static [&'static [u8]]) -> SocketAddr {
    serve(move |mut plain| async move {
        let mut line = Vec::new();
        for (index, words) in words.iter().enumerate() {
            if index > 0 && plain.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let _ = plain.write_all(words).await;
            let _ = plain.flush().await;
        }
        let _ = plain.read_to_end(&mut line).await;
    })
}

/// The `HOST:PORT` of a server here, by name.
pub(crate) fn at(address: SocketAddr) -> String {
    format!("localhost:{}", address.port())
}
