use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How a runtime waits: what the [`Deadlines`](crate::Deadlines) of its streams are kept with.
pub trait Timer {
    /// Completes when the time has passed. What it gives is not looked at.
    type Sleep: Future;

    /// Begins to wait. `limit` can be [`Duration::MAX`]: that is for ever, and must not panic.
    fn sleep(limit: Duration) -> Self::Sleep;
}

/// One deadline, handed from step to step of what it is over.
pub enum Deadline<T: Timer> {
    /// There is none.
    None,
    /// It will pass.
    Ahead(Pin<Box<T::Sleep>>),
    /// It has passed.
    Passed,
}

impl<T: Timer> Deadline<T> {
    /// One that passes after this time, if there is a limit.
    pub fn after(limit: Option<Duration>) -> Self {
        limit.map_or(Self::None, |limit| Self::Ahead(Box::pin(T::sleep(limit))))
    }

    /// Ready when it has passed, and from then on.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
