//! S13: `Ok(n)` means that n bytes are taken, and whoever has to wait has given nothing away.

use super::*;

/// Writes until nothing is taken any more, each time other bytes; what was taken.
fn until_blocked(stream: &mut impl Writing, number: &mut u8) -> Vec<u8> {
    let mut taken = Vec::new();
    loop {
        let some = data(20_000, *number);
        *number = number.wrapping_add(1);
        match stream.try_write(&some) {
            Some(n) => taken.extend_from_slice(&some[..n.unwrap()]),
            None => return taken,
        }
    }
}

/// What arrives is exactly what was taken, also when the next attempt after a blocked one is about other bytes.
pub(crate) fn a_blocked_write_takes_nothing<R: Runtime>() {
    for (capacity, rounds) in [(13, 2), (100, 3), (5000, 20)] {
        let ((mut here, at_here), (mut there, _)) = connected::<R>(capacity);
        let mut number = 0;
        for _ in 0..rounds {
            at_here.be_impatient();
            let taken = until_blocked(&mut here, &mut number);
            assert!(taken.len() > 10_000, "{}", taken.len());
            at_here.be_patient();
            let (flushed, received) = R::both(
                async || here.flush().await,
                async || there.read_exact(taken.len()).await,
            );
            flushed.unwrap();
            assert!(received.unwrap() == taken);
        }
        R::both(
            async || here.shutdown().await.unwrap(),
            async || assert_eq!(there.read(&mut [0]).await.unwrap(), 0),
        );
    }
}

/// The same for plaintext, and for what is left of it when the upgrade begins.
pub(crate) fn a_blocked_plaintext_write_takes_nothing<R: Runtime>() {
    let ((mut here, at_here), (mut there, _)) = R::pair(100);
    at_here.be_impatient();
    let taken = until_blocked(&mut here, &mut 0);
    at_here.be_patient();
    R::both(
        async || {
            let mut tls = here.start_tls(client()).await.unwrap();
            tls.send(b"encrypted").await.unwrap();
        },
        async || {
            assert!(there.read_exact(taken.len()).await.unwrap() == taken);
            let mut tls = there.start_tls_with_unread(server()).await.unwrap();
            assert_eq!(tls.read_exact(9).await.unwrap(), b"encrypted");
        },
    );
}
