use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Which of the two halves of a stream is being polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Reading, and everything that only one task can do.
    Read,
    /// Writing, flushing, closing.
    Write,
}

/// Who waits for a stream: at most one task that reads and one that writes.
///
/// With TLS either may have to do both on the transport: reading sends answers, writing takes input in while it is blocked. A transport
/// keeps one waker a direction, so whoever polls must leave one there that wakes the other as well.
///
/// Who has got what it waited for is let go: a waker can hold a whole task.
#[derive(Debug, Default)]
pub struct Wakers {
    read: Option<Waker>,
    write: Option<Waker>,
}

impl Wakers {
    /// Runs a [`Driver`](super::Driver) method that polls the transport with the context it is given. This is the one place where
    /// [`ErrorKind::WouldBlock`] becomes [`Poll::Pending`]: the transport said `Pending` to that context, so a waker is armed.
    // Each call has one closure of its own, and moving its result costs more than the rest of this.
    #[inline(always)]
    pub fn poll<T>(
        &mut self,
        side: Side,
        cx: &mut Context<'_>,
        attempt: impl FnOnce(&mut Context<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let (own, other) = match side {
            Side::Read => (&mut self.read, &self.write),
            Side::Write => (&mut self.write, &self.read),
        };
        let result = match other {
            Some(waker) if !waker.will_wake(cx.waker()) => {
                let both = Waker::from(Arc::new(Both(cx.waker().clone(), waker.clone())));
                attempt(&mut Context::from_waker(&both))
            }
            _ => attempt(cx),
        };
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                match own {
                    Some(known) => known.clone_from(cx.waker()),
                    None => *own = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
            done => {
                *own = None;
                Poll::Ready(done)
            }
        }
    }
}

struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}

/// What an adapter makes of the answer of its transport: `Pending` is [`ErrorKind::WouldBlock`]. A transport that itself reports that
/// kind as an error has no waker armed: it must not be taken for `Pending`.
///
/// # Errors
/// Those of the transport.
#[inline]
pub fn blocking<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        Poll::Ready(Err(error)) if error.kind() == ErrorKind::WouldBlock => {
            Err(io::Error::other(error))
        }
        Poll::Ready(result) => result,
    }
}
