//! NBD, ONC RPC and VNC.

use anyhow::{Context, Result, bail, ensure};

use crate::Tls;
use crate::io::{bytes, bytes_or_end, send};

/// The one export, of 1 MiB of zeroes, whatever name is asked for.
const SIZE: u64 = 1 << 20;
/// NBD_FLAG_HAS_FLAGS and NBD_FLAG_READ_ONLY.
const FLAGS: u16 = 3;

/// The options go on where they were, and none is known that came before TLS.
pub(crate) async fn nbd(tls: &mut Tls) -> Result<()> {
    const OPT_ABORT: u32 = 2;
    const OPT_LIST: u32 = 3;
    const OPT_INFO: u32 = 6;
    const OPT_GO: u32 = 7;
    const REP_ACK: u32 = 1;
    const REP_SERVER: u32 = 2;
    const REP_INFO: u32 = 3;
    const REP_ERR_UNSUP: u32 = 1 << 31 | 1;
    let export = [&[0, 0][..], &SIZE.to_be_bytes(), &FLAGS.to_be_bytes()].concat();
    while let Some(header) = bytes_or_end(tls, 16).await? {
        ensure!(header.starts_with(b"IHAVEOPT"), "no option");
        let option = number(&header[8..12])?;
        bytes(tls, usize::try_from(number(&header[12..])?)?).await?;
        let replies: &[(u32, &[u8])] = match option {
            OPT_ABORT => &[(REP_ACK, b"")],
            OPT_LIST => &[(REP_SERVER, &[0; 4]), (REP_ACK, b"")],
            OPT_INFO | OPT_GO => &[(REP_INFO, &export), (REP_ACK, b"")],
            _ => &[(REP_ERR_UNSUP, b"")],
        };
        for (reply, data) in replies {
            let length = u32::try_from(data.len())?;
            let mut message = 0x0003_e889_0455_65a9_u64.to_be_bytes().to_vec();
            for field in [option, *reply, length] {
                message.extend(field.to_be_bytes());
            }
            message.extend(*data);
            send(tls, &message).await?;
        }
        match option {
            OPT_ABORT => return Ok(()),
            OPT_GO => return nbd_requests(tls).await,
            _ => {}
        }
    }
    Ok(())
}

async fn nbd_requests(tls: &mut Tls) -> Result<()> {
    while let Some(request) = bytes_or_end(tls, 28).await? {
        ensure!(request.starts_with(&[0x25, 0x60, 0x95, 0x13]), "no request");
        let cookie = &request[8..16];
        let length = usize::try_from(number(&request[24..])?)?;
        let (error, data): (u32, _) = match request[6..8] {
            // NBD_CMD_READ
            [0, 0] if length <= 1 << 20 => (0, vec![0; length]),
            // NBD_CMD_DISC
            [0, 2] => return Ok(()),
            // NBD_CMD_WRITE has data behind it, and the export is read-only.
            [0, 1] => bail!("a write"),
            // NBD_EINVAL
            _ => (22, Vec::new()),
        };
        let magic = 0x6744_6698_u32.to_be_bytes();
        let reply = [&magic[..], &error.to_be_bytes(), cookie, &data].concat();
        send(tls, &reply).await?;
    }
    Ok(())
}

/// NULL of any program is good.
pub(crate) async fn rpc(tls: &mut Tls) -> Result<()> {
    const PROC_UNAVAIL: u32 = 3;
    while let Some(mark) = bytes_or_end(tls, 4).await? {
        let mark = number(&mark)?;
        ensure!(mark & 1 << 31 != 0, "a call of several fragments");
        let call = bytes(tls, usize::try_from(mark & !(1 << 31))?).await?;
        ensure!(call.len() >= 24, "no call");
        let status = match call[20..24] {
            [0, 0, 0, 0] => 0,
            _ => PROC_UNAVAIL,
        };
        // Transaction, reply, accepted, a verifier without anything, status.
        let reply = [number(&call[..4])?, 1, 0, 0, 0, status];
        let reply: Vec<u8> = reply.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mark = 1 << 31 | u32::try_from(reply.len())?;
        send(tls, &[&mark.to_be_bytes()[..], &reply].concat()).await?;
    }
    Ok(())
}

const WIDTH: u16 = 64;
const HEIGHT: u16 = 48;

/// A black screen. The subtype is X509None: the server speaks first, with the result of the security handshake.
pub(crate) async fn vnc(tls: &mut Tls) -> Result<()> {
    send(tls, &[0; 4]).await?;
    bytes(tls, 1).await.context("ClientInit")?;
    let [width, height] = [WIDTH.to_be_bytes(), HEIGHT.to_be_bytes()];
    // 32 bits a pixel of which 24 count, true colour, 255 of each, shifts.
    let format = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
    let name = b"black";
    let name_length = u32::try_from(name.len())?.to_be_bytes();
    let init = [&width[..], &height, &format, &name_length, name].concat();
    send(tls, &init).await?;
    let mut bytes_a_pixel = 4;
    while let Some(kind) = bytes_or_end(tls, 1).await? {
        match kind[0] {
            // SetPixelFormat
            0 => bytes_a_pixel = usize::from(bytes(tls, 19).await?[3] / 8),
            // SetEncodings
            2 => {
                let count = bytes(tls, 3).await?;
                bytes(tls, 4 * usize::try_from(number(&count[1..])?)?).await?;
            }
            // FramebufferUpdateRequest: one rectangle, raw
            3 => {
                bytes(tls, 9).await?;
                let pixels = usize::from(WIDTH) * usize::from(HEIGHT) * bytes_a_pixel;
                let update = [&[0, 0, 0, 1][..], &[0; 4], &width, &height, &[0; 4]].concat();
                send(tls, &[update, vec![0; pixels]].concat()).await?;
            }
            // KeyEvent
            4 => drop(bytes(tls, 7).await?),
            // PointerEvent
            5 => drop(bytes(tls, 5).await?),
            other => bail!("message {other} is not known"),
        }
    }
    Ok(())
}

fn number(bytes: &[u8]) -> Result<u32> {
    ensure!(bytes.len() <= 4, "{} bytes for a number", bytes.len());
    Ok(bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte)))
}
