//! Data in both directions between two streams.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};

use crate::serve::{Counters, Direction};

/// A stream that is read without a buffer of the reader's: an idle connection has none at all.
pub(crate) trait Stream: AsyncBufRead + AsyncWrite + Unpin {}

impl<S: AsyncBufRead + AsyncWrite + Unpin> Stream for S {}

/// Carries data both ways until both have ended. An end in one direction is passed on in that direction.
///
/// # Errors
/// Why one of them failed; `TimedOut` if nothing was carried for `idle`.
pub(crate) async fn relay(
    client: &mut impl Stream,
    server: &mut impl Stream,
    idle: Duration,
    counters: &Counters,
) -> io::Result<()> {
    let mut up = Way::default();
    let mut down = Way::default();
    let mut timer = Box::pin(sleep(idle));
    poll_fn(|cx| {
        let before = (up.carried, down.carried);
        let upwards = up.poll(client, server, cx)?;
        let downwards = down.poll(server, client, cx)?;
        if before != (up.carried, down.carried) {
            let since = |now: u64, before: u64| now.saturating_sub(before);
            counters.carried(Direction::FromClient, since(up.carried, before.0));
            counters.carried(Direction::ToClient, since(down.carried, before.1));
            timer.as_mut().reset(Instant::now() + idle);
        }
        if upwards.is_ready() && downwards.is_ready() {
            return Poll::Ready(Ok(()));
        }
        expired(timer.as_mut(), cx)
    })
    .await
}

fn expired(timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    ready!(std::future::Future::poll(timer, cx));
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

/// One direction.
#[derive(Default)]
struct Way {
    carried: u64,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// Something was written that may not have left.
    Unflushed,
    /// The reader is at its end; the writer is told.
    Closing,
    Closed,
}

impl Way {
    /// As far as it goes; ready when this direction is over.
    fn poll(
        &mut self,
        from: &mut impl Stream,
        to: &mut impl Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        // Others have a turn too, however much there is.
        for _ in 0..16 {
            match self.state {
                State::Closed => return Poll::Ready(Ok(())),
                State::Closing => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Closed;
                }
                State::Open | State::Unflushed => match Pin::new(&mut *from).poll_fill_buf(cx)? {
                    Poll::Ready([]) => self.state = State::Closing,
                    Poll::Ready(data) => {
                        let n = ready!(Pin::new(&mut *to).poll_write(cx, data))?;
                        if n == 0 {
                            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                        }
                        Pin::new(&mut *from).consume(n);
                        self.carried = self.carried.saturating_add(n as u64);
                        self.state = State::Unflushed;
                    }
                    Poll::Pending => {
                        if self.state == State::Unflushed {
                            ready!(Pin::new(&mut *to).poll_flush(cx))?;
                            self.state = State::Open;
                        }
                        return Poll::Pending;
                    }
                },
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream, duplex};

    use super::*;

    #[tokio::test]
    async fn both_ways_at_once_over_small_pipes_and_ends_are_passed_on() {
        let (mut client, inner) = duplex(100);
        let (outer, mut server) = duplex(100);
        let relaying = tokio::spawn(async move {
            let counters = Counters::default();
            let (mut a, mut b) = (BufStream::new(inner), BufStream::new(outer));
            let result = relay(&mut a, &mut b, Duration::from_secs(30), &counters).await;
            (result.is_ok(), counters.metrics().prometheus())
        });
        let data = vec![7; 300_000];
        let (mut at_server, mut at_client) = (Vec::new(), Vec::new());
        let (mut client_reads, mut client_writes) = tokio::io::split(&mut client);
        let (mut server_reads, mut server_writes) = tokio::io::split(&mut server);
        let upwards = async {
            client_writes.write_all(&data).await.unwrap();
            client_writes.shutdown().await.unwrap();
        };
        let downwards = async {
            server_writes.write_all(&data[..1000]).await.unwrap();
            // Only now, when the other direction has ended.
            server_reads.read_to_end(&mut at_server).await.unwrap();
            server_writes.write_all(&data).await.unwrap();
            server_writes.shutdown().await.unwrap();
        };
        let listen = client_reads.read_to_end(&mut at_client);
        let (_, _, heard) = tokio::join!(upwards, downwards, listen);
        assert_eq!((heard.unwrap(), at_server.len()), (301_000, 300_000));
        let (ended_well, metrics) = relaying.await.unwrap();
        assert!(ended_well);
        assert!(
            metrics.contains("{direction=\"from_client\"} 300000"),
            "{metrics}"
        );
    }

    #[tokio::test]
    async fn silence_has_an_end() {
        let (_client, inner) = duplex(100);
        let (outer, _server) = duplex(100);
        let (mut a, mut b) = (BufStream::new(inner), BufStream::new(outer));
        let counters = Counters::default();
        let ended = relay(&mut a, &mut b, Duration::from_millis(50), &counters).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
