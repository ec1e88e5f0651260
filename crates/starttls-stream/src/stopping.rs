use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// That a server is stopping, for its handlers: one that waits for its client's next command waits for this as well, says goodbye and returns.
///
/// ```
/// use starttls_stream::Stopping;
///
/// let stopping = Stopping::new();
/// let in_a_handler = stopping.clone();
/// assert!(!in_a_handler.is_stopping());
/// stopping.stop();
/// assert!(in_a_handler.is_stopping());
/// ```
#[derive(Clone, Default)]
pub struct Stopping {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    waiting: BTreeMap<u64, Waker>,
    next: u64,
}

impl Stopping {
    /// Not stopping yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everybody who waits is told. A server does so itself when it is to stop.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopping = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.shared.changed.notify_all();
        waiting.into_values().for_each(Waker::wake);
    }

    /// It has been said.
    pub fn is_stopping(&self) -> bool {
        self.state().stopping
    }

    /// Completes when it is said, or at once if it was. Nothing is lost when it is dropped.
    pub fn stopped(&self) -> Stopped {
        Stopped {
            stopping: self.clone(),
            id: None,
        }
    }

    /// Blocks until it is said.
    pub fn wait(&self) {
        let mut state = self.state();
        while !state.stopping {
            let woken = self.shared.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stopping")
            .field(&self.is_stopping())
            .finish()
    }
}

/// The future of [`Stopping::stopped`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Stopped {
    stopping: Stopping,
    /// Under which its waker is kept.
    id: Option<u64>,
}

impl Future for Stopped {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let mut state = this.stopping.state();
        if state.stopping {
            return Poll::Ready(());
        }
        let id = *this.id.get_or_insert_with(|| {
            state.next += 1;
            state.next
        });
        state.waiting.insert(id, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.stopping.state().waiting.remove(&id);
        }
    }
}
