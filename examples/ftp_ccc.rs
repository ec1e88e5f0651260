//! FTP into TLS and back: a login that nobody can read, and then, with `CCC`, commands in plaintext again, which a firewall between the two can follow
//! (RFC 4217 section 5).
//!
//! `cargo run --example ftp_ccc` has a server of its own; `cargo run --example ftp_ccc -- 127.0.0.1:21 --ca ca.pem` asks a real one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use starttls_examples::{Versions, client_config, made_on_the_spot, negotiated};
use starttls_protocols::ftp;
use starttls_tokio::PlainStream;
use starttls_tokio::rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An FTP session that goes back to plaintext with CCC
#[derive(Parser)]
struct Arguments {
    /// A server that knows CCC; one of our own if there is none.
    #[arg(requires = "ca")]
    address: Option<SocketAddr>,
    /// The certificate authorities to trust, PEM.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// The name that the server's certificate must have.
    #[arg(long, default_value = "localhost")]
    name: String,
    /// Who logs in.
    #[arg(long, default_value = "anonymous")]
    user: String,
    /// The password.
    #[arg(long, default_value = "me@localhost")]
    password: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = Arguments::parse();
    if let (Some(address), Some(ca)) = (arguments.address, arguments.ca.take()) {
        let config = client_config(&ca, Versions::Any)?;
        return client(address, config, arguments).await;
    }
    let (server_config, config) = made_on_the_spot()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (served, asked) = tokio::join!(
        server(listener, server_config),
        client(address, config, arguments)
    );
    served.and(asked)
}

async fn client(
    address: SocketAddr,
    config: Arc<ClientConfig>,
    arguments: Arguments,
) -> Result<()> {
    let Arguments {
        name,
        user,
        password,
        ..
    } = arguments;
    let plain = PlainStream::new(TcpStream::connect(address).await?);
    let connection = ClientConnection::new(config, name.try_into()?)?;
    let mut tls = plain.upgrade(ftp::Client::new(), connection).await?;
    println!("TLS is up: {}", negotiated(tls.connection()));

    let mut answer = ask(&mut tls, &format!("USER {user}")).await?;
    if answer.starts_with("331") {
        answer = ask(&mut tls, &format!("PASS {password}")).await?;
    }
    ensure!(answer.starts_with("230"), "no login: {answer}");
    // The last line of TLS is the answer to this.
    let answer = ask(&mut tls, "CCC").await?;
    ensure!(answer.starts_with("200"), "no CCC: {answer}");

    // Both sides send close_notify. What comes behind the server's is plaintext, and nothing that came before it.
    let mut plain = tls.stop_tls().await?;
    println!("plaintext again");
    let answer = ask(&mut plain, "PWD").await?;
    ensure!(answer.starts_with("257"), "no PWD: {answer}");
    let answer = ask(&mut plain, "QUIT").await?;
    ensure!(answer.starts_with("221"), "no QUIT: {answer}");
    Ok(())
}

/// One line of answer is enough for these commands; longer greetings after a login are skipped.
async fn ask(
    stream: &mut (impl AsyncBufRead + AsyncWrite + Unpin),
    command: &str,
) -> Result<String> {
    say(stream, command).await?;
    loop {
        let answer = line(stream).await?.context("the server hung up")?;
        println!("{command} -> {answer}");
        let bytes = answer.as_bytes();
        if bytes.first().is_some_and(u8::is_ascii_digit) && bytes.get(3) == Some(&b' ') {
            return Ok(answer);
        }
    }
}

/// Serves one client.
async fn server(listener: TcpListener, config: Arc<ServerConfig>) -> Result<()> {
    let (socket, _) = listener.accept().await?;
    let plain = PlainStream::new(socket);
    let connection = ServerConnection::new(config)?;
    let mut tls = plain.upgrade(ftp::Server::new(), connection).await?;
    while let Some(command) = line(&mut tls).await? {
        let verb = command.split(' ').next().unwrap_or_default();
        if verb == "CCC" {
            // An answer that the client can trust, and the last that it gets so.
            say(&mut tls, "200 plaintext from here on").await?;
            return cleared(tls.stop_tls().await?).await;
        }
        let answer = match verb {
            "USER" => "331 password, please",
            "PASS" => "230 logged in",
            _ => "502 not here",
        };
        say(&mut tls, answer).await?;
    }
    Ok(())
}

/// Whoever is on the path can write these commands: nothing that needs the login may be done by them that TLS was wanted for.
async fn cleared(mut plain: PlainStream<TcpStream>) -> Result<()> {
    while let Some(command) = line(&mut plain).await? {
        let answer = match &command[..] {
            "PWD" => "257 \"/\"",
            "QUIT" => "221 bye",
            _ => "533 not without TLS",
        };
        say(&mut plain, answer).await?;
        if command == "QUIT" {
            break;
        }
    }
    Ok(())
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), words: &str) -> Result<()> {
    stream.write_all(format!("{words}\r\n").as_bytes()).await?;
    Ok(stream.flush().await?)
}

async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>> {
    let mut line = Vec::new();
    let n = stream.take(4096).read_until(b'\n', &mut line).await?;
    ensure!(n < 4096, "a line that is too long");
    Ok((n > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
}
