use std::time::Instant;

use anyhow::Result;
use cpu_time::ProcessTime;

use crate::bindings::{Binding, Pipe, Runtime};
use crate::setup::Setup;

const MESSAGE: usize = 64;

pub(crate) struct Sample {
    pub(crate) cpu_ms: f64,
    pub(crate) wall_ms: f64,
}

/// A small message there and back, one after the other; per thousand.
pub(crate) fn measure<B: Binding>(setup: &Setup, round_trips: usize) -> Result<Sample> {
    let runtime = B::Runtime::new()?;
    let sockets = setup.sockets()?;
    let server = async {
        let mut stream = B::server(setup, sockets.server).await?;
        for _ in 0..round_trips {
            pong(&mut stream).await?;
        }
        Ok(stream)
    };
    let client = async {
        let mut stream = B::client(setup, sockets.client).await?;
        let (cpu, wall) = (ProcessTime::now(), Instant::now());
        for _ in 0..round_trips {
            ping(&mut stream).await?;
        }
        Ok((stream, cpu.elapsed(), wall.elapsed()))
    };
    let (_server, (_client, cpu, wall)) = runtime.run(server, client)?;
    let per_thousand = 1_000_000.0 / round_trips as f64;
    Ok(Sample {
        cpu_ms: cpu.as_secs_f64() * per_thousand,
        wall_ms: wall.as_secs_f64() * per_thousand,
    })
}

pub(crate) async fn ping(stream: &mut impl Pipe) -> Result<()> {
    stream.say(&[b'x'; MESSAGE]).await?;
    Ok(stream.read_exact(&mut [0; MESSAGE]).await?)
}

pub(crate) async fn pong(stream: &mut impl Pipe) -> Result<()> {
    let mut message = [0; MESSAGE];
    stream.read_exact(&mut message).await?;
    Ok(stream.say(&message).await?)
}
