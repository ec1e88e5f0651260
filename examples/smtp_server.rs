//! A minimal SMTP server: STARTTLS is required, mail for anybody is taken and thrown away.
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
use starttls_tokio::{PlainStream, TlsStream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A minimal SMTP server: STARTTLS is required, mail is taken and thrown away.
#[derive(Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    #[command(flatten)]
    identity: Identity,
}

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
            if let Err(error) = serve(socket, config).await {
                println!("{error:#}");
            }
        });
    }
}

async fn serve(socket: TcpStream, config: Arc<ServerConfig>) -> Result<()> {
    let plain = PlainStream::new(socket);
    let mut tls = plain
        .upgrade(
            smtp::Server::new("localhost"),
            ServerConnection::new(config)?,
        )
        .await?;
    println!("TLS is up, {}", negotiated(tls.connection()));
    // Nothing is known of the plaintext session here: the client says EHLO again (RFC 3207 section 4.2).
    session(&mut tls).await?;
    Ok(tls.shutdown().await?)
}

async fn session(tls: &mut TlsStream<TcpStream>) -> Result<()> {
    while let Some(line) = line(tls).await? {
        let verb = line
            .split(' ')
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let answer = match &verb[..] {
            "EHLO" => "250-localhost\r\n250-8BITMIME\r\n250 SIZE 1000000",
            "HELO" => "250 localhost",
            "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 OK",
            "DATA" => {
                say(tls, "354 end with a dot").await?;
                let size = data(tls).await?;
                println!("a mail of {size} bytes");
                "250 taken"
            }
            "QUIT" => {
                say(tls, "221 bye").await?;
                return Ok(());
            }
            // "a server MUST NOT offer it, and answers 503 or so, under TLS" (RFC 3207 section 4.2)
            "STARTTLS" => "503 TLS is up already",
            _ => "502 not implemented",
        };
        say(tls, answer).await?;
    }
    Ok(())
}

/// Reads a mail up to the line with a dot; its size.
async fn data(tls: &mut TlsStream<TcpStream>) -> Result<usize> {
    let mut size = 0;
    while let Some(line) = line(tls).await? {
        if line == "." {
            return Ok(size);
        }
        size += line.len() + 2;
    }
    anyhow::bail!("the end in the middle of a mail")
}

async fn line(tls: &mut TlsStream<TcpStream>) -> Result<Option<String>> {
    let mut line = Vec::new();
    // RFC 5321 section 4.5.3.1.6 has 1,000 bytes for a line of text
    let n = tls.take(4096).read_until(b'\n', &mut line).await?;
    anyhow::ensure!(n < 4096, "a line that is too long");
    Ok((n > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
}

async fn say(tls: &mut TlsStream<TcpStream>, answer: &str) -> Result<()> {
    tls.write_all(format!("{answer}\r\n").as_bytes()).await?;
    Ok(tls.flush().await?)
}
