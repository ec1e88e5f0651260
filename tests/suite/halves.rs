//! One stream in two tasks, or threads: neither waits for the other.

use std::thread;

use super::*;

/// Each half on a thread of its own.
fn in_threads<R: Runtime>(
    halves: (<R::Tls as Split>::Reader, <R::Tls as Split>::Writer),
    read: impl AsyncFnOnce(&mut <R::Tls as Split>::Reader) + Send,
    write: impl AsyncFnOnce(&mut <R::Tls as Split>::Writer) + Send,
) -> R::Tls {
    let (mut reader, mut writer) = halves;
    thread::scope(|scope| {
        scope.spawn(|| R::run(write(&mut writer)));
        R::run(read(&mut reader));
    });
    R::Tls::reunite(reader, writer)
}

/// S16: megabytes in both directions over small pipes, four threads; then one stream again.
pub(crate) fn megabytes_both_ways_and_reunited<R: Runtime>() {
    for (capacity, length) in [(13, 100_000), (300, 1 << 20), (5000, 4 << 20)] {
        let ((here, _), (there, _)) = connected::<R>(capacity);
        let (of_here, of_there) = (data(length, 5), data(length, 6));
        let one_side = |tls: R::Tls, says: &[u8], hears: &[u8]| {
            in_threads::<R>(
                tls.split(),
                async |reader| assert!(reader.read_exact(hears.len()).await.unwrap() == hears),
                async |writer| {
                    for some in says.chunks(10_007) {
                        writer.write_all(some).await.unwrap();
                    }
                    writer.flush().await.unwrap();
                },
            )
        };
        let (mut here, mut there) = thread::scope(|scope| {
            let here = scope.spawn(|| one_side(here, &of_here, &of_there));
            let there = one_side(there, &of_there, &of_here);
            (here.join().unwrap(), there)
        });
        R::both(
            async || {
                here.send(b"PING\n").await.unwrap();
                let mut plain = here.stop_tls().await.unwrap();
                assert_eq!(plain.line().await.unwrap(), "PONG");
            },
            async || {
                assert_eq!(there.line().await.unwrap(), "PING");
                let mut plain = there.stop_tls().await.unwrap();
                plain.send(b"PONG\n").await.unwrap();
            },
        );
    }
}

/// Reunited with something received and unread, which is more than is decrypted at once, and something written and unsent.
pub(crate) fn reunited_in_the_middle<R: Runtime>() {
    let ((here, at_here), (there, _)) = R::pair(1000);
    let (here, mut peer) = R::both(
        async || {
            let mut here = here.start_tls(client()).await.unwrap();
            assert_eq!(here.read_exact(1).await.unwrap(), b"1");
            here
        },
        async || {
            let mut peer = Bare::handshake(there).await;
            peer.say(b"1").await;
            peer
        },
    );
    let (of_here, of_there) = (data(10_000, 12), data(100_000, 13));
    peer.tls.set_buffer_limit(None);
    let records = peer.records(&of_there);
    let (mut reader, mut writer) = here.split();
    // The beginning of a record, and when that was taken in, more than there is room for beside it.
    at_here.inject(&records[..100]);
    let beginning = thread::scope(|scope| {
        let reading = scope.spawn(|| R::run(reader.read_exact(10)).unwrap());
        while at_here.to_be_received() > 0 {
            thread::yield_now();
        }
        at_here.inject(&records[100..]);
        reading.join().unwrap()
    });
    let (mut here, mut peer) = R::both(
        async || {
            writer.write_all(&of_here).await.unwrap();
            let mut here = R::Tls::reunite(reader, writer);
            let rest = here.read_exact(of_there.len() - 10).await.unwrap();
            assert!([beginning, rest].concat() == of_there);
            here.flush().await.unwrap();
            here
        },
        async || {
            let mut received = 0;
            while received < of_here.len() {
                received += peer.hear().await;
            }
            peer
        },
    );
    R::run(async {
        peer.say(b"x").await;
        assert_eq!(here.read_exact(1).await.unwrap(), b"x");
    });
}

/// While one half is blocked writing the other reads.
pub(crate) fn a_blocked_writer_does_not_keep_the_reader<R: Runtime>() {
    let ((here, _), (mut there, _)) = connected::<R>(1024);
    let much = data(1 << 20, 7);
    thread::scope(|scope| {
        let peer = scope.spawn(|| {
            R::run(async {
                // It does not read before it has said everything.
                there.send(&much).await.unwrap();
                let (received, end) = there.read_to_end().await;
                end.unwrap();
                assert!(received == much);
            });
        });
        in_threads::<R>(
            here.split(),
            async |reader| assert!(reader.read_exact(much.len()).await.unwrap() == much),
            async |writer| {
                writer.send(&much).await.unwrap();
                writer.shutdown().await.unwrap();
            },
        );
        peer.join().unwrap();
    });
}

/// S14: what reading has to answer gets out while nobody writes, and behind what is being written while that is blocked.
pub(crate) fn a_key_update_is_answered<R: Runtime>() {
    for blocked in [false, true] {
        let ((here, _), (there, _)) = R::pair(1024);
        let length = if blocked { 1 << 18 } else { 0 };
        let much = data(length, 8);
        thread::scope(|scope| {
            scope.spawn(|| {
                let tls = R::run(here.start_tls(client())).unwrap();
                in_threads::<R>(
                    tls.split(),
                    async |reader| {
                        assert_eq!(reader.read_exact(2).await.unwrap(), b"12");
                        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
                    },
                    async |writer| {
                        if blocked {
                            writer.send(&much).await.unwrap();
                        }
                    },
                );
            });
            R::run(async {
                let mut peer = Bare::handshake(there).await;
                peer.say(b"1").await;
                peer.tls.refresh_traffic_keys().unwrap();
                peer.say(b"2").await;
                let mut received = 0;
                // The answer is the one record with no data in it.
                while received < length || peer.quiet_records == 0 {
                    received += peer.hear().await;
                }
                assert_eq!((received, peer.quiet_records), (length, 1));
                peer.tls.send_close_notify();
                peer.send().await;
            });
        });
    }
}

/// S10: the alert for a bad record leaves from the half that reads.
pub(crate) fn an_error_of_one_is_the_others<R: Runtime>() {
    let ((here, at_here), (mut there, _)) = connected::<R>(4096);
    let (mut reader, mut writer) = here.split();
    at_here.inject(&[0x17, 3, 3, 0, 20]);
    at_here.inject(&[0; 20]);
    R::run(async {
        let first = reader.read(&mut [0]).await.unwrap_err().to_string();
        assert_eq!(writer.write(b"x").await.unwrap_err().to_string(), first);
        assert_eq!(reader.read(&mut [0]).await.unwrap_err().to_string(), first);
        let told = there.read(&mut [0]).await.unwrap_err().to_string();
        assert!(told.contains("BadRecordMac"), "{told}");
    });
}
