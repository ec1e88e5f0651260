use anyhow::{Result, ensure};

use super::{Figure, ping, pong};
use crate::binding::{Connect, run};
use crate::meter::{Meter, Used};
use crate::setup::{Setup, Tls};

/// What there is to say before TLS, and a full handshake, both sides.
pub(super) fn full(
    connect: Connect,
    setup: &'static Setup,
    handshakes: usize,
) -> Result<Vec<Figure>> {
    let used = connections(connect, setup, &setup.full, handshakes, false)?;
    let count = handshakes as f64;
    Ok(vec![
        (
            "CPU microseconds per full handshake",
            used.cpu.as_secs_f64() * 1e6 / count,
        ),
        (
            "allocations per full handshake",
            used.allocations as f64 / count,
        ),
        ("read calls per full handshake", used.reads as f64 / count),
        ("write calls per full handshake", used.writes as f64 / count),
    ])
}

/// The same with a ticket of the connection before. One round trip goes with it: it is what takes in the tickets for the next.
pub(super) fn resumed(
    connect: Connect,
    setup: &'static Setup,
    handshakes: usize,
) -> Result<Vec<Figure>> {
    connections(connect, setup, &setup.resuming, 1, true)?;
    let before = setup.resumed();
    let used = connections(connect, setup, &setup.resuming, handshakes, true)?;
    let resumed = setup.resumed() - before;
    ensure!(
        resumed == handshakes,
        "{resumed} of {handshakes} handshakes were resumed"
    );
    let count = handshakes as f64;
    Ok(vec![
        (
            "CPU microseconds per resumed handshake and round trip",
            used.cpu.as_secs_f64() * 1e6 / count,
        ),
        (
            "allocations per resumed handshake and round trip",
            used.allocations as f64 / count,
        ),
    ])
}

/// One connection after the other; the sockets are there before. `talk`: each has a round trip, and not only the last.
fn connections(
    connect: Connect,
    setup: &'static Setup,
    tls: &'static Tls,
    handshakes: usize,
    talk: bool,
) -> Result<Used> {
    let runtime = (connect.runtime)()?;
    let (mut servers, mut clients) = (Vec::new(), Vec::new());
    for _ in 0..handshakes {
        let sockets = setup.sockets()?;
        servers.push(sockets.server);
        clients.push(sockets.client);
    }
    let server = async move {
        let mut streams = Vec::with_capacity(handshakes);
        for socket in servers {
            let mut stream = (connect.server)(tls, socket).await?;
            if talk {
                pong(&mut *stream).await?;
            }
            streams.push(stream);
        }
        if let Some(last) = streams.last_mut() {
            pong(&mut **last).await?;
        }
        Ok(streams)
    };
    let client = async move {
        let mut streams = Vec::with_capacity(handshakes);
        let meter = Meter::start();
        for socket in clients {
            let mut stream = (connect.client)(tls, socket).await?;
            if talk {
                ping(&mut *stream).await?;
            }
            streams.push(stream);
        }
        // When this is answered the last server is done as well.
        if let Some(last) = streams.last_mut() {
            ping(&mut **last).await?;
        }
        Ok((streams, meter.stop()))
    };
    let (_servers, (_clients, used)) = run(&*runtime, server, client)?;
    Ok(used)
}
