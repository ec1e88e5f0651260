//! LDAP into TLS and back: the client closes TLS and goes on in plaintext, if the server does (RFC 4511 section 4.14.3).
//!
//! `cargo run --example ldap_closure` has a server of its own; `cargo run --example ldap_closure -- 127.0.0.1:389 --ca ca.pem` asks a real one. Servers are free
//! to end the connection instead, and OpenLDAP's does.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use clap::Parser;
use starttls_examples::{Versions, client_config, made_on_the_spot, negotiated};
use starttls_protocols::ldap;
use starttls_tokio::PlainStream;
use starttls_tokio::rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An LDAP session that closes TLS and goes on in plaintext
#[derive(Parser)]
struct Arguments {
    /// A server; one of our own if there is none.
    #[arg(requires = "ca")]
    address: Option<SocketAddr>,
    /// The certificate authorities to trust, PEM.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// The name that the server's certificate must have.
    #[arg(long, default_value = "localhost")]
    name: String,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments { address, ca, name } = Arguments::parse();
    if let (Some(address), Some(ca)) = (address, ca) {
        return client(address, client_config(&ca, Versions::Any)?, name).await;
    }
    let (server_config, config) = made_on_the_spot()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (served, asked) = tokio::join!(
        server(listener, server_config),
        client(address, config, name)
    );
    served.and(asked)
}

async fn client(address: SocketAddr, config: Arc<ClientConfig>, name: String) -> Result<()> {
    let plain = PlainStream::new(TcpStream::connect(address).await?);
    let connection = ClientConnection::new(config, name.try_into()?)?;
    // StartTLS is message 1.
    let mut tls = plain.upgrade(ldap::Client::new(), connection).await?;
    println!("TLS is up: {}", negotiated(tls.connection()));
    search(&mut tls, 2).await?;

    // No operation is outstanding, as the RFC demands. Both sides send close_notify.
    let mut plain = tls.stop_tls().await?;
    println!("TLS is closed");
    match search(&mut plain, 3).await {
        Ok(()) => println!("plaintext again"),
        Err(error) if has_hung_up(&error) => {
            println!("the server has closed the connection too");
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    // unbindRequest, which is a NULL
    send(&mut plain, &message(4, 0x42, &[])).await
}

fn has_hung_up(error: &anyhow::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    let kind = error
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    matches!(kind, Some(BrokenPipe | ConnectionReset | UnexpectedEof))
}

/// Asks for the root DSE, as anybody may. Whatever it said in plaintext counts for nothing inside TLS, and the other way round.
async fn search(stream: &mut (impl AsyncBufRead + AsyncWrite + Unpin), id: u8) -> Result<()> {
    let request = [
        // base "", scope baseObject, aliases never, no limits, types and values
        &[4, 0, 10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0][..],
        // (objectClass=*), no attributes named
        b"\x87\x0bobjectClass\x30\x00",
    ];
    send(stream, &message(id, 0x63, &request.concat())).await?;
    loop {
        let (answered, operation) = receive(stream).await?;
        ensure!(answered == id, "an answer to something else");
        match operation {
            0x64 => println!("message {id}: an entry"),
            0x65 => return Ok(()),
            other => bail!("the operation {other:#x} is no answer"),
        }
    }
}

/// Serves one client, in TLS and after it.
async fn server(listener: TcpListener, config: Arc<ServerConfig>) -> Result<()> {
    let (socket, _) = listener.accept().await?;
    let plain = PlainStream::new(socket);
    let connection = ServerConnection::new(config)?;
    let mut tls = plain.upgrade(ldap::Server::new(), connection).await?;
    operations(&mut tls).await?;
    // The client's close_notify has come. A server "may" go on: it forgets who is logged in.
    let mut plain = tls.stop_tls().await?;
    operations(&mut plain).await
}

/// Until the end of this phase.
async fn operations(stream: &mut (impl AsyncBufRead + AsyncWrite + Unpin)) -> Result<()> {
    while !stream.fill_buf().await?.is_empty() {
        match receive(stream).await? {
            (id, 0x63) => {
                // The root DSE is empty: no name, no attributes. Then the result.
                let entry = message(id, 0x64, &[4, 0, 0x30, 0]);
                let done = message(id, 0x65, &[10, 1, 0, 4, 0, 4, 0]);
                send(stream, &[entry, done].concat()).await?;
            }
            (_, 0x42) => return Ok(()),
            (_, other) => bail!("the operation {other:#x} is not served"),
        }
    }
    Ok(())
}

/// LDAPMessage: a SEQUENCE of message id and operation, none of them long.
fn message(id: u8, operation: u8, contents: &[u8]) -> Vec<u8> {
    let [whole, part] = [5, 0].map(|more| u8::try_from(contents.len() + more).unwrap_or_default());
    [&[0x30, whole, 2, 1, id, operation, part], contents].concat()
}

/// Message id and operation of the next LDAPMessage.
async fn receive(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<(u8, u8)> {
    ensure!(stream.read_u8().await? == 0x30, "this is not LDAP");
    let length = match stream.read_u8().await? {
        short @ 0..=0x7f => u32::from(short),
        0x81 => u32::from(stream.read_u8().await?),
        0x82 => u32::from(stream.read_u16().await?),
        0x84 => stream.read_u32().await?,
        other => bail!("a length of {other:#x}"),
    };
    ensure!((5..65_536).contains(&length), "{length} bytes");
    let mut message = vec![0; usize::try_from(length)?];
    stream.read_exact(&mut message).await?;
    match message[..] {
        [2, 1, id, operation, ..] => Ok((id, operation)),
        _ => bail!("a message id that nobody has used"),
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes).await?;
    Ok(stream.flush().await?)
}
