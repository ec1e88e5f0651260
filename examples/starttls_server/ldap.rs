//! LDAP with one entry, and without TLS again for a client that closes it (RFC 4511 section 4.14.3).

use anyhow::{Context, Result, bail};

use crate::Tls;
use crate::io::{Stream, bytes, bytes_or_end, send};

pub(crate) async fn serve(mut tls: Tls) -> Result<()> {
    if operations(&mut tls).await? == End::Unbound {
        return Ok(tls.shutdown().await?);
    }
    // The client's close_notify has come: ours, and what follows is plaintext, or the end.
    let mut plain = tls.stop_tls().await?;
    println!("plaintext again");
    operations(&mut plain).await?;
    Ok(())
}

#[derive(PartialEq)]
enum End {
    Unbound,
    Closed,
}

async fn operations(stream: &mut impl Stream) -> Result<End> {
    while let Some(message) = message(stream).await? {
        // SEQUENCE { messageID INTEGER, protocolOp }
        let (_, id, rest) = element(&message).context("a message id")?;
        let (operation, _, _) = element(rest).context("an operation")?;
        // resultCode 0, matchedDN, diagnosticMessage
        let success = [10, 1, 0, 4, 0, 4, 0];
        let answers = match operation {
            // bindRequest
            0x60 => respond(id, 0x61, &success),
            // searchRequest: an entry, and the end
            0x63 => [respond(id, 0x64, &entry()), respond(id, 0x65, &success)].concat(),
            // extendedRequest
            0x77 => respond(id, 0x78, &success),
            // unbindRequest
            0x42 => return Ok(End::Unbound),
            _ => bail!("the operation {operation:#x} is not known"),
        };
        send(stream, &answers).await?;
    }
    Ok(End::Closed)
}

fn respond(id: &[u8], operation: u8, contents: &[u8]) -> Vec<u8> {
    encode(
        0x30,
        &[encode(0x02, id), encode(operation, contents)].concat(),
    )
}

fn entry() -> Vec<u8> {
    let attribute = |name: &[u8], value: &[u8]| {
        let values = encode(0x31, &encode(4, value));
        encode(0x30, &[encode(4, name), values].concat())
    };
    let attributes = [
        attribute(b"objectClass", b"dcObject"),
        attribute(b"dc", b"example"),
    ];
    let attributes = encode(0x30, &attributes.concat());
    [encode(4, b"dc=example,dc=com"), attributes].concat()
}

async fn message(stream: &mut impl Stream) -> Result<Option<Vec<u8>>> {
    let Some(header) = bytes_or_end(stream, 2).await? else {
        return Ok(None);
    };
    let length = match header[1] {
        short @ 0..=0x7f => usize::from(short),
        long @ 0x81..=0x84 => bytes(stream, usize::from(long - 0x80))
            .await?
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte)),
        other => bail!("a length of {other:#x}"),
    };
    bytes(stream, length).await.map(Some)
}

/// Tag, contents, and the rest. Contents that are longer than anything that is looked at here are left out.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    match bytes {
        [tag, length @ 0..=0x7f, rest @ ..] => {
            let (contents, rest) = rest.split_at_checked(usize::from(*length))?;
            Some((*tag, contents, rest))
        }
        [tag, ..] => Some((*tag, &[], &[])),
        [] => None,
    }
}

fn encode(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u16::try_from(contents.len()).unwrap_or_default();
    let [high, low] = length.to_be_bytes();
    let length: &[u8] = match length {
        0..=0x7f => &[low],
        _ => &[0x82, high, low],
    };
    [&[tag], length, contents].concat()
}
