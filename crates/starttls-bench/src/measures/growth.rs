use anyhow::Result;

use super::idle::Pair;
use super::{ping, pong};
use crate::binding::{Connect, run};
use crate::meter::{Meter, heap};
use crate::setup::Setup;

const ROUND_TRIPS: usize = 2_000;

/// What a connection costs where there are many.
pub(crate) struct Growth {
    pub(crate) heap_per_pair: f64,
    pub(crate) connect_us: f64,
    pub(crate) round_trip_us: f64,
}

/// So many idle pairs on which somebody waits for input, and one more on which there is traffic.
pub(crate) fn measure(connect: Connect, setup: &'static Setup, pairs: usize) -> Result<Growth> {
    let runtime = (connect.runtime)()?;
    drop(Pair::new(connect, setup, &*runtime)?.idle(&*runtime)?);
    let mut held: Vec<Pair> = Vec::with_capacity(pairs);
    let before = heap();
    let meter = Meter::start();
    for _ in 0..pairs {
        held.push(Pair::new(connect, setup, &*runtime)?.idle(&*runtime)?);
    }
    let connect_us = meter.stop().cpu.as_secs_f64() * 1e6 / pairs as f64;
    let heap_per_pair = heap().saturating_sub(before) as f64 / pairs as f64;

    let sockets = setup.sockets()?;
    let server = async move {
        let mut stream = (connect.server)(&setup.full, sockets.server).await?;
        for _ in 0..ROUND_TRIPS {
            pong(&mut *stream).await?;
        }
        Ok(stream)
    };
    let client = async move {
        let mut stream = (connect.client)(&setup.full, sockets.client).await?;
        let meter = Meter::start();
        for _ in 0..ROUND_TRIPS {
            ping(&mut *stream).await?;
        }
        Ok((stream, meter.stop()))
    };
    let (_server, (_client, used)) = run(&*runtime, server, client)?;
    Ok(Growth {
        heap_per_pair,
        connect_us,
        round_trip_us: used.cpu.as_secs_f64() * 1e6 / ROUND_TRIPS as f64,
    })
}
