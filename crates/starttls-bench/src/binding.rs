use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::BoxFuture;

use crate::setup::Tls;

/// A stream of any runtime, or of none, as an object: every measure is compiled once, and calls each of them the same way.
pub(crate) trait Pipe: Send {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Lets somebody wait for input, as on any idle connection, and lets go again.
    fn idle(&mut self, cx: &mut Context<'_>) -> Result<()> {
        ensure!(
            self.poll_read(cx, &mut [0]).is_pending(),
            "an idle connection has something to read"
        );
        Ok(())
    }
}

impl dyn Pipe + '_ {
    pub(crate) async fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_read(cx, buf)).await
    }

    pub(crate) async fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read(rest).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => filled += n,
            }
        }
        Ok(())
    }

    pub(crate) async fn write_all(&mut self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            match poll_fn(|cx| self.poll_write(cx, data)).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => data = data.get(n..).unwrap_or_default(),
            }
        }
        Ok(())
    }

    pub(crate) async fn write_all_vectored(
        &mut self,
        mut data: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        while !data.is_empty() {
            match poll_fn(|cx| self.poll_write_vectored(cx, data)).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => IoSlice::advance_slices(&mut data, n),
            }
        }
        Ok(())
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    pub(crate) async fn say(&mut self, words: &[u8]) -> io::Result<()> {
        self.write_all(words).await?;
        self.flush().await
    }
}

/// What runs the two sides of a connection.
pub(crate) trait Runtime {
    /// Runs both to their end, each woken for itself.
    fn run(&self, server: Side, client: Side) -> Result<()>;
}

/// What one side does.
pub(crate) type Side = BoxFuture<'static, Result<()>>;

/// What both sides have come to.
pub(crate) fn run<S: Send + 'static, C: Send + 'static>(
    runtime: &dyn Runtime,
    server: impl Future<Output = Result<S>> + Send + 'static,
    client: impl Future<Output = Result<C>> + Send + 'static,
) -> Result<(S, C)> {
    let (served, server) = kept(server);
    let (called, client) = kept(client);
    runtime.run(server, client)?;
    let take = "one side did not end";
    Ok((served.take().context(take)?, called.take().context(take)?))
}

struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Slot<T> {
    fn take(&self) -> Option<T> {
        self.0.lock().ok()?.take()
    }
}

fn kept<T: Send + 'static>(
    side: impl Future<Output = Result<T>> + Send + 'static,
) -> (Slot<T>, Side) {
    let slot = Arc::new(Mutex::new(None));
    let kept = Slot(slot.clone());
    let side = Box::pin(async move {
        let done = side.await?;
        if let Ok(mut slot) = slot.lock() {
            *slot = Some(done);
        }
        Ok(())
    });
    (kept, side)
}

/// A stream that is being opened.
pub(crate) type Opening = BoxFuture<'static, Result<Box<dyn Pipe>>>;

pub(crate) fn pipe(stream: impl Pipe + 'static) -> Box<dyn Pipe> {
    Box::new(stream)
}

/// One way to get from a transport to a stream on which data can be sent.
pub(crate) trait Binding<IO>: 'static {
    fn server(tls: &'static Tls, io: IO) -> Opening;

    fn client(tls: &'static Tls, io: IO) -> Opening;
}

/// A runtime with its sockets.
pub(crate) trait Sockets: Runtime + 'static {
    type Io: Send + 'static;

    fn new() -> Result<Self>
    where
        Self: Sized;

    fn io(socket: TcpStream) -> Result<Self::Io>;
}

/// A binding on a runtime, as every measure wants it.
#[derive(Clone, Copy)]
pub(crate) struct Connect {
    pub(crate) runtime: fn() -> Result<Box<dyn Runtime>>,
    pub(crate) server: fn(&'static Tls, TcpStream) -> Opening,
    pub(crate) client: fn(&'static Tls, TcpStream) -> Opening,
}

impl Connect {
    pub(crate) fn new<B: Binding<R::Io>, R: Sockets>() -> Self {
        Self {
            runtime: || Ok(Box::new(R::new()?)),
            server: |tls, socket| Box::pin(async move { B::server(tls, R::io(socket)?).await }),
            client: |tls, socket| Box::pin(async move { B::client(tls, R::io(socket)?).await }),
        }
    }
}
