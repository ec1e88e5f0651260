//! A transport in memory for every runtime, with the faults that real ones have.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use futures_util::io as futures_io;
use starttls_stream::{Duplicate, Transport};
use tokio::io as tokio_io;

/// Two ends of a pipe that holds `capacity` bytes in each direction.
pub(crate) fn pipe(capacity: usize) -> (End, End) {
    let (there, back) = (Channel::new(capacity), Channel::new(capacity));
    (End::new(back.clone(), there.clone()), End::new(there, back))
}

/// One direction. It remembers one waker a side, as sockets do: the last one.
struct Channel {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// Everything that ever went in.
    history: Vec<u8>,
    ended: bool,
    /// Nobody will ever read.
    broken: bool,
    changes: usize,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone, Copy)]
enum Side {
    Reader,
    Writer,
}

impl State {
    fn waker(&mut self, side: Side) -> &mut Option<Waker> {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }
}

impl Channel {
    fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                capacity,
                ..State::default()
            }),
            changed: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Makes a change and wakes the one side that it matters to, no other.
    fn change<R>(&self, for_whom: Side, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let result = change(&mut state);
        state.changes += 1;
        let waker = state.waker(for_whom).take();
        drop(state);
        self.changed.notify_all();
        waker.into_iter().for_each(Waker::wake);
        result
    }

    fn try_read(&self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        let state = self.state();
        if state.bytes.is_empty() {
            return state.ended.then_some(Ok(0));
        }
        drop(state);
        Some(self.change(Side::Writer, |state| {
            // Its two parts.
            let n = state.bytes.read(buf)?;
            Ok(n + state.bytes.read(&mut buf[n..])?)
        }))
    }

    fn try_write(&self, buf: &[u8]) -> Option<io::Result<usize>> {
        let state = self.state();
        if state.broken || state.ended {
            return Some(Err(ErrorKind::BrokenPipe.into()));
        }
        let n = buf
            .len()
            .min(state.capacity.saturating_sub(state.bytes.len()));
        drop(state);
        if n == 0 && !buf.is_empty() {
            return None;
        }
        self.push(&buf[..n]);
        Some(Ok(n))
    }

    fn push(&self, bytes: &[u8]) {
        self.change(Side::Reader, |state| {
            state.bytes.extend(bytes);
            state.history.extend_from_slice(bytes);
        });
    }
}

/// One end of a [`pipe`]; both directions end when all its clones are gone.
#[derive(Clone, Debug)]
pub(crate) struct End {
    shared: Arc<Shared>,
}

struct Shared {
    incoming: Arc<Channel>,
    outgoing: Arc<Channel>,
    faults: Arc<Faults>,
    /// Written and not flushed yet, where [`Faults::buffering`] says so.
    held: Mutex<Vec<u8>>,
}

/// What is wrong with an end.
#[derive(Default)]
pub(crate) struct Faults {
    /// What is written leaves with a flush, or when more than 4 KiB are held.
    pub(crate) buffering: AtomicBool,
    /// A flush is pending once before it is done. (Where nothing can be pending it has no effect.)
    pub(crate) slow_flush: AtomicBool,
    /// Writing takes nothing, which is no error.
    pub(crate) writes_nothing: AtomicBool,
    /// Reading and writing say [`ErrorKind::WouldBlock`] as an error, with no waker armed.
    pub(crate) would_block: AtomicBool,
    /// How often any of the transport's functions was called.
    pub(crate) calls: AtomicUsize,
    flushed_once: AtomicBool,
    timeouts: Mutex<[Option<Duration>; 2]>,
}

impl Faults {
    fn has(fault: &AtomicBool) -> bool {
        fault.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.incoming
            .change(Side::Writer, |state| state.broken = true);
        self.outgoing
            .change(Side::Reader, |state| state.ended = true);
    }
}

/// To look at an end and to interfere with it, without keeping it open.
#[derive(Clone)]
pub(crate) struct Watch {
    incoming: Arc<Channel>,
    outgoing: Arc<Channel>,
    /// The end's faults.
    pub(crate) faults: Arc<Faults>,
}

impl Watch {
    /// Everything that this end has sent.
    pub(crate) fn sent(&self) -> Vec<u8> {
        self.outgoing.state().history.clone()
    }

    /// How much it has sent, and forgets what that was.
    pub(crate) fn forget_sent(&self) -> usize {
        std::mem::take(&mut self.outgoing.state().history).len()
    }

    /// The other end reads no more, and that is told by writing.
    pub(crate) fn break_writing(&self) {
        self.outgoing
            .change(Side::Writer, |state| state.broken = true);
    }

    /// How much is there for the end to receive.
    pub(crate) fn to_be_received(&self) -> usize {
        self.incoming.state().bytes.len()
    }

    /// Puts bytes before the end as if the other had sent them.
    pub(crate) fn inject(&self, bytes: &[u8]) {
        self.incoming.push(bytes);
    }

    /// Ends what the end receives behind what it was sent.
    pub(crate) fn cut(&self) {
        self.incoming
            .change(Side::Reader, |state| state.ended = true);
    }

    /// The other end is gone, or does not listen.
    pub(crate) fn is_closed(&self) -> bool {
        self.outgoing.state().ended
    }

    /// Holds no more than this from now on.
    pub(crate) fn narrow(&self, capacity: usize) {
        self.outgoing.state().capacity = capacity;
    }

    /// Lets blocking calls give up soon.
    pub(crate) fn be_impatient(&self) {
        *self.faults.timeouts.lock().unwrap() = [Some(Duration::from_millis(5)); 2];
    }

