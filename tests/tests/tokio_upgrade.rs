//! What only the tokio adapter has: deadlines on tokio's clock, `Framed`, and the ways an upgrade can go wrong on a socket.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::SinkExt;
use starttls_protocols::smtp;
use starttls_tests::certs::{client, server};
use starttls_tokio::starttls_core::{Error as CoreError, Limits, Misuse};
use starttls_tokio::{
    Deadlines, Error, Opportunistic, PlainStream, TlsStream, UpgradeableStream, codec,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;
use tokio_util::codec::{Framed, LinesCodec};

async fn tls_pair() -> (TlsStream<DuplexStream>, TlsStream<DuplexStream>) {
    let (here, there) = duplex(4096);
    tokio::try_join!(
        PlainStream::new(here).start_tls(client()),
        PlainStream::new(there).start_tls(server())
    )
    .unwrap()
}

/// S19: a peer that says nothing, and one that says a byte each second.
#[tokio::test(start_paused = true)]
async fn a_silent_or_slow_peer_meets_the_deadline() {
    for byte_a_second in [false, true] {
        let (here, mut there) = duplex(4096);
        let start = Instant::now();
        let upgrade = PlainStream::new(here).upgrade(smtp::Client::new("me"), client());
        let drip = async {
            for byte in b"220 ".iter().chain(&[b'x'; 1000]) {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if byte_a_second && there.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            result = upgrade => assert!(matches!(result, Err(Error::Deadline { .. }))),
            () = drip => panic!("the peer outlasted the upgrade"),
        }
        assert_eq!(start.elapsed(), Duration::from_secs(30));
        // The connection is closed: nothing can be written on it in plaintext.
        assert!(there.write_all(b"hello?").await.is_err());
    }
}

/// One deadline over both: what the negotiation has used is not there for the handshake.
#[tokio::test(start_paused = true)]
async fn negotiation_and_handshake_share_a_deadline() {
    let (here, mut there) = duplex(4096);
    let start = Instant::now();
    let upgrade = PlainStream::new(here)
        .with_deadlines(Deadlines::default().upgrade(Duration::from_secs(10)))
        .upgrade(smtp::Client::new("me"), client());
    let peer = async {
        for reply in ["220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "220 go\r\n"] {
            tokio::time::sleep(Duration::from_secs(3)).await;
            there.write_all(reply.as_bytes()).await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = upgrade => assert!(matches!(result, Err(Error::Deadline { .. }))),
        () = peer => {}
    }
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_off_only_by_name() {
    let (here, _there) = duplex(4096);
    let plain =
        PlainStream::new(here).with_deadlines(Deadlines::default().without_upgrade_deadline());
    let patient = tokio::time::timeout(Duration::from_secs(100_000), plain.start_tls(client()));
    assert!(patient.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn closing_has_a_deadline() {
    // a peer that does not take our close_notify
    let (mut tls, peer) = tls_pair().await;
    let filled = poll_until_pending(&mut tls).await;
    assert!(filled > 4096);
    let start = Instant::now();
    let error = tls.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), Deadlines::DEFAULT);
    drop(peer);

    // a peer that does not answer it
    let (tls, peer) = tls_pair().await;
    let start = Instant::now();
    assert!(matches!(tls.stop_tls().await, Err(Error::Deadline { .. })));
    assert_eq!(start.elapsed(), Deadlines::DEFAULT);
    drop(peer);
}

/// Writes until nothing is taken any more; how much was.
async fn poll_until_pending(tls: &mut TlsStream<DuplexStream>) -> usize {
    let mut taken = 0;
    loop {
        let mut write = pin!(tls.write(&[7; 1000]));
        match std::future::poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await {
            Poll::Ready(n) => taken += n.unwrap(),
            Poll::Pending => return taken,
        }
    }
}

#[tokio::test]
async fn a_framed_is_upgraded_and_smuggles_nothing() {
    for injected in ["", "INJECTED\n", "no line end"] {
        let (here, there) = duplex(4096);
        let (mut framed, mut peer) = (
            Framed::new(PlainStream::new(here), LinesCodec::new()),
            PlainStream::new(there),
        );
        let upgrade = async {
            use futures_util::{SinkExt, StreamExt};
            framed.send("STARTTLS".to_owned()).await.unwrap();
            assert_eq!(framed.next().await.unwrap().unwrap(), "OK");
            // Encoded and not sent: still plaintext, still in front.
            framed.feed("LAST WORDS".to_owned()).await.unwrap();
            let (tls, codec) = codec::start_tls(framed, client()).await?;
            let mut framed = Framed::new(tls, codec);
            framed.send("PING".to_owned()).await.unwrap();
            Ok::<_, Error>(framed.next().await.unwrap().unwrap())
        };
        let peer = async {
            let mut line = String::new();
            peer.read_line(&mut line).await.unwrap();
            peer.write_all(format!("OK\n{injected}").as_bytes())
                .await
                .unwrap();
            peer.flush().await.unwrap();
            if injected.is_empty() {
                peer.read_line(&mut line).await.unwrap();
                // Its ClientHello may have come with the last words.
                let mut tls = peer.start_tls_with_unread(server()).await.unwrap();
                tls.read_line(&mut line).await.unwrap();
                tls.write_all(b"PONG\n").await.unwrap();
                tls.flush().await.unwrap();
                assert_eq!(line, "STARTTLS\nLAST WORDS\nPING\n");
            }
        };
        match tokio::join!(upgrade, peer).0 {
            Ok(pong) => assert_eq!((pong.as_str(), injected), ("PONG", "")),
            Err(Error::Protocol(CoreError::UnreadPlaintext { count, sample })) => {
                assert_eq!(
                    (count, sample.as_bytes()),
                    (injected.len(), injected.as_bytes())
                );
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// S5: declining is another result, to be matched; every other failure is an error, and nothing goes on in plaintext.
#[tokio::test]
async fn only_who_asks_for_it_goes_on_without_tls() {
    for (says, declined) in [
        ("220 hi\r\n250 hi\r\n", true),
        ("220 hi\r\n250-hi\r\n250 STARTTLS\r\n454 no\r\n", true),
        ("220 hi\r\n250-hi\r\n250 STARTTLS\r\n250 what\r\n", false),
        ("220 hi\r\n250-hi\r\n250 STARTTLS\r\n421 bye\r\n", false),
        (
            "220 hi\r\n250-hi\r\n250 STARTTLS\r\n220 go\r\nMORE\r\n",
            false,
        ),
        ("garbage\r\n", false),
        ("220 hi", false),
    ] {
        let required = PlainStream::with_prefix(
            tokio::io::join(tokio::io::empty(), tokio::io::sink()),
            says.as_bytes(),
        );
        let wire = tokio::io::join(tokio::io::empty(), tokio::io::sink());
        let optional = PlainStream::with_prefix(wire, says.as_bytes());
        assert!(
            required
                .upgrade(smtp::Client::new("me"), client())
                .await
                .is_err()
        );
        match optional
            .upgrade_opportunistically(smtp::Client::new("me"), client())
            .await
        {
            Ok(Opportunistic::Declined { plain, reason }) => {
                assert!(declined && reason.is_declined(), "{says:?}");
                assert_eq!(plain.buffered(), b"");
            }
            Ok(Opportunistic::Tls(_)) => panic!("there is no TLS in {says:?}"),
            Err(error) => assert!(!declined, "{says:?}: {error}"),
        }
    }
}

#[tokio::test]
async fn in_place_and_back_and_again() {
    let (here, there) = duplex(4096);
    let mut stream = UpgradeableStream::new(here);
    let mut peer = UpgradeableStream::new(there);
    for round in 0..3 {
        assert!(stream.tls().is_none() && stream.plain().is_some());
        let (up, down) = tokio::join!(stream.start_tls(client()), peer.start_tls(server()));
        up.and(down).unwrap();
        assert!(stream.tls().is_some() && stream.plain().is_none());
        assert!(matches!(
            stream.start_tls(client()).await,
            Err(Error::Protocol(CoreError::Misuse(Misuse::Finished)))
        ));
        stream.write_all(&[round]).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(peer.read_u8().await.unwrap(), round);
        let (up, down) = tokio::join!(stream.stop_tls(), peer.stop_tls());
        up.and(down).unwrap();
    }
}

/// S16: a megabyte each way at the same time, over pipes smaller than any record.
#[tokio::test]
async fn a_megabyte_each_way_over_small_pipes() {
    const SIZE: usize = 1 << 20;
    for pipe in [1, 13, 64, 256, 1024, 4096] {
        let (here, there) = duplex(pipe);
        let both = async |tls: TlsStream<DuplexStream>| {
            let (mut reader, mut writer) = tokio::io::split(tls);
            let write = async {
                writer.write_all(&vec![7; SIZE]).await.unwrap();
                writer.shutdown().await.unwrap();
            };
            let read = async {
                let mut received = Vec::new();
                reader.read_to_end(&mut received).await.unwrap();
                assert!(received.len() == SIZE && received.iter().all(|byte| *byte == 7));
            };
            tokio::join!(write, read);
        };
        // Each side goes on to use its stream in the same future: the last flight of the other may still be under way.
        tokio::join!(
            async { both(PlainStream::new(here).start_tls(client()).await.unwrap()).await },
            async { both(PlainStream::new(there).start_tls(server()).await.unwrap()).await },
        );
    }
}

/// An upgrade that is dropped half-done leaves a stream that is good for nothing.
#[tokio::test]
async fn a_dropped_upgrade_leaves_no_plaintext() {
    let (here, mut there) = duplex(4096);
    let mut stream = UpgradeableStream::new(here);
    {
        let mut upgrade = pin!(stream.start_tls(client()));
        let poll = std::future::poll_fn(|cx| Poll::Ready(upgrade.as_mut().poll(cx))).await;
        assert!(poll.is_pending());
    }
    let errors = [
        stream.write_all(b"secret").await.unwrap_err(),
        stream.flush().await.unwrap_err(),
        stream.read(&mut [0; 9]).await.unwrap_err(),
        stream.fill_buf().await.unwrap_err(),
        stream.shutdown().await.unwrap_err(),
        stream.start_tls(client()).await.unwrap_err().into(),
        stream.stop_tls().await.unwrap_err().into(),
    ];
    for error in errors {
        assert!(matches!(
            Error::from(error),
            Error::Protocol(CoreError::Misuse(Misuse::HalfUpgraded))
        ));
    }
    // What the peer gets is a ClientHello and the end.
    let mut wire = Vec::new();
    there.read_to_end(&mut wire).await.unwrap();
    assert_eq!(wire[0], 0x16);
    assert!(!wire.windows(6).any(|window| window == b"secret"));
}

/// S4: once the upgrade has begun, the first byte on the wire after the go-ahead is a TLS record.
#[tokio::test]
async fn the_go_ahead_leaves_before_tls_and_nothing_else_does() {
    let (here, mut there) = duplex(64);
    let upgrade = PlainStream::new(here).upgrade(smtp::Server::new("mail"), server());
    let peer = async {
        there.write_all(b"EHLO me\r\nSTARTTLS\r\n").await.unwrap();
        let mut wire = Vec::new();
        while !wire.ends_with(b"Ready to start TLS\r\n") {
            wire.push(there.read_u8().await.unwrap());
        }
        // A server that hears nonsense answers with an alert: seven bytes, all of them (S10).
        there.write_all(b"PLAIN\r\n").await.unwrap();
        let mut alert = Vec::new();
        there.read_to_end(&mut alert).await.unwrap();
        alert
    };
    let (result, alert) = tokio::join!(upgrade, peer);
    assert!(matches!(
        result,
        Err(Error::Protocol(CoreError::NotTls { .. }))
    ));
    assert_eq!(alert.len(), 7);
    assert_eq!(alert[..3], [0x15, 3, 3]);
}

/// S21: whom we speak to is what the caller said, not what the greeting says.
#[tokio::test]
async fn a_greeting_does_not_choose_the_name() {
    let (here, there) = duplex(4096);
    let elsewhere =
        starttls_tests::certs::client_to(&starttls_tests::certs::CLIENT, "elsewhere.example");
    let (ours, theirs) = tokio::join!(
        PlainStream::new(here).upgrade(smtp::Client::new("me"), elsewhere),
        // The certificate is for `localhost`, the greeting says the name that the client wants.
        PlainStream::new(there).upgrade(smtp::Server::new("elsewhere.example"), server()),
    );
    assert!(matches!(ours, Err(Error::Protocol(CoreError::Tls(_)))));
    assert!(matches!(theirs, Err(Error::Protocol(CoreError::Tls(_)))));
}

/// S32: what a codec has queued is sent within the deadline of the upgrade.
#[tokio::test(start_paused = true)]
async fn the_last_words_of_a_codec_meet_the_deadline() {
    let (here, _there) = duplex(16);
    let limit = Duration::from_secs(3);
    let plain = PlainStream::new(here).with_deadlines(Deadlines::default().upgrade(limit));
    let mut framed = Framed::new(plain, LinesCodec::new());
    framed.set_backpressure_boundary(1 << 20);
    framed.feed("x".repeat(200_000)).await.unwrap();
    let start = Instant::now();
    let upgraded = codec::start_tls(framed, client()).await;
    assert!(matches!(upgraded, Err(Error::Deadline { .. })));
    assert_eq!(start.elapsed(), limit);
}

/// S32: each shutdown has the whole of its time, also when the one before was given up a moment ago.
#[tokio::test(start_paused = true)]
async fn a_shutdown_has_a_deadline_of_its_own() {
    let limit = Duration::from_secs(30);
    let (mut tls, _peer) = tls_pair().await;
    poll_until_pending(&mut tls).await;
    let given_up = tokio::time::timeout(limit / 3, tls.shutdown()).await;
    assert!(given_up.is_err());
    let start = Instant::now();
    let error = tls.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), limit);

    let (here, _there) = duplex(16);
    let mut plain = PlainStream::new(here);
    plain.write_all(&[7; 1000]).await.unwrap();
    assert!(
        tokio::time::timeout(limit / 3, plain.shutdown())
            .await
            .is_err()
    );
    let start = Instant::now();
    let error = plain.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), limit);
}

/// S32: a runtime without a timer is found out at the first call that has a deadline, whether or not there is anything to wait for; and without deadlines
/// it is not missed.
#[test]
fn a_runtime_without_a_timer_panics_always_or_never() {
    let without_timer = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    };
    let panics = |test: &dyn Fn()| catch_unwind(AssertUnwindSafe(test)).is_err();
    let none = Deadlines::default()
        .without_upgrade_deadline()
        .without_close_deadline();
    let close = Deadlines::default().without_upgrade_deadline();
    let limits = Limits::default;
    let pair = async |deadlines: Deadlines| {
        let (here, there) = duplex(4096);
        tokio::try_join!(
            TlsStream::implicit_with(here, client(), limits(), deadlines),
            TlsStream::implicit_with(there, server(), limits(), deadlines)
        )
        .unwrap()
    };
    for blocked in [false, true] {
        for (deadlines, expected) in [(none, false), (close, true)] {
            let shutdown = || {
                without_timer().block_on(async {
                    let (mut tls, _peer) = pair(deadlines).await;
                    if blocked {
                        poll_until_pending(&mut tls).await;
                    }
                    let mut cx = Context::from_waker(Waker::noop());
                    let _ = Pin::new(&mut tls).poll_shutdown(&mut cx);
                });
            };
            assert_eq!(panics(&shutdown), expected);
        }
    }
    let upgrade = || {
        without_timer().block_on(async {
            let (here, _there) = duplex(16);
            let _ = PlainStream::new(here).start_tls(client()).await;
        });
    };
    assert!(panics(&upgrade));
}
