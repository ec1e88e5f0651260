use anyhow::Result;

use crate::ALLOCATOR;
use crate::bindings::{Binding, Pipe, Runtime};
use crate::ping_pong::{ping, pong};
use crate::setup::{Setup, Sockets};

/// What both sides of an upgraded connection hold, the boxed streams and what the runtime needs for the sockets included: after
/// one message each way, and after somebody has begun to wait for input.
pub(crate) fn measure<B: Binding>(setup: &Setup, pairs: usize) -> Result<f64> {
    let runtime = B::Runtime::new()?;
    // What is made once, on first use, does not count.
    drop(connect::<B>(setup, &runtime)?);
    let mut held = Vec::with_capacity(pairs);
    let before = allocated();
    for _ in 0..pairs {
        held.push(connect::<B>(setup, &runtime)?);
    }
    Ok((allocated() - before) as f64 / pairs as f64)
}

type Pair<B> = (Box<<B as Binding>::Server>, Box<<B as Binding>::Client>);

fn connect<B: Binding>(setup: &Setup, runtime: &B::Runtime) -> Result<Pair<B>> {
    let Sockets { server, client } = setup.sockets()?;
    let server = async {
        let mut stream = Box::new(B::server(setup, server).await?);
        pong(&mut *stream).await?;
        stream.idle().await?;
        Ok(stream)
    };
    let client = async {
        let mut stream = Box::new(B::client(setup, client).await?);
        ping(&mut *stream).await?;
        stream.idle().await?;
        Ok(stream)
    };
    runtime.run(server, client)
}

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    (stats.bytes_allocated).saturating_sub(stats.bytes_deallocated)
}
