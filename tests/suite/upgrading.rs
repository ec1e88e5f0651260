//! The main job, in both roles.

use std::sync::Arc;

use starttls_core::Error as CoreError;
use starttls_core::rustls::ProtocolVersion;
use starttls_protocols::smtp;
use starttls_stream::Error;
use starttls_tests::certs::{self, CERTS, SERVER, VERSIONS, client, pair_of, server};

use super::*;

pub(crate) fn ping_pong_in_both_roles<R: Runtime>() {
    for version in VERSIONS {
        let ((here, at_here), (there, at_there)) = R::pair(4096);
        let (client, server) = pair_of(version);
        let client_side = async || {
            let mut plain = here;
            plain.send(b"PING\n").await.unwrap();
            assert_eq!(plain.line().await.unwrap(), "PONG");
            plain.send(b"STARTTLS\n").await.unwrap();
            assert_eq!(plain.line().await.unwrap(), "OK");
            let mut tls = plain.start_tls(client).await.unwrap();
            tls.send(b"PING\n").await.unwrap();
            assert_eq!(tls.line().await.unwrap(), "PONG");
            tls.shutdown().await.unwrap();
            assert_eq!(tls.line().await.unwrap(), "");
            (tls.connection().protocol_version(), tls.tls_exporter())
        };
        let server_side = async || {
            let mut plain = there;
            assert_eq!(plain.line().await.unwrap(), "PING");
            plain.send(b"PONG\n").await.unwrap();
            assert_eq!(plain.line().await.unwrap(), "STARTTLS");
            // Queued: it leaves with the handshake, in front of it.
            plain.write_all(b"OK\n").await.unwrap();
            let mut tls = plain.start_tls(server).await.unwrap();
            assert_eq!(tls.line().await.unwrap(), "PING");
            tls.send(b"PONG\n").await.unwrap();
            assert_eq!(tls.line().await.unwrap(), "");
            tls.shutdown().await.unwrap();
            (tls.connection().protocol_version(), tls.tls_exporter())
        };
        let (at_client, at_server) = R::both(client_side, server_side);
        assert_eq!(at_client, at_server);
        assert_eq!(at_client.0, Some(version.version));
        assert_eq!(
            at_client.1.is_some(),
            version.version == ProtocolVersion::TLSv1_3
        );
        only_records_after(&at_here.sent(), b"PING\nSTARTTLS\n");
        only_records_after(&at_there.sent(), b"PONG\nOK\n");
    }
}

