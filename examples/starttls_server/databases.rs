//! PostgreSQL and MySQL: every query has one row, which is 1.

use anyhow::{Result, ensure};

use crate::Tls;
use crate::io::{bytes, bytes_or_end, send};

/// StartupMessage, and then simple queries.
pub(crate) async fn postgres(tls: &mut Tls) -> Result<()> {
    let length = bytes(tls, 4).await?;
    let startup = bytes(tls, after_length(&length)?).await?;
    ensure!(
        startup.starts_with(&[0, 3, 0, 0]),
        "no StartupMessage of protocol 3.0"
    );
    let ready = message(b'Z', b"I");
    let start = [
        // AuthenticationOk
        message(b'R', &[0; 4]),
        message(b'S', b"server_version\x0015.0\0"),
        message(b'S', b"client_encoding\0UTF8\0"),
        message(b'K', &[0; 8]),
        ready.clone(),
    ];
    send(tls, &start.concat()).await?;
    while let Some(header) = bytes_or_end(tls, 5).await? {
        bytes(tls, after_length(&header[1..])?).await?;
        let answers = match header[0] {
            b'Q' => [
                // One column: name, table 0, attribute 0, int4 of four bytes, no modifier, as text.
                message(
                    b'T',
                    b"\0\x01?column?\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0",
                ),
                message(b'D', b"\0\x01\0\0\0\x011"),
                message(b'C', b"SELECT 1\0"),
                ready.clone(),
            ]
            .concat(),
            b'X' => return Ok(()),
            _ => [
                message(b'E', b"SERROR\0C0A000\0Monly simple queries\0\0"),
                ready.clone(),
            ]
            .concat(),
        };
        send(tls, &answers).await?;
    }
    Ok(())
}

/// A length that counts itself.
fn after_length(length: &[u8]) -> Result<usize> {
    let length = length
        .iter()
        .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    ensure!(length >= 4, "a length of {length}");
    Ok(length - 4)
}

fn message(kind: u8, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len() + 4).unwrap_or_default();
    [&[kind], &length.to_be_bytes()[..], contents].concat()
}

/// HandshakeResponse with the sequence id that follows SSLRequest's, and then commands.
pub(crate) async fn mysql(tls: &mut Tls) -> Result<()> {
    let (sequence, response) = packet(tls).await?.unwrap_or_default();
    ensure!(
        sequence == starttls_protocols::mysql::NEXT_SEQUENCE,
        "sequence id {sequence}"
    );
    ensure!(response.len() > 32, "no HandshakeResponse");
    // Affected rows, last id, status autocommit, warnings.
    let ok = [0, 0, 0, 2, 0, 0, 0];
    send(tls, &numbered(sequence + 1, &[&ok])).await?;
    while let Some((_, command)) = packet(tls).await? {
        let answers = match command.first() {
            // COM_QUIT
            Some(1) => return Ok(()),
            // COM_QUERY: one column, its definition, EOF, one row, EOF.
            Some(3) => {
                let eof = [0xfe, 0, 0, 2, 0];
                // catalog, schema, table, its own name, name, its own name; then character set, length, type LONGLONG, flags, decimals
                let column = b"\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\0\0\0\0\0";
                numbered(1, &[&[1], column, &eof, b"\x011", &eof])
            }
            _ => numbered(1, &[&ok]),
        };
        send(tls, &answers).await?;
    }
    Ok(())
}

/// Sequence id and payload.
async fn packet(tls: &mut Tls) -> Result<Option<(u8, Vec<u8>)>> {
    let Some(header) = bytes_or_end(tls, 4).await? else {
        return Ok(None);
    };
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let payload = bytes(tls, usize::try_from(length)?).await?;
    Ok(Some((header[3], payload)))
}

fn numbered(first: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let packets = payloads.iter().zip(first..).map(|(payload, sequence)| {
        let length = u32::try_from(payload.len()).unwrap_or_default();
        [&length.to_le_bytes()[..3], &[sequence], payload].concat()
    });
    packets.collect::<Vec<_>>().concat()
}
