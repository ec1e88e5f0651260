//! What every session reads and writes.

use anyhow::{Result, ensure};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Either phase of a connection.
pub(crate) trait Stream: AsyncBufRead + AsyncWrite + Unpin {}

impl<S: AsyncBufRead + AsyncWrite + Unpin> Stream for S {}

/// The next line without its end; `None` at the end of the stream.
pub(crate) async fn line(stream: &mut impl Stream) -> Result<Option<String>> {
    let mut line = Vec::new();
    let n = stream.take(8192).read_until(b'\n', &mut line).await?;
    ensure!(n < 8192, "a line that is too long");
    Ok((n > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned()))
}

/// The next line as a command: its first word in capitals, and the rest.
pub(crate) async fn command(stream: &mut impl Stream) -> Result<Option<(String, String)>> {
    Ok(line(stream).await?.map(|line| {
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        (verb.to_ascii_uppercase(), rest.to_owned())
    }))
}

/// Sends a line, or several with CR LF between them.
pub(crate) async fn say(stream: &mut impl Stream, words: &str) -> Result<()> {
    send(stream, format!("{words}\r\n").as_bytes()).await
}

pub(crate) async fn send(stream: &mut impl Stream, bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes).await?;
    Ok(stream.flush().await?)
}

/// As many bytes as a message says that it has.
pub(crate) async fn bytes(stream: &mut impl Stream, n: usize) -> Result<Vec<u8>> {
    ensure!(n <= 1 << 20, "a message of {n} bytes");
    let mut bytes = vec![0; n];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// As `bytes`; `None` if the stream ends where a message would begin.
pub(crate) async fn bytes_or_end(stream: &mut impl Stream, n: usize) -> Result<Option<Vec<u8>>> {
    if stream.fill_buf().await?.is_empty() {
        return Ok(None);
    }
    bytes(stream, n).await.map(Some)
}
