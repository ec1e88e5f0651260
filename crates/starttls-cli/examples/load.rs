//! Load for what stands in front of a server: many connections at once, idle ones, data. `tests/peers/load` runs it.
//!
//! `cargo run --release -p starttls-cli --example load -- echo 127.0.0.1:7000`, and against a proxy in front of that
//! `... -- run tls 127.0.0.1:7443 --ca ca.pem --connections 2000 --pid $(pidof starttls)`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use starttls_protocols::registry::{ClientOptions, Protocol};
use starttls_tokio::rustls::client::Resumption;
use starttls_tokio::rustls::pki_types::{CertificateDer, pem::PemObject};
use starttls_tokio::rustls::{ClientConfig, ClientConnection, RootCertStore};
use starttls_tokio::{Deadlines, PlainStream, TlsStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A plaintext server that gives back what it gets.
    Echo {
        /// Where to listen.
        listen: SocketAddr,
    },
    /// The load; prints one JSON object.
    Run(Run),
}

#[derive(clap::Args)]
struct Run {
    /// `tls`, or a protocol with an upgrade in which the client speaks first.
    protocol: String,
    /// The proxy.
    address: SocketAddr,
    /// Whom to trust (PEM).
    #[arg(long)]
    ca: PathBuf,
    /// Connections at once.
    #[arg(long, default_value_t = 2000)]
    connections: usize,
    /// How many may be in their handshake at the same time.
    #[arg(long, default_value_t = 2000)]
    opening: usize,
    /// Seconds to leave them idle.
    #[arg(long, default_value_t = 0)]
    idle: u64,
    /// Data to send over one of them and to get back, in MiB.
    #[arg(long, default_value_t = 256)]
    data: usize,
    /// The process whose memory is looked at.
    #[arg(long)]
    pid: Option<u32>,
}

fn main() -> Result<()> {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match Arguments::parse().command {
            Command::Echo { listen } => echo(listen).await,
            Command::Run(run) => run.run().await,
        }
    })
}

async fn echo(listen: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(listen).await?;
    println!("listening {}", listener.local_addr()?);
    loop {
        let Ok((mut socket, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(async move {
            let _ = socket.set_nodelay(true);
            let (mut reads, mut writes) = socket.split();
            tokio::io::copy(&mut reads, &mut writes).await
        });
    }
}

struct Client {
    protocol: Option<Protocol>,
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

impl Client {
    async fn open(&self) -> Result<TlsStream<TcpStream>> {
        let deadlines = Deadlines::default().upgrade(Duration::from_secs(120));
        let socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        let plain = PlainStream::new(socket).with_deadlines(deadlines);
        let connection = ClientConnection::new(self.config.clone(), "localhost".try_into()?)?;
        let mut tls = match self.protocol {
            Some(protocol) => {
                let negotiator = protocol.client(&ClientOptions::new("localhost"))?;
                plain.upgrade(negotiator, connection).await?
            }
            None => plain.start_tls(connection).await?,
        };
        ping(&mut tls).await?;
        Ok(tls)
    }
}

async fn ping(tls: &mut TlsStream<TcpStream>) -> Result<()> {
    tls.write_all(b"ping\n").await?;
    tls.flush().await?;
    let mut heard = [0; 5];
    tls.read_exact(&mut heard).await?;
    (heard == *b"ping\n")
        .then_some(())
        .ok_or_else(|| "another answer".into())
}

impl Run {
    async fn run(self) -> Result<()> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca)?)?;
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        let protocol = match &self.protocol[..] {
            "tls" => None,
            name => Some(name.parse()?),
        };
        let client = Arc::new(Client {
            protocol,
            address: self.address,
            config: Arc::new(config),
        });
        let memory_before = self.memory();
        let began = Instant::now();
        let permits = Arc::new(tokio::sync::Semaphore::new(self.opening));
        let mut opening = JoinSet::new();
        for _ in 0..self.connections {
            let (client, permits) = (client.clone(), permits.clone());
            opening.spawn(async move {
                let _permit = permits.acquire().await?;
                client.open().await
            });
        }
        let (mut open, mut failed, mut why) = (Vec::new(), 0, None);
        while let Some(opened) = opening.join_next().await {
            match opened? {
                Ok(tls) => open.push(tls),
                Err(error) => {
                    failed += 1;
                    why = Some(error.to_string());
                }
            }
        }
        let opened_in = began.elapsed().as_secs_f64();
        tokio::time::sleep(Duration::from_secs(self.idle)).await;
        let memory_after = self.memory();
        let mut lost = 0;
        for tls in &mut open {
            if ping(tls).await.is_err() {
                lost += 1;
            }
        }
        let megabytes_a_second = match open.pop() {
            Some(tls) if self.data > 0 => Some(self.carry(tls).await?),
            _ => None,
        };
        let a_connection = memory_before
            .zip(memory_after)
            .map(|(before, after)| (after.saturating_sub(before)) as f64 / self.connections as f64);
        println!(
            "{}",
            serde_json::json!({
                "connections": self.connections,
                "failed": failed,
                "why": why,
                "lost": lost,
                "handshakes_a_second": (self.connections - failed) as f64 / opened_in,
                "kib_a_connection": a_connection,
                "mib_a_second": megabytes_a_second,
            })
        );
        Ok(())
    }

    /// There and back.
    async fn carry(&self, tls: TlsStream<TcpStream>) -> Result<f64> {
        let began = Instant::now();
        let all = self.data << 20;
        let (mut reads, mut writes) = tls.split();
        let write = async {
            let piece = vec![7; 64 * 1024];
            for _ in 0..all / piece.len() {
                writes.write_all(&piece).await?;
            }
            writes.flush().await
        };
        let read = async {
            let mut buf = vec![0; 64 * 1024];
            let mut heard = 0;
            while heard < all {
                match reads.read(&mut buf).await? {
                    0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    n => heard += n,
                }
            }
            Ok::<_, std::io::Error>(())
        };
        let (written, read) = tokio::join!(write, read);
        written?;
        read?;
        Ok(self.data as f64 / began.elapsed().as_secs_f64())
    }

    /// Resident memory in KiB.
    fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid?)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }
}
