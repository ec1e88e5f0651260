use std::future::poll_fn;
use std::task::Poll;

use anyhow::Result;

use super::bulk::{buffer, receive, send_all};
use super::{Figure, ping, pong};
use crate::binding::{Connect, Pipe, Runtime, run};
use crate::meter::heap;
use crate::setup::{Setup, Sockets};

const BULK: usize = 1 << 20;

/// The streams of both sides of a connection.
pub(super) struct Pair {
    server: Box<dyn Pipe>,
    client: Box<dyn Pipe>,
}

impl Pair {
    /// Connected, with one message each way.
    pub(super) fn new(
        connect: Connect,
        setup: &'static Setup,
        runtime: &dyn Runtime,
    ) -> Result<Self> {
        let Sockets { server, client } = setup.sockets()?;
        let server = async move {
            let mut stream = (connect.server)(&setup.full, server).await?;
            pong(&mut *stream).await?;
            Ok(stream)
        };
        let client = async move {
            let mut stream = (connect.client)(&setup.full, client).await?;
            ping(&mut *stream).await?;
            Ok(stream)
        };
        let (server, client) = run(runtime, server, client)?;
        Ok(Self { server, client })
    }

    /// Somebody waits for input on both sides.
    pub(super) fn idle(self, runtime: &dyn Runtime) -> Result<Self> {
        let wait = async |mut stream: Box<dyn Pipe>| {
            poll_fn(|cx| Poll::Ready(stream.idle(cx))).await?;
            Ok(stream)
        };
        let (server, client) = run(runtime, wait(self.server), wait(self.client))?;
        Ok(Self { server, client })
    }

    /// Much data each way.
    fn bulk(self, runtime: &dyn Runtime) -> Result<Self> {
        let Self {
            mut server,
            mut client,
        } = self;
        let (server, client) = run(
            runtime,
            async move {
                receive(&mut *server, &mut buffer(), BULK).await?;
                send_all(&mut *server, &buffer(), BULK).await?;
                Ok(server)
            },
            async move {
                send_all(&mut *client, &buffer(), BULK).await?;
                receive(&mut *client, &mut buffer(), BULK).await?;
                Ok(client)
            },
        )?;
        Ok(Self { server, client })
    }
}

/// What both sides of a connection hold, the boxed streams and what the runtime needs for the sockets included.
pub(super) fn measure(
    connect: Connect,
    setup: &'static Setup,
    pairs: usize,
) -> Result<Vec<Figure>> {
    let runtime = (connect.runtime)()?;
    // What is made once, on first use, does not count.
    drop(Pair::new(connect, setup, &*runtime)?.idle(&*runtime)?);
    let mut held: Vec<Pair> = Vec::with_capacity(pairs);
    let mut next = Vec::with_capacity(pairs);
    let before = heap();
    let per_pair = |before: usize| heap().saturating_sub(before) as f64 / pairs as f64;

    for _ in 0..pairs {
        held.push(Pair::new(connect, setup, &*runtime)?);
    }
    let unread = per_pair(before);
    for pair in held.drain(..) {
        next.push(pair.idle(&*runtime)?);
    }
    let reading = per_pair(before);
    for pair in next.drain(..) {
        held.push(pair.bulk(&*runtime)?);
    }
    let unread_after_bulk = per_pair(before);
    for pair in held.drain(..) {
        next.push(pair.idle(&*runtime)?);
    }
    let reading_after_bulk = per_pair(before);
    Ok(vec![
        ("heap bytes of an idle pair, nobody reading", unread),
        ("heap bytes of an idle pair, somebody reading", reading),
        (
            "heap bytes of an idle pair, nobody reading, after 1 MiB each way",
            unread_after_bulk,
        ),
        (
            "heap bytes of an idle pair, somebody reading, after 1 MiB each way",
            reading_after_bulk,
        ),
    ])
}
