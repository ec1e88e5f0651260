//! What is said inside TLS: between the peer and the terminal, or a program.

use std::io::{self, IsTerminal, Write};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use starttls_tokio::TlsStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::process::Command;
use tokio::time::timeout;

use crate::attempt::Io;
use crate::report::data;
use crate::terminal;

/// Says goodbye, as far as the peer listens.
pub(crate) async fn close(mut stream: TlsStream<Io>) {
    let _ = stream.shutdown().await;
}

/// Standard input to the peer, the peer to standard output. After the end of standard input the peer has a while to say the rest.
pub(crate) async fn talk(stream: TlsStream<Io>, crlf: bool, patience: Duration) -> ExitCode {
    let (mut from_peer, mut to_peer) = stream.split();
    let speak = async { send(tokio::io::stdin(), &mut to_peer, crlf).await };
    let listen = async { show(&mut from_peer).await };
    tokio::pin!(listen);
    let ended = tokio::select! {
        ended = &mut listen => ended,
        spoken = speak => match spoken {
            Ok(()) => timeout(patience, &mut listen).await.unwrap_or(Ok(())),
            Err(error) => Err(error),
        },
    };
    match ended {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            terminal::complain(
                "starttls: the peer closed without close_notify: there may have been more\n",
            );
        }
        Err(error) => terminal::complain(&format!("starttls: {error}\n")),
    }
    ExitCode::SUCCESS
}

async fn send(
    mut input: impl AsyncRead + Unpin,
    output: &mut (impl AsyncWrite + Unpin),
    crlf: bool,
) -> io::Result<()> {
    let mut buf = vec![0; 16 * 1024];
    let mut after_cr = false;
    loop {
        let n = input.read(&mut buf).await?;
        let piece = buf.get(..n).unwrap_or_default();
        if n == 0 {
            return output.shutdown().await;
        }
        if crlf {
            output.write_all(&with_cr_lf(piece, &mut after_cr)).await?;
        } else {
            output.write_all(piece).await?;
        }
        output.flush().await?;
    }
}

/// Every LF gets a CR in front, unless it has one.
fn with_cr_lf(piece: &[u8], after_cr: &mut bool) -> Vec<u8> {
    let mut changed = Vec::with_capacity(piece.len().saturating_add(16));
    for byte in piece {
        if *byte == b'\n' && !*after_cr {
            changed.push(b'\r');
        }
        changed.push(*byte);
        *after_cr = *byte == b'\r';
    }
    changed
}

/// As it comes into a file or a pipe; escaped to a terminal.
async fn show(input: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let escaped = io::stdout().is_terminal();
    let mut buf = vec![0; 16 * 1024];
    loop {
        let n = input.read(&mut buf).await?;
        if n == 0 {
            return Ok(());
        }
        let piece = buf.get(..n).unwrap_or_default();
        let mut stdout = io::stdout().lock();
        if escaped {
            stdout.write_all(&data(piece))?;
        } else {
            stdout.write_all(piece)?;
        }
        stdout.flush()?;
    }
}

/// A program to the peer, as a shell would start it. Its exit code is ours.
pub(crate) async fn execute(stream: TlsStream<Io>, command: &str, patience: Duration) -> ExitCode {
    match connected(stream, command, patience).await {
        Ok(code) => code,
        Err(error) => {
            terminal::complain(&format!("starttls: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

async fn connected(
    stream: TlsStream<Io>,
    command: &str,
    patience: Duration,
) -> io::Result<ExitCode> {
    let [shell, option] = if cfg!(windows) {
        ["cmd", "/C"]
    } else {
        ["sh", "-c"]
    };
    let mut child = Command::new(shell)
        .args([option, command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(mut stdin), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let (mut from_peer, mut to_peer) = stream.split();
    let to_program = tokio::spawn(async move {
        // A program that has stopped reading has had enough.
        let _ = copy(&mut from_peer, &mut stdin).await;
    });
    copy(&mut stdout, &mut to_peer).await?;
    to_peer.shutdown().await?;
    let status = child.wait().await?;
    let _ = timeout(patience, to_program).await;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_become_cr_lf_once_also_between_pieces() {
        let mut after_cr = false;
        let mut all = Vec::new();
        for piece in [&b"a\nb\r"[..], b"\nc\n", b"\n"] {
            all.extend(with_cr_lf(piece, &mut after_cr));
        }
        assert_eq!(all, b"a\r\nb\r\nc\r\n\r\n");
    }
}