/// S4: behind the boundary there is nothing but TLS records.
fn only_records_after(sent: &[u8], plaintext: &[u8]) {
    let mut records = sent.strip_prefix(plaintext).expect("the plaintext first");
    assert_eq!(records[0], 0x16);
    while let [20..=23, 3, 1 | 3, high, low, rest @ ..] = records {
        records = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    assert_eq!(records, b"");
}

pub(crate) fn a_negotiator_in_both_roles<R: Runtime>() {
    let ((here, _), (there, _)) = R::pair(64);
    R::both(
        async || {
            let mut negotiator = smtp::Client::new("me.example");
            let mut tls = here.upgrade(&mut negotiator, client()).await.unwrap();
            tls.send(b"EHLO me.example\r\n").await.unwrap();
            tls.shutdown().await.unwrap();
        },
        async || {
            let negotiator = smtp::Server::new("mx.example");
            let mut tls = there.upgrade(negotiator, server()).await.unwrap();
            assert_eq!(tls.line().await.unwrap(), "EHLO me.example");
            assert_eq!(tls.line().await.unwrap(), "");
        },
    );
}

pub(crate) fn only_who_asks_for_it_goes_on_without_tls<R: Runtime>() {
    for opportunistic in [false, true] {
        let ((here, _), (there, _)) = R::pair(4096);
        R::both(
            async || {
                let negotiator = smtp::Client::new("me.example");
                if opportunistic {
                    let declined = here.upgrade_opportunistically(negotiator, client()).await;
                    let (mut plain, reason) = declined.unwrap().err().expect("no TLS");
                    let CoreError::Refused(refusal) = reason else {
                        panic!("{reason}");
                    };
                    assert_eq!(refusal.code, Some(454));
                    plain.send(b"QUIT\r\n").await.unwrap();
                } else {
                    let refused = here.upgrade(negotiator, client()).await;
                    let Err(Error::Protocol(CoreError::Refused(refusal))) = refused else {
                        panic!("no refusal");
                    };
                    assert_eq!(refusal.code, Some(454));
                }
            },
            async || {
                let mut plain = there;
                plain.send(b"220 mx.example\r\n").await.unwrap();
                plain.line().await.unwrap();
                plain
                    .send(b"250-mx.example\r\n250 STARTTLS\r\n")
                    .await
                    .unwrap();
                assert_eq!(plain.line().await.unwrap(), "STARTTLS");
                plain.send(b"454 not now\r\n").await.unwrap();
                let next = plain.line().await.unwrap();
                assert_eq!(next, if opportunistic { "QUIT" } else { "" });
            },
        );
    }
}

pub(crate) fn the_configuration_is_chosen_by_the_hello<R: Runtime>() {
    let ((here, _), (there, _)) = R::pair(4096);
    let other = Arc::new(certs::server_config_with(&CERTS.other, VERSIONS.as_slice()));
    let (certificates, ()) = R::both(
        async || {
            let connection = certs::client_to(&certs::CLIENT, "other.example");
            let mut tls = here.start_tls(connection).await.unwrap();
            assert_eq!(tls.line().await.unwrap(), "hello other.example");
            tls.connection().peer_certificates().unwrap().to_vec()
        },
        async || {
            let mut asked_for = None;
            let choose = |name: Option<&str>| {
                asked_for = name.map(str::to_owned);
                if name == Some("other.example") {
                    other.clone()
                } else {
                    SERVER.clone()
                }
            };
            let mut tls = there.accept(choose).await.unwrap();
            let hello = format!("hello {}\n", asked_for.unwrap());
            tls.send(hello.as_bytes()).await.unwrap();
        },
    );
    assert_eq!(certificates, std::slice::from_ref(&CERTS.other.certificate));
}

/// Bytes that somebody else has read are the beginning of the connection: as plaintext, or as TLS where the protocol lets them.
pub(crate) fn what_was_read_before_is_not_lost<R: Runtime>() {
    let (here, there) = pipe::pipe(4096);
    R::both(
        async || {
            let mut plain = R::Plain::new(R::io(here));
            // A PROXY header, a ClientHello behind it at once.
            plain.write_all(b"PROXY TCP4\r\n").await.unwrap();
            let mut tls = plain.start_tls(client()).await.unwrap();
            tls.send(b"hello\n").await.unwrap();
            assert_eq!(tls.line().await.unwrap(), "goodbye");
        },
        async || {
            let mut somebody = R::Plain::new(R::io(there));
            let mut read = somebody.read_exact(15).await.unwrap();
            let (io, unread, unsent) = somebody.into_parts();
            assert_eq!(unsent, b"");
            read.extend(unread);
            let mut plain = R::Plain::with_prefix(io, &read);
            assert_eq!(plain.line().await.unwrap(), "PROXY TCP4");
            assert_eq!(plain.buffered()[0], 0x16);
            let mut tls = plain.start_tls_with_unread(server()).await.unwrap();
            assert_eq!(tls.line().await.unwrap(), "hello");
            tls.send(b"goodbye\n").await.unwrap();
        },
    );
}

pub(crate) fn tls_from_the_first_byte<R: Runtime>() {
    let (here, there) = pipe::pipe(4096);
    R::both(
        async || {
            let mut tls = R::Tls::implicit(R::io(here), client()).await.unwrap();
            tls.send(b"hello\n").await.unwrap();
        },
        async || {
            let mut tls = R::Tls::implicit(R::io(there), server()).await.unwrap();
            assert_eq!(tls.line().await.unwrap(), "hello");
        },
    );
}

pub(crate) fn a_server_that_is_not_trusted_gets_an_alert<R: Runtime>() {
    let ((here, _), (there, _)) = R::pair(1);
    R::both(
        async || {
            let config = Arc::new(certs::client_config_without_roots());
            let error = here.start_tls(certs::client_of(&config)).await.err();
            assert!(matches!(error, Some(Error::Protocol(CoreError::Tls(_)))));
        },
        async || {
            let error = there.start_tls(server()).await.err().expect("no TLS");
            let told = error.to_string();
            assert!(told.contains("UnknownCA"), "{told}");
        },
    );
}

pub(crate) fn small_pipes_and_a_lot_both_ways<R: Runtime>() {
    for capacity in [1, 13, 64, 256, 1024, 4096] {
        // A byte at a time takes its time: as many bytes as are a few seconds' work.
        let length = (capacity * 16 * 1024).min(1024 * 1024);
        let ((here, _), (there, _)) = R::pair(capacity);
        let (of_client, of_server) = (data(length, 1), data(length, 2));
        R::both(
            async || {
                let tls = here.start_tls(client()).await.unwrap();
                let (mut tls, received) = tls.exchange(&of_client).await.unwrap();
                assert!(received == of_server);
                tls.shutdown().await.unwrap();
                assert_eq!(tls.read_to_end().await.0, b"");
            },
            async || {
                let tls = there.start_tls(server()).await.unwrap();
                let (mut tls, received) = tls.exchange(&of_server).await.unwrap();
                assert!(received == of_client);
                tls.shutdown().await.unwrap();
                assert_eq!(tls.read_to_end().await.0, b"");
            },
        );
    }
}
