//! What is heard inside TLS, by whom says little.

use std::time::Duration;

use starttls_tokio::TlsStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Everything that comes until it is silent for so long, or ends; `true` if it has ended.
pub(crate) async fn listen(tls: &mut TlsStream<TcpStream>, wait: Duration) -> (Vec<u8>, bool) {
    let mut heard = Vec::new();
    let mut buf = vec![0; 4096];
    // More than 64 KiB shows nothing that less does not.
    while heard.len() < 64 * 1024 {
        match timeout(wait, tls.read(&mut buf)).await {
            Ok(Ok(n @ 1..)) => heard.extend_from_slice(buf.get(..n).unwrap_or_default()),
            Ok(_) => return (heard, true),
            Err(_) => return (heard, false),
        }
    }
    (heard, false)
}

/// Says something and listens. A connection that has ended says nothing.
pub(crate) async fn ask(tls: &mut TlsStream<TcpStream>, words: &[u8], wait: Duration) -> Vec<u8> {
    if tls.write_all(words).await.is_err() || tls.flush().await.is_err() {
        return Vec::new();
    }
    listen(tls, wait).await.0
}
