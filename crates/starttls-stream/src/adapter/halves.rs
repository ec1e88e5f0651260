use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};

/// A stream that two halves have: each polls it in turn, and none holds it longer than that.
pub struct Half<S> {
    stream: Arc<Mutex<S>>,
    /// What a reader was shown and has not consumed: a copy, since the stream itself is not held. It stays in the stream until then.
    shown: Vec<u8>,
}

impl<S> Half<S> {
    /// Two of one stream.
    pub fn pair(stream: S) -> (Self, Self) {
        let half = |stream| Self {
            stream,
            shown: Vec::new(),
        };
        let stream = Arc::new(Mutex::new(stream));
        (half(stream.clone()), half(stream))
    }

    /// They are of one stream.
    pub fn is_pair(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.stream, &other.stream)
    }

    /// The stream again.
    ///
    /// # Errors
    /// Both, if they are of two streams.
    pub fn reunite(self, other: Self) -> Result<S, (Self, Self)> {
        if !self.is_pair(&other) {
            return Err((self, other));
        }
        drop(other);
        let Self { stream, shown } = self;
        let stream = Arc::try_unwrap(stream).map_err(|stream| Self { stream, shown });
        let mutex = match stream {
            Ok(mutex) => mutex,
            // There are two of each, and both were here.
            Err(half) => return Err((half.again(), half)),
        };
        Ok(mutex.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn again(&self) -> Self {
        Self {
            stream: self.stream.clone(),
            shown: Vec::new(),
        }
    }

    /// Polls the stream.
    pub fn poll<R>(&mut self, poll: impl FnOnce(Pin<&mut S>) -> R) -> R
    where
        S: Unpin,
    {
        // It is read from there again, if that is what this does.
        self.shown = Vec::new();
        poll(Pin::new(&mut *self.lock()))
    }

    /// Shows what the stream has buffered: `fill` copies that.
    pub fn poll_fill_buf(
        &mut self,
        fill: impl FnOnce(Pin<&mut S>) -> Poll<io::Result<Vec<u8>>>,
    ) -> Poll<io::Result<&[u8]>>
    where
        S: Unpin,
    {
        if self.shown.is_empty() {
            let shown = fill(Pin::new(&mut *self.lock()));
            self.shown = ready!(shown)?;
        }
        Poll::Ready(Ok(&self.shown))
    }

    /// So much of what was shown is dealt with: `consume` does the same to the stream.
    pub fn consume(&mut self, amount: usize, consume: impl FnOnce(Pin<&mut S>, usize))
    where
        S: Unpin,
    {
        let amount = amount.min(self.shown.len());
        self.shown.drain(..amount);
        if self.shown.is_empty() {
            self.shown = Vec::new();
        }
        consume(Pin::new(&mut *self.lock()), amount);
    }

    /// A task that has panicked while it polled has left nothing half-done that would matter more than the panic.
    fn lock(&self) -> MutexGuard<'_, S> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> fmt::Debug for Half<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Half").finish_non_exhaustive()
    }
}
