//! Futures polled only when they were woken, and watched.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

/// Ends the process when a test does not end: a waker that nobody armed, or a deadlock.
pub(crate) struct Watchdog(
    #[allow(dead_code, reason = "its drop is what is waited for")] Sender<()>,
);

impl Watchdog {
    /// Five minutes: the slowest test takes a few seconds on an idle machine.
    const LIMIT: Duration = Duration::from_secs(300);

    pub(crate) fn new() -> Self {
        let (alive, over) = channel();
        let name = thread::current().name().unwrap_or("?").to_owned();
        thread::spawn(move || {
            if over.recv_timeout(Self::LIMIT) == Err(RecvTimeoutError::Timeout) {
                eprintln!("test {name} is stuck");
                std::process::exit(101);
            }
        });
        Self(alive)
    }
}

/// A future that is polled only after it was woken, whatever wakes those around it.
pub(crate) struct Strict<F> {
    future: Pin<Box<F>>,
    waker: Arc<Flag>,
    /// How often it was polled.
    pub(crate) polls: usize,
}

struct Flag {
    woken: AtomicBool,
    around: Mutex<Waker>,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.around.lock().unwrap().wake_by_ref();
    }
}

impl<F: Future> Strict<F> {
    pub(crate) fn new(future: F) -> Self {
        Self {
            future: Box::pin(future),
            waker: Arc::new(Flag {
                woken: AtomicBool::new(true),
                around: Mutex::new(Waker::noop().clone()),
            }),
            polls: 0,
        }
    }
}

impl<F: Future> Future for Strict<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        *self.waker.around.lock().unwrap() = cx.waker().clone();
        if !self.waker.woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        self.polls += 1;
        let waker = Waker::from(self.waker.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

/// Two sides, each polled only when it was woken itself.
pub(crate) async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(Strict::new(a)), pin!(Strict::new(b)));
    let (mut from_a, mut from_b) = (None, None);
    poll_fn(|cx| {
        if from_a.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(cx)
        {
            from_a = Some(output);
        }
        if from_b.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(cx)
        {
            from_b = Some(output);
        }
        match (from_a.take(), from_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (from_a, from_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
