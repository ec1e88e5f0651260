//! Asks a real SMTP server what it can do, before TLS and after, and prints what was negotiated.
//!
//! `cargo run --example smtp_client -- 127.0.0.1:25 --ca ca.pem`

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Parser;
use starttls_examples::{Versions, client_config, negotiated};
use starttls_protocols::smtp;
use starttls_tokio::PlainStream;
use starttls_tokio::rustls::ClientConnection;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Says STARTTLS to a mail server and shows what it offers before and after
#[derive(Parser)]
struct Arguments {
    /// The server.
    address: SocketAddr,
    /// The certificate authorities to trust, PEM.
    #[arg(long)]
    ca: PathBuf,
    /// The name that the server's certificate must have.
    #[arg(long, default_value = "localhost")]
    name: String,
    /// What to call ourselves in EHLO; the address that we come from if it is not set.
    #[arg(long)]
    ehlo: Option<String>,
    /// TLS versions to allow.
    #[arg(long, value_enum, default_value_t)]
    tls: Versions,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let config = client_config(&arguments.ca, arguments.tls)?;
    let socket = TcpStream::connect(arguments.address).await?;
    let own_address = smtp::address_literal(socket.local_addr()?.ip());
    let mut plain = PlainStream::new(socket);
    // Here the plaintext dialogue is our own, to show what is said in it; `smtp::Client::new` has it ready-made.
    reply(&mut plain, "220").await?;
    let ehlo = format!("EHLO {}", arguments.ehlo.unwrap_or(own_address));
    println!(
        "before TLS: {}",
        ask(&mut plain, &ehlo, "250").await?.join(", ")
    );

    let connection = ClientConnection::new(config, arguments.name.try_into()?)?;
    let mut tls = plain
        .upgrade(smtp::Client::at_command(), connection)
        .await?;
    println!("TLS is up: {}", negotiated(tls.connection()));
    println!(
        "after TLS: {}",
        ask(&mut tls, &ehlo, "250").await?.join(", ")
    );
    ask(&mut tls, "QUIT", "221").await?;
    // Many servers leave without close_notify after this, so that the end is not looked at.
    Ok(tls.shutdown().await?)
}

async fn ask(
    stream: &mut (impl AsyncBufRead + AsyncWrite + Unpin),
    command: &str,
    expected: &str,
) -> Result<Vec<String>> {
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .await?;
    stream.flush().await?;
    reply(stream, expected).await
}

/// The lines of a reply without their code.
async fn reply(stream: &mut (impl AsyncBufRead + Unpin), expected: &str) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    while lines.len() < 100 {
        let mut line = String::new();
        (&mut *stream).take(2_000).read_line(&mut line).await?;
        let line = line.trim_end();
        ensure!(line.starts_with(expected), "{line:?} instead of {expected}");
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(lines);
        }
    }
    bail!("a reply without an end")
}
