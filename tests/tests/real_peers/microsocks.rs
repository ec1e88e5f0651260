//! A real microsocks, as the way to other real servers.

use starttls_protocols::tunnel::Tunnel;
use starttls_protocols::{smtp, socks};

use crate::inside::{inside, is_verified_in_each_version, not_made, refused_with};
use crate::support::{port, unused_port};

const PROXY: u16 = 181;
const ORIGIN: u16 = 443;

fn to(port: u16) -> socks::Client {
    socks::Client::new("localhost", port).password("test", "secret")
}

#[tokio::test]
async fn socks_5_to_tls_with_each_version() {
    is_verified_in_each_version(port(PROXY), || to(port(ORIGIN))).await;
}

#[tokio::test]
async fn socks_5_and_a_page_inside() {
    let mut client = to(port(ORIGIN));
    let mut tls = inside(port(PROXY), &mut client).await;
    assert!(client.bound().is_some());
    tls.send(b"GET / HTTP/1.0\r\n\r\n").await;
    let page = tls.text_with("</pre>").await;
    assert!(page.starts_with("HTTP/1.0 200 ") && page.contains("Protocol  : TLSv1.3"));
}

#[tokio::test]
async fn socks_5_and_the_upgrade_of_postfix_inside() {
    let both = to(port(25)).then(smtp::Client::new("localhost"));
    let mut tls = inside(port(PROXY), both).await;
    assert!(tls.ask("EHLO localhost").await.contains("PIPELINING"));
    assert!(tls.ask("QUIT").await.starts_with("221"));
    tls.ends().await;
}

#[tokio::test]
async fn socks_5_with_a_wrong_password_without_one_and_to_where_nobody_is() {
    let wrong = socks::Client::new("localhost", port(ORIGIN)).password("test", "wrong");
    let reason = not_made(port(PROXY), wrong).await;
    assert!(
        matches!(reason, starttls_core::Error::TunnelRefused(_)),
        "{reason:?}"
    );
    let none = socks::Client::new("localhost", port(ORIGIN));
    let reason = not_made(port(PROXY), none).await;
    assert!(refused_with(&reason, 0xff, ""), "{reason:?}");
    // Connection refused.
    let reason = not_made(port(PROXY), to(unused_port())).await;
    assert!(refused_with(&reason, 5, ""), "{reason:?}");
}
