use anyhow::Result;

use super::bulk::{buffer, receive, send_all};
use crate::binding::{Connect, run};
use crate::meter::Meter;
use crate::setup::Setup;

/// Small messages are sent so often that there is something to measure.
const AT_LEAST: usize = 4 << 20;

/// Messages of `size` bytes, each answered by one byte; nanoseconds of CPU per byte.
pub(crate) fn measure(connect: Connect, setup: &'static Setup, size: usize) -> Result<f64> {
    let runtime = (connect.runtime)()?;
    let sockets = setup.sockets()?;
    let messages = (AT_LEAST / size).max(1);
    let server = async move {
        let mut stream = (connect.server)(&setup.full, sockets.server).await?;
        let mut buf = buffer();
        for _ in 0..messages {
            receive(&mut *stream, &mut buf, size).await?;
            stream.say(b".").await?;
        }
        Ok(stream)
    };
    let client = async move {
        let mut stream = (connect.client)(&setup.full, sockets.client).await?;
        let data = buffer();
        let meter = Meter::start();
        for _ in 0..messages {
            send_all(&mut *stream, &data, size).await?;
            stream.read_exact(&mut [0]).await?;
        }
        Ok((stream, meter.stop()))
    };
    let (_server, (_client, used)) = run(&*runtime, server, client)?;
    Ok(used.cpu.as_secs_f64() * 1e9 / (size * messages) as f64)
}
