use std::io::IoSlice;

use anyhow::Result;

use super::Figure;
use crate::binding::{Connect, Pipe, run};
use crate::meter::{Meter, Used};
use crate::setup::Setup;

const SLICES: usize = 16;
const SLICE: usize = 64;

/// How the data is written.
#[derive(Clone, Copy)]
pub(super) enum Writes {
    /// So many bytes at a time.
    Whole(usize),
    /// Small slices, as of a program that writes header and body from where they are.
    Vectored,
}

pub(super) struct Sample {
    used: Used,
    gib: f64,
}

impl Sample {
    /// Processor time, read calls, write calls and allocations under these names.
    pub(super) fn figures(&self, names: [&'static str; 4]) -> Vec<Figure> {
        let values = [
            self.used.cpu.as_secs_f64(),
            self.used.reads as f64,
            self.used.writes as f64,
            self.used.allocations as f64,
        ];
        std::iter::zip(names, values.map(|value| value / self.gib)).collect()
    }
}

/// One direction at full speed, from the first write until the receiver has said that it has everything.
pub(super) fn measure(
    connect: Connect,
    setup: &'static Setup,
    bytes: usize,
    writes: Writes,
) -> Result<Sample> {
    let runtime = (connect.runtime)()?;
    let sockets = setup.sockets()?;
    let server = async move {
        let mut stream = (connect.server)(&setup.full, sockets.server).await?;
        receive(&mut *stream, &mut buffer(), bytes).await?;
        stream.say(b".").await?;
        // Dropping it is not part of the work.
        Ok(stream)
    };
    let client = async move {
        let mut stream = (connect.client)(&setup.full, sockets.client).await?;
        let meter = Meter::start();
        send(&mut *stream, bytes, writes).await?;
        stream.read_exact(&mut [0]).await?;
        Ok((stream, meter.stop()))
    };
    let (_server, (_client, used)) = run(&*runtime, server, client)?;
    Ok(Sample {
        used,
        gib: bytes as f64 / f64::from(1 << 30),
    })
}

/// Buffers of the size that most programs have.
pub(super) fn buffer() -> Vec<u8> {
    vec![b'x'; 64 << 10]
}

async fn send(stream: &mut dyn Pipe, bytes: usize, writes: Writes) -> Result<()> {
    match writes {
        Writes::Whole(size) => return send_all(stream, &vec![b'x'; size], bytes).await,
        Writes::Vectored => {
            let data = [b'x'; SLICE];
            for _ in 0..bytes / (SLICE * SLICES) {
                let mut slices = [IoSlice::new(&data); SLICES];
                stream.write_all_vectored(&mut slices).await?;
            }
        }
    }
    Ok(stream.flush().await?)
}

/// So many bytes, as many at a time as `data` has.
pub(super) async fn send_all(stream: &mut dyn Pipe, data: &[u8], bytes: usize) -> Result<()> {
    let mut left = bytes;
    while left > 0 {
        let data = data.get(..left).unwrap_or(data);
        stream.write_all(data).await?;
        left -= data.len();
    }
    Ok(stream.flush().await?)
}

pub(super) async fn receive(stream: &mut dyn Pipe, buf: &mut [u8], bytes: usize) -> Result<()> {
    let mut received = 0;
    while received < bytes {
        match stream.read(buf).await? {
            0 => anyhow::bail!("the connection ended after {received} bytes"),
            n => received += n,
        }
    }
    Ok(())
}
