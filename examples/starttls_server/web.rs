//! HTTP, as what is found at the end of a tunnel or after an upgrade.

use anyhow::Result;

use crate::Tls;
use crate::io::{line, say, send};

/// The answer to `OPTIONS *`.
pub(crate) async fn options_answer(tls: &mut Tls) -> Result<()> {
    say(
        tls,
        "HTTP/1.1 200 OK\r\nAllow: GET, OPTIONS\r\nContent-Length: 0\r\n",
    )
    .await
}

/// One request, whatever it is, and its answer.
pub(crate) async fn http(tls: &mut Tls, body: &str) -> Result<()> {
    while let Some(line) = line(tls).await? {
        if line.is_empty() {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            return send(tls, format!("{head}{body}").as_bytes()).await;
        }
    }
    Ok(())
}
