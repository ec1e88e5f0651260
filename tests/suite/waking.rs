//! S15: whoever is pending is woken when there is something to do, and not polled otherwise. Under [`Strict`] all other tests show the first.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use super::strict::Strict;
use super::*;

pub(crate) fn an_idle_stream_is_not_polled<R: Runtime>() {
    let ((mut here, at_here), (mut there, _)) = connected::<R>(4096);
    let calls = || at_here.faults.calls.load(Ordering::SeqCst);
    R::run(async {
        let mut reading = pin!(Strict::new(here.read_exact(1)));
        poll_fn(|cx| {
            assert!(reading.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let before = calls();
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(5));
            poll_fn(|cx| {
                assert!(reading.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        assert_eq!((reading.polls, calls()), (1, before));
        there.send(b"x").await.unwrap();
        assert_eq!(reading.await.unwrap(), b"x");
    });
}

/// As many polls as there are flights and buffers to fill, not as there is time.
pub(crate) fn polls_are_bounded<R: Runtime>() {
    let ((here, at_here), (there, at_there)) = R::pair(4096);
    let calls = |watch: &Watch| watch.faults.calls.load(Ordering::SeqCst);
    let length = 1 << 20;
    R::run(async {
        let mut client_side = Strict::new(async {
            let tls = here.start_tls(client()).await.unwrap();
            tls.exchange(&data(length, 9)).await.unwrap()
        });
        let mut server_side = Strict::new(async {
            let tls = there.start_tls(server()).await.unwrap();
            tls.exchange(&data(length, 10)).await.unwrap()
        });
        strict::both(&mut client_side, &mut server_side).await;
        // Each poll moves a pipe's capacity, or half of it, in one of the directions.
        let most = 8 * length / 4096;
        assert!(client_side.polls < most, "{}", client_side.polls);
        assert!(server_side.polls < most, "{}", server_side.polls);
    });
    // Each poll reads and writes until there is no more to be had.
    let most = 8 * 8 * length / 4096;
    assert!(calls(&at_here) < most, "{}", calls(&at_here));
    assert!(calls(&at_there) < most, "{}", calls(&at_there));
}

/// S33: who has got what it waited for is forgotten. A waker can hold a whole task, with all that it holds.
pub(crate) fn a_waker_is_let_go<R: Runtime>() {
    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    let ((mut here, at_here), (mut there, _)) = connected::<R>(1000);
    let task = Arc::new(Task);
    let waker = Waker::from(task.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(pin!(here.read(&mut [0])).poll(&mut cx).is_pending());
    let mut written = 0;
    while let Poll::Ready(n) = pin!(here.write(&[1; 100])).poll(&mut cx) {
        written += n.unwrap();
    }
    assert!(pin!(here.flush()).poll(&mut cx).is_pending());
    assert!(Arc::strong_count(&task) > 2);
    drop(waker);

    // Another task goes on with both, and is done.
    at_here.narrow(1 << 20);
    R::run(async {
        here.flush().await.unwrap();
        assert_eq!(there.read_exact(written).await.unwrap().len(), written);
        there.send(b"x").await.unwrap();
        assert_eq!(here.read_exact(1).await.unwrap(), b"x");
    });
    assert_eq!(Arc::strong_count(&task), 1);
}
