//! A real Squid, as the way to other real servers.

use starttls_protocols::tunnel::Tunnel;
use starttls_protocols::{connect, smtp};

use crate::inside::{inside, is_verified_in_each_version, not_made, refused_with};
use crate::support::{port, unused_port};

const PROXY: u16 = 128;
const ORIGIN: u16 = 443;

fn to(port: u16) -> connect::Client {
    connect::Client::new("localhost", port)
}

#[tokio::test]
async fn connect_to_tls_with_each_version() {
    is_verified_in_each_version(port(PROXY), || to(port(ORIGIN))).await;
}

#[tokio::test]
async fn connect_and_a_page_inside() {
    let mut tls = inside(port(PROXY), to(port(ORIGIN))).await;
    tls.send(b"GET / HTTP/1.0\r\n\r\n").await;
    let page = tls.text_with("</pre>").await;
    assert!(page.starts_with("HTTP/1.0 200 ") && page.contains("Protocol  : TLSv1.3"));
}

#[tokio::test]
async fn connect_and_the_upgrade_of_postfix_inside() {
    let both = || to(port(25)).then(smtp::Client::new("localhost"));
    let mut tls = inside(port(PROXY), both()).await;
    assert!(tls.ask("EHLO localhost").await.contains("PIPELINING"));
    assert!(tls.ask("QUIT").await.starts_with("221"));
    tls.ends().await;
    is_verified_in_each_version(port(PROXY), both).await;
}

#[tokio::test]
async fn connect_to_where_nobody_is() {
    let reason = not_made(port(PROXY), to(unused_port())).await;
    assert!(
        refused_with(&reason, 503, "Service Unavailable"),
        "{reason:?}"
    );
}
