//! What the streams' errors look like to those who have them as `io::Error`, and to those who print them.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use starttls_core::{
    Error as CoreError, Misbehaviour, Misuse, Refusal, Stage, UntrustedText, rustls,
};
use starttls_protocols::diagnose::diagnose;
use starttls_stream::{Error, PlainStream};
use starttls_tests::certs::{client_config_without_roots, client_of, server};
use tokio::io::duplex;

/// All texts of a chain, the error's own first.
fn chain(error: &dyn std::error::Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    texts
}

fn some_of_each_kind() -> Vec<Error> {
    let words = UntrustedText::new(b"words");
    let core = [
        CoreError::NotOffered,
        CoreError::Refused(Refusal::new(454, b"not now")),
        CoreError::Misbehaved(Misbehaviour::Malformed {
            what: "reply",
            sample: words.clone(),
        }),
        CoreError::NotTls { sample: words },
        CoreError::Tls(rustls::Error::DecryptError),
        CoreError::Tls(rustls::CertificateError::UnknownIssuer.into()),
        CoreError::Truncated(Stage::Traffic),
        CoreError::Misuse(Misuse::Finished),
    ];
    let io = [
        io::Error::from_raw_os_error(104),
        io::Error::other(rustls::Error::DecryptError),
        io::Error::new(io::ErrorKind::BrokenPipe, "broken"),
        io::ErrorKind::ConnectionReset.into(),
    ];
    let core = core.into_iter().map(Error::from);
    core.chain(io.into_iter().map(|error| Error::Io(Arc::new(error))))
        .collect()
}

#[test]
fn a_chain_prints_nothing_twice() {
    for error in some_of_each_kind() {
        for texts in [chain(&error), chain(&io::Error::from(error.clone()))] {
            for (at, text) in texts.iter().enumerate() {
                let twice = texts[..at].iter().any(|before| before.contains(text));
                assert!(!twice, "{texts:?}");
            }
        }
    }
}

#[test]
fn an_io_error_is_taken_apart_again() {
    for error in some_of_each_kind() {
        let kind = error.kind();
        let io = io::Error::from(error.clone());
        assert_eq!(io.kind(), kind);
        let again = Error::from(io);
        assert_eq!(again.protocol(), error.protocol());
        assert_eq!(again.to_string(), error.to_string());
    }
}

#[tokio::test]
async fn a_tls_error_is_found_by_downcasting() {
    let (here, there) = duplex(4096);
    let untrusting = client_of(&Arc::new(client_config_without_roots()));
    let (here, there) = tokio::join!(
        starttls_tokio::PlainStream::new(here).start_tls(untrusting),
        starttls_tokio::PlainStream::new(there).start_tls(server())
    );
    for error in [here.err().unwrap(), there.err().unwrap()] {
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let inner = error.get_ref().unwrap();
        assert!(inner.is::<rustls::Error>(), "{error:?}");
    }
}

/// The number that the system has for it survives, from the handshake on and in the traffic.
#[test]
fn an_error_of_the_system_keeps_its_number() {
    let reset = |when_tls_is_up: bool| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let there = listener.accept().unwrap().0;
        if !when_tls_is_up {
            let mut here = PlainStream::new(here);
            // Closing a socket with something unread resets the connection.
            io::Write::write_all(&mut here, b"x").unwrap();
            there
                .set_read_timeout(Some(Duration::from_secs(60)))
                .unwrap();
            there.peek(&mut [0]).unwrap();
            drop(there);
            // The reset is there before anything else is sent.
            return io::Read::read(&mut here, &mut [0]).unwrap_err();
        }
        let serving = std::thread::spawn(|| PlainStream::new(there).start_tls(server()).unwrap());
        let client = starttls_tests::certs::client();
        let mut here = PlainStream::new(here).start_tls(client).unwrap();
        let there = serving.join().unwrap();
        io::Write::write_all(&mut here, b"x").unwrap();
        there.get_ref().peek(&mut [0]).unwrap();
        drop(there);
        io::Read::read_to_end(&mut here, &mut Vec::new()).unwrap_err()
    };
    for when_tls_is_up in [false, true] {
        let error = reset(when_tls_is_up);
        let known = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(known.contains(&error.kind()), "{error:?}");
        assert!(error.raw_os_error().is_some(), "{error:?}");
        assert!(matches!(Error::from(error), Error::Io(_)));
    }
}

/// What is wrong with the port is asked of a stream's error in one call.
#[tokio::test]
async fn a_stream_error_is_diagnosed() {
    let (here, mut there) = duplex(4096);
    let plain = starttls_tokio::PlainStream::new(here);
    let (failed, ()) = tokio::join!(plain.start_tls(starttls_tests::certs::client()), async {
        let greeting = b"220 mail.example.org ESMTP\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut there, greeting)
            .await
            .unwrap();
    });
    let found = diagnose(&failed.err().unwrap()).unwrap().to_string();
    assert!(found.contains("SMTP in plaintext"), "{found}");
    assert_eq!(diagnose(&Error::from(io::Error::other("x"))), None);
}
