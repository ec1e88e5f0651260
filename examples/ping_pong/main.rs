//! The main job in one program: a server and a client on loopback with a certificate made on the spot; PING and PONG in plaintext, STARTTLS, PING
//! and PONG encrypted, a clean close.
//!
//! `cargo run --example ping_pong`

use std::error::Error;
use std::sync::Arc;

use starttls::rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use starttls::tokio::{PlainStream, connect};
use starttls_example_ping_pong::made_on_the_spot;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// A line that is longer is an error: a peer must not be able to fill our memory.
const LIMIT: usize = 512;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome {
    let (server_config, client_config) = made_on_the_spot().map_err(|error| error.to_string())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (socket, _) = listener.accept().await?;
        serve(socket, server_config).await
    });
    client(connect(address).await?, client_config).await?;
    server.await??;
    println!("both sides closed cleanly");
    Ok(())
}

async fn client(mut plain: PlainStream<TcpStream>, config: Arc<ClientConfig>) -> Outcome {
    plain.write_all(b"PING\n").await?;
    plain.flush().await?;
    expect("PONG", plain.next_line(LIMIT).await?, "in plaintext")?;

    plain.write_all(b"STARTTLS\n").await?;
    plain.flush().await?;
    expect("OK", plain.next_line(LIMIT).await?, "in plaintext")?;
    let connection = ClientConnection::new(config, "localhost".try_into()?)?;
    let mut tls = plain.start_tls(connection).await?;
    println!("client: {}", tls.info());

    tls.write_all(b"PING\n").await?;
    tls.flush().await?;
    expect("PONG", tls.next_line(LIMIT).await?, "inside TLS")?;
    tls.shutdown().await?;
    Ok(())
}

async fn serve(socket: TcpStream, config: Arc<ServerConfig>) -> Outcome {
    let mut plain = PlainStream::new(socket);
    loop {
        let line = plain.next_line(LIMIT).await?;
        match line.as_deref() {
            Some(b"PING") => plain.write_all(b"PONG\n").await?,
            // The answer leaves in plaintext, before the first byte of TLS.
            Some(b"STARTTLS") => break plain.write_all(b"OK\n").await?,
            _ => return Err("the client did not ask for TLS".into()),
        }
        plain.flush().await?;
    }
    let mut tls = plain.start_tls(ServerConnection::new(config)?).await?;
    while let Some(line) = tls.next_line(LIMIT).await? {
        let answer: &[u8] = if line == b"PING" {
            b"PONG\n"
        } else {
            b"what?\n"
        };
        tls.write_all(answer).await?;
        tls.flush().await?;
    }
    // The client has closed its side.
    tls.shutdown().await?;
    Ok(())
}

fn expect(expected: &str, line: Option<Vec<u8>>, phase: &str) -> Outcome {
    let line = line.ok_or("the server has closed")?;
    if line != expected.as_bytes() {
        return Err(format!("{} instead of {expected}", line.escape_ascii()).into());
    }
    println!("client: {expected} {phase}");
    Ok(())
}
