//! What the feature `tracing` tells: one event for each upgrade, with the reason and never a word of the peer's.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use starttls_protocols::smtp;
use starttls_stream::Deadlines;
use starttls_tests::certs::{client, server};
use starttls_tokio::PlainStream;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber};

/// Remembers the events of ours, each as a line.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "seconds" {
            self.0 += " seconds";
        } else {
            write!(self.0, " {field}={value:?}").unwrap();
        }
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "starttls"
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The events of what this does, on a runtime of this thread.
fn events<F: Future>(
    test: impl FnOnce(PlainStream<DuplexStream>, DuplexStream) -> F,
) -> Vec<String> {
    let heard = Heard::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    with_default(heard.clone(), || {
        let (here, there) = duplex(1 << 16);
        runtime.block_on(test(PlainStream::new(here), there));
    });
    std::mem::take(&mut *heard.0.lock().unwrap())
}

#[test]
fn an_upgrade_is_one_event_on_each_side() {
    let events = events(async |here, there| {
        let (here, there) = tokio::join!(
            here.upgrade(smtp::Client::new("me"), client()),
            PlainStream::new(there).upgrade(smtp::Server::new("mx"), server())
        );
        let (mut here, _there) = (here.unwrap(), there.unwrap());
        here.write_all(b"x").await.unwrap();
        here.shutdown().await.unwrap();
    });
    assert_eq!(events.len(), 2, "{events:?}");
    for event in events {
        assert!(
            event.starts_with("INFO message=TLS is up version=TLSv1_3"),
            "{event}"
        );
        assert!(event.ends_with("resumed=false seconds"), "{event}");
        assert!(
            event.contains(" cipher_suite=TLS13_") && event.contains(" group="),
            "{event}"
        );
    }
}

#[test]
fn a_refusal_is_told_with_its_code_and_not_its_words() {
    let events = events(async |here, mut there| {
        there
            .write_all(b"220 evil\x1b[2J\r\n250-evil\r\n250 STARTTLS\r\n454 evil\r\n")
            .await
            .unwrap();
        let _ = here.upgrade(smtp::Client::new("me"), client()).await;
    });
    assert_eq!(
        events,
        ["INFO message=no TLS reason=\"refused\" code=454 seconds"]
    );
}

#[test]
fn failures_are_warnings() {
    let silent = events(async |here, _there| {
        let soon = Deadlines::default();
        let _ = here.with_deadlines(soon).start_tls(client()).await;
    });
    assert_eq!(silent, ["WARN message=no TLS reason=\"deadline\" seconds"]);

    let plaintext = events(async |here, mut there| {
        there.write_all(b"220 evil\r\n").await.unwrap();
        let _ = here.start_tls(client()).await;
    });
    assert_eq!(
        plaintext,
        ["WARN message=no TLS reason=\"not_tls\" seconds"]
    );

    let gone = events(async |here, there| {
        drop(there);
        let _ = here.accept().await;
    });
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert!(
        gone[0].starts_with("WARN message=no TLS reason="),
        "{gone:?}"
    );
}
