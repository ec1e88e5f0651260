use std::future::{Future, poll_fn};
use std::io;
use std::net::TcpStream;
use std::pin::pin;
use std::task::Poll;

use anyhow::{Context, Result, ensure};
use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use crate::setup::Setup;
use crate::{bulk, handshake, heap, ping_pong};

mod blocking_family;
mod futures_family;
mod tokio_family;

/// A stream of any runtime, or of none: what the measures do with it.
pub(crate) trait Pipe: Send + Sized {
    fn read(&mut self, buf: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
    fn write_all(&mut self, data: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    /// Has somebody wait for input, as on any idle connection, and lets go again.
    fn idle(&mut self) -> impl Future<Output = Result<()>> + Send;

    fn say(&mut self, words: &[u8]) -> impl Future<Output = io::Result<()>> + Send {
        async move {
            self.write_all(words).await?;
            self.flush().await
        }
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> impl Future<Output = io::Result<()>> + Send {
        async move {
            let mut filled = 0;
            while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match self.read(rest).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    n => filled += n,
                }
            }
            Ok(())
        }
    }
}

/// What runs the two sides of a connection.
pub(crate) trait Runtime: Sized {
    fn new() -> Result<Self>;

    /// Runs both to their end, each woken for itself.
    fn run<S: Send, C: Send>(
        &self,
        server: impl Future<Output = Result<S>> + Send,
        client: impl Future<Output = Result<C>> + Send,
    ) -> Result<(S, C)>;
}

/// One way to get from a socket to a stream, with the same dialogue before TLS in all of them.
pub(crate) trait Binding {
    type Runtime: Runtime;
    type Server: Pipe;
    type Client: Pipe;

    fn server(
        setup: &Setup,
        socket: TcpStream,
    ) -> impl Future<Output = Result<Self::Server>> + Send;

    fn client(
        setup: &Setup,
        socket: TcpStream,
    ) -> impl Future<Output = Result<Self::Client>> + Send;
}

/// Two futures on one thread, of which only the one that was woken is polled.
async fn both<S: Send, C: Send>(
    server: impl Future<Output = Result<S>> + Send,
    client: impl Future<Output = Result<C>> + Send,
) -> Result<(S, C)> {
    let mut served = None;
    let mut called = None;
    let sides: [BoxFuture<'_, Result<()>>; 2] = [
        Box::pin(async {
            served = Some(server.await?);
            Ok(())
        }),
        Box::pin(async {
            called = Some(client.await?);
            Ok(())
        }),
    ];
    let mut sides = FuturesUnordered::from_iter(sides);
    while sides.try_next().await?.is_some() {}
    drop(sides);
    served.zip(called).context("one side did not end")
}

/// Polls once: the transport then knows a waker.
async fn pending(read: impl Future) -> Result<()> {
    let mut read = pin!(read);
    let waits = poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx).is_pending())).await;
    ensure!(waits, "an idle connection has something to read");
    Ok(())
}

const ASK: &[u8] = b"STARTTLS\n";
const GO_AHEAD: &[u8] = b"OK\n";

/// The server's part of the dialogue; the peer waits, so nothing can be behind what is read.
async fn be_asked(plain: &mut impl Pipe) -> Result<()> {
    let mut line = [0; ASK.len()];
    plain.read_exact(&mut line).await?;
    ensure!(line == ASK, "the client asked for something else");
    Ok(plain.say(GO_AHEAD).await?)
}

async fn ask(plain: &mut impl Pipe) -> Result<()> {
    plain.say(ASK).await?;
    let mut line = [0; GO_AHEAD.len()];
    plain.read_exact(&mut line).await?;
    ensure!(line == GO_AHEAD, "the server declined");
    Ok(())
}

/// A binding, with every measure made for it.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What it stands beside: rows of one group are compared.
    pub(crate) group: &'static str,
    pub(crate) role: Role,
    pub(crate) bulk: fn(&Setup, usize) -> Result<bulk::Sample>,
    pub(crate) ping_pong: fn(&Setup, usize) -> Result<ping_pong::Sample>,
    pub(crate) handshake: fn(&Setup, usize) -> Result<f64>,
    pub(crate) heap: fn(&Setup, usize) -> Result<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    Other,
    Ours,
}

fn row<B: Binding>(group: &'static str, role: Role, name: &'static str) -> Row {
    Row {
        name,
        group,
        role,
        bulk: bulk::measure::<B>,
        ping_pong: ping_pong::measure::<B>,
        handshake: handshake::measure::<B>,
        heap: heap::measure::<B>,
    }
}

pub(crate) fn rows() -> Vec<Row> {
    [
        tokio_family::rows(),
        futures_family::rows(),
        blocking_family::rows(),
    ]
    .concat()
}
