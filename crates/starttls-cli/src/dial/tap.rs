//! A transport that remembers the plaintext on it.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// More than any negotiation may have (64 KiB each way).
const MOST: usize = 160 * 1024;

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Client,
    Server,
}

/// What one side said without the other speaking in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) side: Side,
    pub(crate) bytes: Vec<u8>,
}

/// What was said in plaintext, shared between the transport and who reports it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialogue(Arc<Mutex<Recording>>);

#[derive(Debug, Default)]
struct Recording {
    on: bool,
    said: Vec<Said>,
    length: usize,
}

impl Dialogue {
    /// From here on everything is remembered, or nothing.
    pub(crate) fn record(&self, on: bool) {
        self.with(|recording| recording.on = on);
    }

    pub(crate) fn add(&self, side: Side, bytes: &[u8]) {
        self.with(|recording| {
            let room = MOST.saturating_sub(recording.length);
            let bytes = bytes.get(..room).unwrap_or(bytes);
            if !recording.on || bytes.is_empty() {
                return;
            }
            recording.length = recording.length.saturating_add(bytes.len());
            match recording.said.last_mut() {
                Some(last) if last.side == side => last.bytes.extend_from_slice(bytes),
                _ => recording.said.push(Said {
                    side,
                    bytes: bytes.to_vec(),
                }),
            }
        });
    }

    /// Everything so far. It is forgotten here.
    pub(crate) fn take(&self) -> Vec<Said> {
        self.with(|recording| mem::take(&mut recording.said))
    }

    fn with<T>(&self, f: impl FnOnce(&mut Recording) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A transport whose plaintext goes into a [`Dialogue`].
#[derive(Debug)]
pub(crate) struct Tap<IO> {
    io: IO,
    dialogue: Dialogue,
}

impl<IO> Tap<IO> {
    pub(crate) fn new(io: IO, dialogue: Dialogue) -> Self {
        Self { io, dialogue }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Tap<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        self.dialogue.add(Side::Server, new);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Tap<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.dialogue
            .add(Side::Client, buf.get(..n).unwrap_or_default());
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
