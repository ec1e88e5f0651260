//! The dialogue of the examples, once for every runtime: lines that end with LF; `PING` is answered with `PONG`, `STARTTLS` with `OK`, behind which
//! everything is TLS; `QUIT` ends it.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use starttls_core::rustls::pki_types::ServerName;
use starttls_core::rustls::{
    ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection,
};

use crate::negotiated;

/// A stream that a dialogue can be had on.
#[expect(
    async_fn_in_trait,
    reason = "the examples know the types, and so whether they are Send"
)]
pub trait Talk {
    /// The next line without its end; `None` at the end of the stream.
    async fn line(&mut self) -> Result<Option<String>>;
    /// Sends a line.
    async fn say(&mut self, words: &str) -> Result<()>;
}

/// A stream in its plaintext phase.
#[expect(
    async_fn_in_trait,
    reason = "the examples know the types, and so whether they are Send"
)]
pub trait Plain: Talk + Sized {
    /// What it becomes.
    type Tls: Secured;

    /// The upgrade. With `pipelined` bytes that are there already are the beginning of TLS; else they are refused.
    async fn start_tls(self, connection: Connection, pipelined: bool) -> Result<Self::Tls>;
}

/// A stream in its TLS phase.
#[expect(
    async_fn_in_trait,
    reason = "the examples know the types, and so whether they are Send"
)]
pub trait Secured: Talk {
    /// What was negotiated.
    fn connection(&self) -> &Connection;
    /// Sends `close_notify`.
    async fn hang_up(&mut self) -> Result<()>;
}

/// Both sides must agree on this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoAhead {
    /// `STARTTLS` is answered with `OK`.
    Line,
    /// `STARTTLS` is not answered: the client waits this long before its `ClientHello`, which our server takes whenever it comes, and again before it goes on.
    None {
        /// How long the client waits.
        wait: std::time::Duration,
    },
}

/// The client's part. Prints what it does.
pub async fn client<P: Plain>(
    mut plain: P,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    go_ahead: GoAhead,
) -> Result<()> {
    ask(&mut plain, "plaintext", "PING", "PONG").await?;
    match go_ahead {
        GoAhead::Line => ask(&mut plain, "plaintext", "STARTTLS", "OK").await?,
        GoAhead::None { wait } => {
            plain.say("STARTTLS").await?;
            // An example may block its only task.
            std::thread::sleep(wait);
        }
    }
    let connection = ClientConnection::new(config, name)?;
    let mut tls = plain.start_tls(connection.into(), false).await?;
    println!("client: TLS is up, {}", negotiated(tls.connection()));
    if let GoAhead::None { wait } = go_ahead {
        // A server that was not ready for TLS may not be ready for what comes right behind it either.
        std::thread::sleep(wait);
    }
    ask(&mut tls, "encrypted", "PING", "PONG").await?;
    tls.say("QUIT").await?;
    tls.hang_up().await?;
    match tls.line().await {
        Ok(None) => println!("client: the server closed cleanly"),
        Ok(Some(words)) => bail!("{words:?} behind QUIT"),
        // Some servers leave without close_notify after QUIT; nothing can be missing here.
        Err(error) => println!("client: {error}"),
    }
    Ok(())
}

async fn ask(stream: &mut impl Talk, phase: &str, words: &str, expected: &str) -> Result<()> {
    stream.say(words).await?;
    let answer = stream.line().await?.context("the server hung up")?;
    println!("client: {phase}, {words} -> {answer}");
    ensure!(answer == expected, "{answer:?} instead of {expected:?}");
    Ok(())
}

/// The server's part, for one connection.
pub async fn server<P: Plain>(
    mut plain: P,
    config: Arc<ServerConfig>,
    go_ahead: GoAhead,
) -> Result<()> {
    while let Some(line) = plain.line().await? {
        match &line[..] {
            "PING" => plain.say("PONG").await?,
            "QUIT" => return Ok(()),
            "STARTTLS" => {
                if go_ahead == GoAhead::Line {
                    plain.say("OK").await?;
                }
                let connection = ServerConnection::new(config)?;
                let pipelined = go_ahead != GoAhead::Line;
                return secured(plain.start_tls(connection.into(), pipelined).await?).await;
            }
            _ => plain.say("ERROR").await?,
        }
    }
    Ok(())
}

async fn secured(mut tls: impl Secured) -> Result<()> {
    println!("server: TLS is up, {}", negotiated(tls.connection()));
    while let Some(line) = tls.line().await? {
        match &line[..] {
            "PING" => tls.say("PONG").await?,
            "QUIT" => break,
            _ => tls.say("ERROR").await?,
        }
    }
    tls.hang_up().await
}
