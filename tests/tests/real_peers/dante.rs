//! A real Dante, as the way to other real servers. As a server it knows SOCKS 4, but not 4a.

use std::net::Ipv4Addr;

use starttls_protocols::tunnel::Tunnel;
use starttls_protocols::{smtp, socks};

use crate::inside::{inside, is_verified_in_each_version, not_made, refused_with};
use crate::support::{port, unused_port};

const PROXY: u16 = 180;
const ORIGIN: u16 = 443;

fn socks4(port: u16) -> socks::Client {
    socks::Client::v4(Ipv4Addr::LOCALHOST, port, "test")
}

#[tokio::test]
async fn socks_4_to_tls_with_each_version() {
    is_verified_in_each_version(port(PROXY), || socks4(port(ORIGIN))).await;
}

#[tokio::test]
async fn socks_5_without_a_password_to_tls_with_each_version() {
    let socks5 = || socks::Client::new("127.0.0.1", port(ORIGIN));
    is_verified_in_each_version(port(PROXY), socks5).await;
}

#[tokio::test]
async fn socks_4_and_the_upgrade_of_postfix_inside() {
    let both = socks4(port(25)).then(smtp::Client::new("localhost"));
    let mut tls = inside(port(PROXY), both).await;
    assert!(tls.ask("EHLO localhost").await.contains("PIPELINING"));
    assert!(tls.ask("QUIT").await.starts_with("221"));
    tls.ends().await;
}

#[tokio::test]
async fn socks_4_to_where_nobody_is() {
    let reason = not_made(port(PROXY), socks4(unused_port())).await;
    assert!(refused_with(&reason, 91, ""), "{reason:?}");
}
