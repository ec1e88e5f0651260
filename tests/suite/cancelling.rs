//! Futures dropped at every point at which they can be.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use starttls_core::{Error as CoreError, Misuse};
use starttls_protocols::smtp;
use starttls_stream::{Deadlines, Error};

use super::*;

/// The future's output, unless it takes more polls than these.
async fn within<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            // There is nothing left to wait for.
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Calls `attempt` with one poll more each time, until it says that it was enough.
fn at_every_poll(mut attempt: impl FnMut(usize) -> bool) {
    let dropped = (1..1000).take_while(|polls| !attempt(*polls)).count();
    assert!((3..999).contains(&dropped), "dropped {dropped} times");
}

/// S8: the peer sees an end, and no plaintext.
pub(crate) fn an_upgrade<R: Runtime>() {
    at_every_poll(|polls| {
        let ((here, at_here), (there, _)) = R::pair(256);
        let (done, ()) = R::both(
            async || {
                let upgrade = here.upgrade(smtp::Client::new("me.example"), client());
                match within(polls, upgrade).await {
                    None => false,
                    Some(tls) => {
                        let mut tls = tls.unwrap();
                        tls.send(b"done\n").await.unwrap();
                        tls.shutdown().await.unwrap();
                        true
                    }
                }
            },
            async || match there
                .upgrade(smtp::Server::new("mx.example"), server())
                .await
            {
                Err(error) => assert!(
                    matches!(
                        error,
                        Error::Protocol(CoreError::Truncated(_)) | Error::Io(_)
                    ),
                    "{error:?}"
                ),
                // It may have had the last flight before the client was dropped.
                Ok(mut tls) => match tls.line().await {
                    Ok(line) => assert_eq!(line, "done"),
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof),
                },
            },
        );
        let sent = at_here.sent();
        let plaintext = b"EHLO me.example\r\nSTARTTLS\r\n";
        let sent_in_plaintext = sent.len().min(plaintext.len());
        assert_eq!(sent[..sent_in_plaintext], plaintext[..sent_in_plaintext]);
        if let Some(first) = sent.get(plaintext.len()) {
            assert_eq!(*first, 0x16);
        }
        assert!(at_here.is_closed());
        done
    });
}

pub(crate) fn an_upgrade_in_place<R: Runtime>() {
    at_every_poll(|polls| {
        let (here, there) = pipe::pipe(256);
        let (done, ()) = R::both(
            async || {
                let mut stream = R::InPlace::new(R::io(here));
                let upgrade = stream.upgrade(smtp::Client::new("me.example"), client());
                if let Some(done) = within(polls, upgrade).await {
                    done.unwrap();
                    return true;
                }
                let abandoned = |error: std::io::Error| {
                    assert!(matches!(
                        Error::from(error),
                        Error::Protocol(CoreError::Misuse(Misuse::HalfUpgraded))
                    ));
                };
                abandoned(stream.write(b"QUIT\r\n").await.unwrap_err());
                abandoned(stream.read(&mut [0]).await.unwrap_err());
                abandoned(stream.flush().await.unwrap_err());
                abandoned(stream.shutdown().await.unwrap_err());
                abandoned(stream.start_tls(client()).await.unwrap_err().into());
                false
            },
            async || {
                let _ = there_upgrade::<R>(there).await;
            },
        );
        done
    });
}

async fn there_upgrade<R: Runtime>(there: pipe::End) -> Result<R::Tls, Error> {
    R::Plain::new(R::io(there))
        .upgrade(smtp::Server::new("mx.example"), server())
        .await
}

/// What was begun goes on with the next call: nothing is lost, nothing is sent twice.
pub(crate) fn flushes_and_reads<R: Runtime>() {
    let ((mut here, _), (mut there, _)) = connected::<R>(64);
    let much = data(50_000, 11);
    R::both(
        async || {
            here.write_all(&much).await.unwrap();
            for polls in [1, 2, 3, 1, 2, 3] {
                let _ = within(polls, here.flush()).await;
            }
            for polls in [1, 2, 3] {
                let _ = within(polls, here.shutdown()).await;
            }
            here.shutdown().await.unwrap();
        },
        async || {
            let mut received = Vec::new();
            let mut polls = 1;
            while received.len() < much.len() {
                let mut buf = [0; 777];
                if let Some(n) = within(polls, there.read(&mut buf)).await {
                    received.extend_from_slice(&buf[..n.unwrap()]);
                    polls = 1;
                } else {
                    polls += 1;
                }
            }
            assert!(received == much);
            assert_eq!(there.read(&mut [0]).await.unwrap(), 0);
        },
    );
}

/// Whoever gives up waiting for the peer's close_notify has no connection any more.
pub(crate) fn going_back<R: Runtime>() {
    let ((here, at_here), (mut there, _)) = connected::<R>(4096);
    R::run(async {
        assert!(within(1, here.stop_tls()).await.is_none());
        // Our close_notify was sent, in TLS; then the transport was closed.
        assert_eq!(there.read(&mut [0]).await.unwrap(), 0);
    });
    assert!(at_here.is_closed());
}

/// S32: closing that was given up has no part in the time that the next attempt has, in TLS and in plaintext.
pub(crate) fn a_close_that_was_given_up<R: Runtime>() {
    const LIMIT: Duration = Duration::from_millis(200);
    let deadlines = Deadlines::default().close(LIMIT);
    let ((here, at_here), (there, _)) = connected::<R>(100);
    given_up_and_closed::<R>(here.with_deadlines(deadlines), at_here, there);
    let ((here, at_here), (there, _)) = R::pair(100);
    given_up_and_closed::<R>(here.with_deadlines(deadlines), at_here, there);
}

fn given_up_and_closed<R: Runtime>(
    mut here: impl Reading + Writing,
    at_here: Watch,
    mut there: impl Reading + Writing,
) {
    R::run(async {
        here.write_all(&[7; 1000]).await.unwrap();
        assert!(within(1, here.shutdown()).await.is_none());
    });
    // Longer than the deadline, which nobody is there to meet.
    thread::sleep(Duration::from_millis(500));
    R::run(async {
        assert!(within(1, here.shutdown()).await.is_none());
        at_here.narrow(1 << 20);
        let (received, end) = strict::both(there.read_to_end(), async {
            here.shutdown().await.unwrap();
        })
        .await
        .0;
        end.unwrap();
        assert_eq!(received, [7; 1000]);
    });
}
