use std::fmt;
use std::future::{Future, Pending, pending};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How a runtime waits: what the [`Deadlines`](crate::Deadlines) of the streams in [`timed`](crate::timed) are kept with.
///
/// ```
/// use std::time::Duration;
/// use futures_util::future::BoxFuture;
/// use starttls_futures::{Timer, timed};
///
/// #[derive(Debug)]
/// struct Patience;
///
/// impl Timer for Patience {
///     type Sleep = BoxFuture<'static, ()>;
///
///     fn sleep(limit: Duration) -> Self::Sleep {
///         // what the runtime has
/// #       Box::pin(std::future::pending())
///     }
/// }
///
/// type PlainStream<IO> = timed::PlainStream<IO, Patience>;
/// type TlsStream<IO> = timed::TlsStream<IO, Patience>;
/// ```
pub trait Timer {
    /// Completes when the time has passed. What it gives is not looked at.
    type Sleep: Future;

    /// Begins to wait.
    fn sleep(limit: Duration) -> Self::Sleep;
}

/// No time at all: [`Deadlines`](crate::Deadlines) have no effect, and a silent peer can hold whoever waits for it for ever. Put the runtime's own
/// timeout around upgrading and closing, or use a [`Timer`].
#[derive(Clone, Copy, Debug)]
pub struct NoTimer;

impl Timer for NoTimer {
    type Sleep = Pending<()>;

    fn sleep(_: Duration) -> Self::Sleep {
        pending()
    }
}

/// One deadline, handed from step to step of what it is over.
pub(crate) enum Deadline<T: Timer> {
    None,
    Ahead(Pin<Box<T::Sleep>>),
    Passed,
}

impl<T: Timer> Deadline<T> {
    pub(crate) fn after(limit: Option<Duration>) -> Self {
        limit.map_or(Self::None, |limit| Self::Ahead(Box::pin(T::sleep(limit))))
    }

    /// Ready when it has passed, and from then on.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::None => Poll::Pending,
            Self::Ahead(sleep) => sleep.as_mut().poll(cx).map(|_| *self = Self::Passed),
            Self::Passed => Poll::Ready(()),
        }
    }
}

impl<T: Timer> fmt::Debug for Deadline<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Ahead(_) => "Ahead",
            Self::Passed => "Passed",
        })
    }
}
