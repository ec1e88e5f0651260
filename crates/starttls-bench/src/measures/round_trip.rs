use anyhow::Result;

use super::Figure;
use crate::binding::{Connect, Pipe, run};
use crate::meter::Meter;
use crate::setup::Setup;

const MESSAGE: usize = 64;

/// A small message there and back, one after the other.
pub(super) fn measure(
    connect: Connect,
    setup: &'static Setup,
    round_trips: usize,
) -> Result<Vec<Figure>> {
    let runtime = (connect.runtime)()?;
    let sockets = setup.sockets()?;
    let server = async move {
        let mut stream = (connect.server)(&setup.full, sockets.server).await?;
        for _ in 0..round_trips {
            pong(&mut *stream).await?;
        }
        Ok(stream)
    };
    let client = async move {
        let mut stream = (connect.client)(&setup.full, sockets.client).await?;
        let meter = Meter::start();
        for _ in 0..round_trips {
            ping(&mut *stream).await?;
        }
        Ok((stream, meter.stop()))
    };
    let (_server, (_client, used)) = run(&*runtime, server, client)?;
    let count = round_trips as f64;
    Ok(vec![
        (
            "CPU microseconds per round trip of 64 bytes",
            used.cpu.as_secs_f64() * 1e6 / count,
        ),
        (
            "wall microseconds per round trip of 64 bytes",
            used.wall.as_secs_f64() * 1e6 / count,
        ),
        (
            "read calls per round trip of 64 bytes",
            used.reads as f64 / count,
        ),
        (
            "write calls per round trip of 64 bytes",
            used.writes as f64 / count,
        ),
        (
            "allocations per round trip of 64 bytes",
            used.allocations as f64 / count,
        ),
    ])
}

pub(crate) async fn ping(stream: &mut dyn Pipe) -> Result<()> {
    stream.say(&[b'x'; MESSAGE]).await?;
    Ok(stream.read_exact(&mut [0; MESSAGE]).await?)
}

pub(crate) async fn pong(stream: &mut dyn Pipe) -> Result<()> {
    let mut message = [0; MESSAGE];
    stream.read_exact(&mut message).await?;
    Ok(stream.say(&message).await?)
}
