//! A real innd, the part of INN that other servers talk to: it has readers served by nnrpd, which has TLS.

use starttls_core::Untrusted;
use starttls_protocols::nntp;

use crate::inside::{connect, declined_on, inside, is_verified_in_each_version};
use crate::support::{Second, port};

const NNTP: u16 = 120;

#[tokio::test]
async fn nntp_with_each_version() {
    is_verified_in_each_version(port(NNTP), nntp::Client::new).await;
}

#[tokio::test]
async fn nntp_behind_mode_reader() {
    let mut client = nntp::Client::new();
    let mut tls = inside(port(NNTP), &mut client).await;
    assert!(client.has_switched_mode());
    let greeting = client.greeting().map(Untrusted::into_inner);
    assert!(greeting.unwrap().contains("(transit mode)"), "{greeting:?}");
    tls.say("LIST ACTIVE").await;
    let groups = tls.lines(|line| line == ".").await;
    assert!(groups.starts_with("215 ") && groups.contains("\nlocal.test "));
    assert!(tls.ask("QUIT").await.starts_with("205"));
    tls.ends().await;
}

/// Readers that have no TLS either are declined, and are readers.
#[tokio::test]
async fn nntp_without_a_certificate_is_refused() {
    let second = Second::without_tls("innd");
    let mut client = nntp::Client::new();
    let reason = declined_on(connect(second.port(NNTP)).await, &mut client).await;
    assert!(client.has_switched_mode(), "{reason:?}");
}
