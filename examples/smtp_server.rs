//! A minimal SMTP server: mail for anybody is taken and thrown away.
//!
//! STARTTLS is required, as it should be for submission. With `--mx` it is offered and not demanded, as a host must that takes mail from anybody (RFC 3207
//! section 4).
//!
//! `cargo run --example smtp_server -- --self-signed`, then
//! `openssl s_client -starttls smtp -connect localhost:2525`

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use starttls_examples::{Identity, negotiated};
use starttls_protocols::smtp;
use starttls_tokio::rustls::{ServerConfig, ServerConnection};
use starttls_tokio::starttls_core::Untrusted;
use starttls_tokio::{Opportunistic, PlainStream};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A minimal SMTP server: STARTTLS is required or offered, mail is taken and thrown away.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    /// Offer TLS, and take mail in plaintext as well.
    #[arg(long)]
    mx: bool,
    #[command(flatten)]
    identity: Identity,
}

/// Our name, and what we can do, before TLS and in it.
const NAME: &str = "localhost";
const CAPABILITIES: [&str; 2] = ["8BITMIME", "SIZE 1000000"];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let config = arguments.identity.config()?;
    let listener = TcpListener::bind(arguments.listen).await?;
    println!("listening {}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        let config = config.clone();
        tokio::spawn(async move {
            let served = if arguments.mx {
                mx(socket, config).await
            } else {
                submission(socket, config).await
            };
            if let Err(error) = served {
                println!("{error:#}");
            }
        });
    }
}

async fn submission(socket: TcpStream, config: Arc<ServerConfig>) -> Result<()> {
    let connection = ServerConnection::new(config)?;
    let plain = PlainStream::new(socket);
    let mut tls = plain.upgrade(smtp::Server::new(NAME), connection).await?;
    println!("TLS is up, {}", negotiated(tls.connection()));
    // Nothing is known of the plaintext session here: the client says EHLO again (RFC 3207 section 4.2).
    session(&mut tls).await?;
    Ok(tls.shutdown().await?)
}

async fn mx(socket: TcpStream, config: Arc<ServerConfig>) -> Result<()> {
    let connection = ServerConnection::new(config)?;
    let mut server = smtp::Server::new(NAME).optional();
    for capability in CAPABILITIES {
        server = server.capability(capability);
    }
    let upgrade = PlainStream::new(socket).upgrade_opportunistically(&mut server, connection);
    match upgrade.await? {
        Opportunistic::Tls(mut tls) => {
            println!("TLS is up, {}", negotiated(tls.connection()));
            session(&mut tls).await?;
            Ok(tls.shutdown().await?)
        }
        // The session goes on where it is: the client has said its EHLO, and its next command is still to be read.
        Opportunistic::Declined { mut plain, reason } => {
            let hello = server.hello().map(Untrusted::into_inner);
            println!("plaintext, {reason}: {:?}", hello.unwrap_or_default());
            session(&mut plain).await?;
            Ok(plain.shutdown().await?)
        }
    }
}

async fn session(stream: &mut (impl AsyncBufRead + AsyncWrite + Unpin)) -> Result<()> {
    while let Some(line) = line(stream).await? {
        let verb = line
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let answer = match &verb[..] {
            "EHLO" => {
                let [first, second] = CAPABILITIES;
                format!("250-{NAME}\r\n250-{first}\r\n250 {second}")
            }
            "HELO" => format!("250 {NAME}"),
            "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 OK".to_owned(),
            "DATA" => {
                say(stream, "354 end with a dot").await?;
                let size = data(stream).await?;
                println!("a mail of {size} bytes");
                "250 taken".to_owned()
            }
            "QUIT" => {
                say(stream, "221 bye").await?;
                return Ok(());
            }
            // "a server MUST NOT offer it, and answers 503 or so, under TLS" (RFC 3207 section 4.2). In plaintext it is too late.
            "STARTTLS" => "503 not now".to_owned(),
            _ => "502 not implemented".to_owned(),
        };
        say(stream, &answer).await?;
    }
    Ok(())
}

/// Reads a mail up to the line with a dot; its size.
async fn data(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<usize> {
    let mut size = 0;
    while let Some(line) = line(stream).await? {
        if line == "." {
            return Ok(size);
        }
        size += line.len() + 2;
    }
    anyhow::bail!("the end in the middle of a mail")
}

async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>> {
    let mut line = Vec::new();
    // RFC 5321 section 4.5.3.1.6 has 1,000 bytes for a line of text
    let n = stream.take(4096).read_until(b'\n', &mut line).await?;
    anyhow::ensure!(n < 4096, "a line that is too long");
    Ok((n > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), answer: &str) -> Result<()> {
    stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    Ok(stream.flush().await?)
}
