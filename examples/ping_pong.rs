//! The main job, in one program: a server and a client on loopback, plaintext PING and PONG, STARTTLS, encrypted PING and PONG, a clean close.
//!
//! `cargo run --example ping_pong`

use std::sync::Arc;

use anyhow::{Result, ensure};
use starttls_examples::{made_on_the_spot, negotiated};
use starttls_tokio::PlainStream;
use starttls_tokio::rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<()> {
    let (server_config, client_config) = made_on_the_spot()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let socket = TcpStream::connect(listener.local_addr()?).await?;
    let (accepted, _) = listener.accept().await?;

    tokio::try_join!(
        server(accepted, server_config),
        client(socket, client_config)
    )?;
    println!("both sides closed cleanly");
    Ok(())
}

async fn server(socket: TcpStream, config: Arc<ServerConfig>) -> Result<()> {
    let mut plain = PlainStream::new(socket);
    ensure!(line(&mut plain).await? == "PING");
    say(&mut plain, "PONG").await?;
    ensure!(line(&mut plain).await? == "STARTTLS");
    // Queued; it leaves before the first byte of TLS.
    plain.write_all(b"OK\n").await?;

    let mut tls = plain.start_tls(ServerConnection::new(config)?).await?;
    println!("server: TLS is up, {}", negotiated(tls.connection()));
    ensure!(line(&mut tls).await? == "PING");
    say(&mut tls, "PONG").await?;
    ensure!(line(&mut tls).await? == "QUIT");
    ensure!(
        tls.read(&mut [0]).await? == 0,
        "the client closes after QUIT"
    );
    tls.shutdown().await?;
    Ok(())
}

async fn client(socket: TcpStream, config: Arc<ClientConfig>) -> Result<()> {
    let mut plain = PlainStream::new(socket);
    say(&mut plain, "PING").await?;
    println!("client: plaintext, PING -> {}", line(&mut plain).await?);
    say(&mut plain, "STARTTLS").await?;
    println!("client: plaintext, STARTTLS -> {}", line(&mut plain).await?);

    let mut tls = plain
        .start_tls(ClientConnection::new(config, "localhost".try_into()?)?)
        .await?;
    println!("client: TLS is up, {}", negotiated(tls.connection()));
    say(&mut tls, "PING").await?;
    println!("client: encrypted, PING -> {}", line(&mut tls).await?);
    say(&mut tls, "QUIT").await?;
    tls.shutdown().await?;
    ensure!(
        tls.read(&mut [0]).await? == 0,
        "the server answers with close_notify"
    );
    Ok(())
}

async fn line(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), words: &str) -> Result<()> {
    stream.write_all(format!("{words}\n").as_bytes()).await?;
    Ok(stream.flush().await?)
}
