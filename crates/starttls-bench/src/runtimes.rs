use std::io;
use std::net::TcpStream;
use std::thread;

use anyhow::{Context, Result};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, TryStreamExt};

use crate::binding::{Runtime, Side, Sockets};
use crate::counted::Counted;
use crate::layout::Layout;

/// tokio, both sides on one thread.
pub(crate) struct Tokio1(tokio::runtime::Runtime);

impl Sockets for Tokio1 {
    type Io = Counted<tokio::net::TcpStream>;

    fn new() -> Result<Self> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        Ok(Self(builder.enable_all().build()?))
    }

    fn io(socket: TcpStream) -> Result<Self::Io> {
        socket.set_nonblocking(true)?;
        Ok(Counted(tokio::net::TcpStream::from_std(socket)?))
    }
}

impl Runtime for Tokio1 {
    fn run(&self, server: Side, client: Side) -> Result<()> {
        self.0.block_on(both(server, client))
    }
}

/// tokio with two workers.
pub(crate) struct Tokio2(tokio::runtime::Runtime);

impl Sockets for Tokio2 {
    type Io = Counted<tokio::net::TcpStream>;

    fn new() -> Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Ok(Self(builder.worker_threads(2).enable_all().build()?))
    }

    fn io(socket: TcpStream) -> Result<Self::Io> {
        Tokio1::io(socket)
    }
}

impl Runtime for Tokio2 {
    fn run(&self, server: Side, client: Side) -> Result<()> {
        let (server, client) = (self.0.spawn(server), self.0.spawn(client));
        self.0.block_on(async {
            server.await??;
            client.await?
        })
    }
}

/// smol, both sides on one thread.
pub(crate) struct Smol1;

impl Sockets for Smol1 {
    type Io = Counted<smol::net::TcpStream>;

    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn io(socket: TcpStream) -> Result<Self::Io> {
        socket.set_nonblocking(true)?;
        Ok(Counted(socket.try_into()?))
    }
}

impl Runtime for Smol1 {
    fn run(&self, server: Side, client: Side) -> Result<()> {
        smol::block_on(both(server, client))
    }
}

/// smol, a thread for each side.
pub(crate) struct Smol2;

impl Sockets for Smol2 {
    type Io = Counted<smol::net::TcpStream>;

    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn io(socket: TcpStream) -> Result<Self::Io> {
        Smol1::io(socket)
    }
}

impl Runtime for Smol2 {
    fn run(&self, server: Side, client: Side) -> Result<()> {
        two_threads(server, client, smol::block_on)
    }
}

/// async-std, both sides on one thread.
pub(crate) struct AsyncStd1;

impl Sockets for AsyncStd1 {
    type Io = Counted<async_std::net::TcpStream>;

    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn io(socket: TcpStream) -> Result<Self::Io> {
        socket.set_nonblocking(true)?;
        Ok(Counted(socket.into()))
    }
}

impl Runtime for AsyncStd1 {
    fn run(&self, server: Side, client: Side) -> Result<()> {
        async_std::task::block_on(both(server, client))
    }
}

/// async-std, a thread for each side.
pub(crate) struct AsyncStd2;

impl Sockets for AsyncStd2 {
    type Io = Counted<async_std::net::TcpStream>;

    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn io(socket: TcpStream) -> Result<Self::Io> {
        AsyncStd1::io(socket)
    }
}

impl Runtime for AsyncStd2 {
    fn run(&self, server: Side, client: Side) -> Result<()> {
        two_threads(server, client, async_std::task::block_on)
    }
}

/// Blocking sockets, a thread for each side.
pub(crate) struct Threads;

impl Sockets for Threads {
    type Io = Counted<TcpStream>;

    fn new() -> Result<Self> {
        Ok(Self)
    }

    fn io(socket: TcpStream) -> Result<Self::Io> {
        Ok(Counted(socket))
    }
}

impl Runtime for Threads {
    fn run(&self, server: Side, client: Side) -> Result<()> {
        two_threads(server, client, blocking)
    }
}

/// The futures of blocking streams are ready at once, since they block.
fn blocking(side: Side) -> Result<()> {
    side.now_or_never()
        .context("a blocking stream did not block")?
}

fn two_threads(server: Side, client: Side, run: fn(Side) -> Result<()>) -> Result<()> {
    let (server, client) = thread::scope(|scope| {
        let server = scope.spawn(move || {
            let _layout = Layout::new();
            run(server)
        });
        let client = run(client);
        (server.join(), client)
    });
    server.ok().context("the server panicked")??;
    client
}

/// Two futures on one thread, of which only the one that was woken is polled.
pub(crate) async fn both(server: Side, client: Side) -> Result<()> {
    let mut sides = FuturesUnordered::from_iter([server, client]);
    while sides.try_next().await?.is_some() {}
    Ok(())
}

/// An upgrade that has taken too long.
pub(crate) fn too_late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}
