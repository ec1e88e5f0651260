//! A real NATS server, and nats-py against ours.

use std::time::Duration;

use starttls_core::Error;
use starttls_protocols::nats;
use starttls_tokio::Error as StreamError;

use crate::inside::{connect, declined, greeted, inside, is_verified_in_each_version};
use crate::support::{Second, Server, file, must_fail, must_say, peers_python, port};

const NATS: u16 = 422;

#[tokio::test]
async fn nats_with_each_version() {
    is_verified_in_each_version(port(NATS), nats::Client::new).await;
}

#[tokio::test]
async fn nats_and_a_message_inside() {
    let mut client = nats::Client::new();
    let mut tls = inside(port(NATS), &mut client).await;
    let info = client.info().unwrap().into_inner();
    assert!(info.json().starts_with(b"{") && info.tls_required());
    tls.say("CONNECT {\"verbose\":false}").await;
    tls.say("PING").await;
    tls.lines(|line| line == "PONG").await;
    tls.say("SUB test 1").await;
    tls.say("PUB test 5\r\nhello").await;
    tls.lines(|line| line == "MSG test 1 5").await;
    assert_eq!(tls.line().await, "hello");
    tls.ends().await;
}

#[tokio::test]
async fn nats_without_tls_is_not_offered() {
    let second = Second::without_tls("nats");
    let reason = declined(second.port(NATS), nats::Client::new()).await;
    assert_eq!(reason, Error::NotOffered);
}

/// It greets whom it will not serve, and says why behind that.
#[tokio::test]
async fn nats_at_its_limit_says_goodbye() {
    let second = Second::start("nats", &[("PEERS_CONNECTIONS", "1")]);
    let first = greeted(second.port(NATS)).await;
    let plain = connect(second.port(NATS)).await;
    // Until both are there.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let outcome = plain.negotiate(nats::Client::new()).await;
    let Err(StreamError::Protocol(Error::Goodbye(refusal))) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(refusal.text.as_bytes(), b"'maximum connections exceeded'");
    drop(first);
}

#[test]
fn nats_py_to_our_server() {
    let server = Server::of("nats", &[]);
    let client = |host: &str, server: &Server| {
        let mut client = peers_python("nats_client.py");
        client
            .args(["--host", host, "--port", &server.port.to_string()])
            .arg("--cafile")
            .arg(file("ca.pem"));
        client
    };
    must_say(&mut client("localhost", &server), &["pong"]);
    let server = Server::of("nats", &["--listen", "127.0.0.2:0"]);
    must_fail(
        &mut client("127.0.0.2", &server),
        "CERTIFICATE_VERIFY_FAILED",
    );
}
