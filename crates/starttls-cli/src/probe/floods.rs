//! Lines without an end, and without number.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::probe::Verdict;
use crate::probe::attacks::{Outcome, Target};
use crate::probe::compare::{passed, skipped, unclear};
use crate::probe::drive::hear;
use crate::probe::words::Words;

impl Target {
    pub(super) async fn overlong(&self) -> Outcome {
        const MOST: usize = 4 << 20;
        let mut socket = match self.connect().await {
            Ok(socket) => socket,
            Err(failure) => return unclear(&failure),
        };
        let _ = hear(&mut socket, self.wait).await;
        let piece = vec![b'A'; 64 * 1024];
        let mut sent: usize = 0;
        while sent < MOST {
            match timeout(self.timeout, socket.write(&piece)).await {
                Ok(Ok(n)) => sent = sent.saturating_add(n),
                Ok(Err(_)) => return passed(format!("the connection ends after {sent} bytes")),
                Err(_) => return passed(format!("nothing more is read after {sent} bytes")),
            }
            if hear(&mut socket, Duration::from_millis(1))
                .await
                .is_ok_and(|heard| !heard.is_empty())
            {
                return passed(format!("it is answered after {sent} bytes"));
            }
        }
        match hear(&mut socket, self.wait).await {
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => (
                Verdict::Note,
                format!("{MOST} bytes without a line end are read, and nothing is said to that"),
                Vec::new(),
            ),
            _ => passed(format!("it ends, or is answered, after {sent} bytes")),
        }
    }

    pub(super) async fn endless(&self, words: Option<Words>) -> Outcome {
        const LINES: usize = 5000;
        if words.is_none_or(|words| words.halves.is_none()) {
            return skipped("the protocol does not speak in lines");
        }
        let mut socket = match self.connect().await {
            Ok(socket) => socket,
            Err(failure) => return unclear(&failure),
        };
        let _ = hear(&mut socket, self.wait).await;
        let (mut reads, mut writes) = socket.split();
        let write = async {
            for sent in 0..LINES {
                if writes.write_all(b"XYZZY\r\n").await.is_err() {
                    return sent;
                }
            }
            LINES
        };
        let read = async {
            let mut buf = vec![0; 16 * 1024];
            let mut lines: usize = 0;
            while let Ok(n @ 1..) = reads.read(&mut buf).await {
                let heard = buf.get(..n).unwrap_or_default();
                lines = lines.saturating_add(heard.iter().filter(|byte| **byte == b'\n').count());
            }
            lines
        };
        let both = async { tokio::join!(write, read) };
        match timeout(self.timeout, both).await {
            Ok((_, answered)) => passed(format!("the connection ends after {answered} answers")),
            Err(_) => (
                Verdict::Note,
                format!("the connection is still open after up to {LINES} senseless lines"),
                Vec::new(),
            ),
        }
    }
}