    /// Lets them take their time again.
    pub(crate) fn be_patient(&self) {
        *self.faults.timeouts.lock().unwrap() = [None; 2];
    }
}

impl End {
    fn new(incoming: Arc<Channel>, outgoing: Arc<Channel>) -> Self {
        Self {
            shared: Arc::new(Shared {
                incoming,
                outgoing,
                faults: Arc::default(),
                held: Mutex::default(),
            }),
        }
    }

    /// See [`Watch`].
    pub(crate) fn watch(&self) -> Watch {
        Watch {
            incoming: self.shared.incoming.clone(),
            outgoing: self.shared.outgoing.clone(),
            faults: self.shared.faults.clone(),
        }
    }

    fn faults(&self) -> &Faults {
        self.shared.faults.calls.fetch_add(1, Ordering::SeqCst);
        &self.shared.faults
    }

    fn try_read(&self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        if Faults::has(&self.faults().would_block) {
            return Some(Err(ErrorKind::WouldBlock.into()));
        }
        self.shared.incoming.try_read(buf)
    }

    fn try_write(&self, buf: &[u8]) -> Option<io::Result<usize>> {
        let faults = self.faults();
        if Faults::has(&faults.would_block) {
            return Some(Err(ErrorKind::WouldBlock.into()));
        }
        if Faults::has(&faults.writes_nothing) {
            return Some(Ok(0));
        }
        if !Faults::has(&faults.buffering) {
            return self.shared.outgoing.try_write(buf);
        }
        let full = self.shared.held.lock().unwrap().len() > 4096;
        if full && let Err(error) = self.try_flush()? {
            return Some(Err(error));
        }
        self.shared.held.lock().unwrap().extend_from_slice(buf);
        Some(Ok(buf.len()))
    }

    fn try_flush(&self) -> Option<io::Result<()>> {
        let mut held = self.shared.held.lock().unwrap();
        while !held.is_empty() {
            match self.shared.outgoing.try_write(&held)? {
                Ok(n) => drop(held.drain(..n)),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(()))
    }

    fn try_close(&self) -> Option<io::Result<()>> {
        let flushed = self.try_flush()?;
        self.shared
            .outgoing
            .change(Side::Reader, |state| state.ended = true);
        Some(flushed)
    }

    fn poll_reading<R>(
        &self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> Option<R>,
    ) -> Poll<R> {
        poll(&self.shared.incoming, cx, Side::Reader, &mut attempt)
    }

    fn poll_writing<R>(
        &self,
        cx: &mut Context<'_>,
        mut attempt: impl FnMut() -> Option<R>,
    ) -> Poll<R> {
        poll(&self.shared.outgoing, cx, Side::Writer, &mut attempt)
    }

    fn poll_flushing(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let faults = self.faults();
        if Faults::has(&faults.slow_flush) && !faults.flushed_once.fetch_xor(true, Ordering::SeqCst)
        {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.poll_writing(cx, || self.try_flush())
    }

    fn block<R>(
        channel: &Channel,
        limit: Option<Duration>,
        mut attempt: impl FnMut() -> Option<io::Result<R>>,
    ) -> io::Result<R> {
        let until = limit.map(|limit| Instant::now() + limit);
        loop {
            let seen = channel.state().changes;
            if let Some(result) = attempt() {
                return result;
            }
            let mut state = channel.state();
            while state.changes == seen {
                let left = match until {
                    None => Duration::MAX,
                    Some(until) => until.saturating_duration_since(Instant::now()),
                };
                if left.is_zero() {
                    return Err(ErrorKind::WouldBlock.into());
                }
                (state, _) = channel.changed.wait_timeout(state, left).unwrap();
            }
        }
    }

    fn timeouts(&self) -> MutexGuard<'_, [Option<Duration>; 2]> {
        self.shared.faults.timeouts.lock().unwrap()
    }
}

/// Leaves the waker before the attempt that counts, so that no change is missed.
fn poll<R>(
    channel: &Channel,
    cx: &mut Context<'_>,
    side: Side,
    attempt: &mut impl FnMut() -> Option<R>,
) -> Poll<R> {
    if let Some(result) = attempt() {
        return Poll::Ready(result);
    }
    *channel.state().waker(side) = Some(cx.waker().clone());
    attempt().map_or(Poll::Pending, Poll::Ready)
}

impl Read for End {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let [limit, _] = *self.timeouts();
        Self::block(&self.shared.incoming, limit, || self.try_read(buf))
    }
}

impl Write for End {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let [_, limit] = *self.timeouts();
        Self::block(&self.shared.outgoing, limit, || self.try_write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        let [_, limit] = *self.timeouts();
        Self::block(&self.shared.outgoing, limit, || self.try_flush())
    }
}

impl Transport for End {
    fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.timeouts()[0])
    }

    fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.timeouts()[1])
    }

    fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.timeouts()[0] = limit;
        Ok(())
    }

    fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        self.timeouts()[1] = limit;
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let [_, limit] = *self.timeouts();
        Self::block(&self.shared.outgoing, limit, || self.try_close())
    }
}

impl Duplicate for End {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}

impl tokio_io::AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio_io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unfilled = buf.initialize_unfilled();
        self.poll_reading(cx, || self.try_read(unfilled))
            .map_ok(|n| buf.advance(n))
    }
}

impl tokio_io::AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(cx, || self.try_write(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flushing(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_writing(cx, || self.try_close())
    }
}

impl futures_io::AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_reading(cx, || self.try_read(buf))
    }
}

impl futures_io::AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(cx, || self.try_write(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flushing(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_writing(cx, || self.try_close())
    }
}
