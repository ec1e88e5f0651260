use anyhow::Result;
use cpu_time::ProcessTime;

use crate::bindings::{Binding, Runtime};
use crate::ping_pong::{ping, pong};
use crate::setup::{Setup, Sockets};

/// The dialogue before TLS and a full handshake, both sides, in milliseconds of CPU. The sockets are there before.
pub(crate) fn measure<B: Binding>(setup: &Setup, handshakes: usize) -> Result<f64> {
    let runtime = B::Runtime::new()?;
    let (servers, clients): (Vec<_>, Vec<_>) = (0..handshakes)
        .map(|_| {
            setup
                .sockets()
                .map(|Sockets { server, client }| (server, client))
        })
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .unzip();
    let server = async {
        let mut streams = Vec::with_capacity(handshakes);
        for socket in servers {
            streams.push(B::server(setup, socket).await?);
        }
        if let Some(last) = streams.last_mut() {
            pong(last).await?;
        }
        Ok(streams)
    };
    let client = async {
        let mut streams = Vec::with_capacity(handshakes);
        let began = ProcessTime::now();
        for socket in clients {
            streams.push(B::client(setup, socket).await?);
        }
        // When this is answered the last server is done as well.
        if let Some(last) = streams.last_mut() {
            ping(last).await?;
        }
        Ok((streams, began.elapsed()))
    };
    let (_servers, (_clients, cpu)) = runtime.run(server, client)?;
    Ok(cpu.as_secs_f64() * 1_000.0 / handshakes as f64)
}
