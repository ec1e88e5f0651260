//! A negotiation over a socket whose messages can be changed on their way out.

use std::io;
use std::time::Duration;

use starttls_tokio::starttls_core::{
    Boundary, Error as CoreError, Negotiator, Phase, Plain, Progress,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::dial::{Said, Side};
use crate::report::{Failure, Stage};

/// A finished negotiation.
#[derive(Debug)]
pub(crate) struct Driven {
    pub(crate) said: Vec<Said>,
    /// What was received behind it.
    pub(crate) unread: Vec<u8>,
    pub(crate) boundary: Boundary,
}

/// What to change.
pub(crate) trait Edit {
    /// The message is about to be sent; `done` says that it is the last of the negotiation. What is put into `first` is sent in front,
    /// and its answer taken away.
    fn edit(&mut self, message: &mut Vec<u8>, done: bool, first: &mut Vec<u8>);
}

impl<F: FnMut(&mut Vec<u8>, bool, &mut Vec<u8>)> Edit for F {
    fn edit(&mut self, message: &mut Vec<u8>, done: bool, first: &mut Vec<u8>) {
        self(message, done, first);
    }
}

/// Nothing is changed.
pub(crate) fn unchanged(_: &mut Vec<u8>, _: bool, _: &mut Vec<u8>) {}

/// Has the dialogue. What was said is in `said` also if it fails.
pub(crate) async fn drive<N: Negotiator>(
    socket: &mut TcpStream,
    negotiator: &mut N,
    ours: Side,
    mut edit: impl Edit,
    patience: Duration,
    said: &mut Vec<Said>,
) -> Result<Driven, Failure> {
    let io = |error: io::Error| Failure::Io(Stage::Negotiation, error);
    let theirs = match ours {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    };
    let mut plain = Plain::new();
    loop {
        let progress = plain.negotiate(negotiator);
        let mut message = Vec::new();
        plain.poll_transmit(&mut message);
        let done = matches!(progress, Ok(Progress::Done(_)));
        if !message.is_empty() {
            let mut first = Vec::new();
            edit.edit(&mut message, done, &mut first);
            if !first.is_empty() {
                socket.write_all(&first).await.map_err(io)?;
                add(said, ours, &first);
                let answer = hear(socket, patience).await.map_err(io)?;
                add(said, theirs, &answer);
            }
            socket.write_all(&message).await.map_err(io)?;
            add(said, ours, &message);
        }
        match progress {
            Err(error) => return Err(Failure::Protocol(Stage::Negotiation, error)),
            Ok(Progress::Done(boundary)) => {
                return Ok(Driven {
                    said: said.clone(),
                    unread: plain.peek().to_vec(),
                    boundary,
                });
            }
            Ok(Progress::NeedInput) => {}
        }
        let mut buf = vec![0; 4096];
        let read = timeout(patience, socket.read(&mut buf)).await;
        let n = read
            .map_err(|_| Failure::Timeout(Stage::Negotiation))?
            .map_err(io)?;
        let bytes = buf.get(..n).unwrap_or_default();
        add(said, theirs, bytes);
        if n == 0 {
            plain.handle_eof();
        } else if plain.handle_input(bytes) < n {
            let full =
                CoreError::Misbehaved(starttls_tokio::starttls_core::Misbehaviour::TooLong {
                    what: "negotiation",
                    limit: n,
                });
            return Err(Failure::Protocol(Stage::Negotiation, full));
        }
    }
}

/// One read's worth.
pub(crate) async fn hear(socket: &mut TcpStream, patience: Duration) -> io::Result<Vec<u8>> {
    let mut buf = vec![0; 16 * 1024];
    let read = timeout(patience, socket.read(&mut buf)).await;
    let n = read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    buf.truncate(n);
    Ok(buf)
}

fn add(said: &mut Vec<Said>, side: Side, bytes: &[u8]) {
    match said.last_mut() {
        _ if bytes.is_empty() => {}
        Some(last) if last.side == side => last.bytes.extend_from_slice(bytes),
        _ => said.push(Said {
            side,
            bytes: bytes.to_vec(),
        }),
    }
}
