use std::time::Duration;

use anyhow::Result;
use cpu_time::ProcessTime;

use crate::bindings::{Binding, Pipe, Runtime};
use crate::reads;
use crate::setup::Setup;

const WRITE: usize = 64 << 10;
const READ: usize = 64 << 10;

pub(crate) struct Sample {
    pub(crate) cpu_per_gib: f64,
    pub(crate) reads_per_gib: f64,
}

/// One direction at full speed, from the first write until the receiver has said that it has everything.
pub(crate) fn measure<B: Binding>(setup: &Setup, bytes: usize) -> Result<Sample> {
    let runtime = B::Runtime::new()?;
    let sockets = setup.sockets()?;
    let server = async {
        let mut stream = B::server(setup, sockets.server).await?;
        receive(&mut stream, bytes).await?;
        stream.say(b".").await?;
        // Dropping it is not part of the work.
        Ok(stream)
    };
    let client = async {
        let mut stream = B::client(setup, sockets.client).await?;
        let (cpu, reads) = send(&mut stream, bytes).await?;
        Ok((stream, cpu, reads))
    };
    let (_server, (_client, cpu, reads)) = runtime.run(server, client)?;
    let gib = bytes as f64 / f64::from(1 << 30);
    Ok(Sample {
        cpu_per_gib: cpu.as_secs_f64() / gib,
        reads_per_gib: reads as f64 / gib,
    })
}

async fn send(stream: &mut impl Pipe, bytes: usize) -> Result<(Duration, u64)> {
    let data = vec![b'x'; WRITE];
    let reads = reads::so_far();
    let began = ProcessTime::now();
    for _ in 0..bytes / WRITE {
        stream.write_all(&data).await?;
    }
    stream.flush().await?;
    stream.read_exact(&mut [0]).await?;
    Ok((began.elapsed(), reads::so_far() - reads))
}

async fn receive(stream: &mut impl Pipe, bytes: usize) -> Result<()> {
    let mut buf = vec![0; READ];
    let mut received = 0;
    while received < bytes {
        match stream.read(&mut buf).await? {
            0 => anyhow::bail!("the connection ended after {received} bytes"),
            n => received += n,
        }
    }
    Ok(())
}
