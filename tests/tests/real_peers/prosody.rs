//! A real Prosody, for clients and for servers.

use starttls_core::Error;
use starttls_protocols::xmpp;

use crate::inside::{declined, inside, is_verified_in_each_version};
use crate::support::{Second, Server, file, must_fail, must_say, peers_python, port};

const CLIENTS: u16 = 222;
const SERVERS: u16 = 269;

fn s2s() -> xmpp::Client {
    xmpp::Client::s2s("other.example", "localhost")
}

#[tokio::test]
async fn xmpp_with_each_version() {
    is_verified_in_each_version(port(CLIENTS), || xmpp::Client::new("localhost")).await;
}

#[tokio::test]
async fn xmpp_and_a_login_inside() {
    const STREAM: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";
    let mut tls = inside(port(CLIENTS), xmpp::Client::new("localhost")).await;
    tls.send(STREAM.as_bytes()).await;
    let features = tls.text_with("</stream:features>").await;
    assert!(features.contains("<mechanism>PLAIN</mechanism>") && !features.contains("<starttls"));
    // test and secret, each behind a NUL, in Base64.
    tls.send(
        b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHRlc3QAc2VjcmV0</auth>",
    )
    .await;
    tls.text_with("<success").await;
    tls.text_with(">").await;
    tls.send(STREAM.as_bytes()).await;
    let features = tls.text_with("</stream:features>").await;
    assert!(features.contains("<bind"), "{features}");
    tls.send(b"</stream:stream>").await;
    tls.text_with("</stream:stream>").await;
    tls.ends().await;
}

#[tokio::test]
async fn xmpp_server_with_each_version() {
    is_verified_in_each_version(port(SERVERS), s2s).await;
}

#[tokio::test]
async fn xmpp_server_and_a_new_stream_inside() {
    let mut tls = inside(port(SERVERS), s2s()).await;
    tls.send(
        b"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' \
          xmlns:stream='http://etherx.jabber.org/streams' from='other.example' to='localhost' version='1.0'>",
    )
    .await;
    let features = tls.text_with("</stream:features>").await;
    assert!(features.contains("urn:xmpp:features:dialback") && !features.contains("<starttls"));
    tls.send(b"</stream:stream>").await;
    tls.text_with("</stream:stream>").await;
    tls.ends().await;
}

#[tokio::test]
async fn xmpp_to_a_host_that_it_does_not_serve() {
    let client = xmpp::Client::new("other.example");
    let outcome = crate::inside::connect(port(CLIENTS))
        .await
        .negotiate(client);
    let error = outcome.await.unwrap_err();
    assert!(format!("{error}").contains("ended the dialogue"), "{error}");
}

#[tokio::test]
async fn xmpp_without_tls_is_not_offered() {
    let second = Second::without_tls("prosody");
    let client = xmpp::Client::new("localhost");
    let reason = declined(second.port(CLIENTS), client).await;
    assert_eq!(reason, Error::NotOffered);
    let reason = declined(second.port(SERVERS), s2s()).await;
    assert_eq!(reason, Error::NotOffered);
}

#[test]
fn python_slixmpp_to_our_server() {
    let client = |server: &Server, host: &str| {
        let mut client = peers_python("xmpp_client.py");
        client
            .args(["--host", host, "--port", &server.port.to_string()])
            .arg("--cafile")
            .arg(file("ca.pem"));
        client
    };
    let server = Server::of("xmpp", &[]);
    must_say(
        &mut client(&server, "localhost"),
        &["logged in as test@localhost/", "the ping was answered"],
    );
    let server = Server::of("xmpp", &["--listen", "127.0.0.2:0", "--name", "127.0.0.2"]);
    must_fail(&mut client(&server, "127.0.0.2"), "ssl_invalid");
}
