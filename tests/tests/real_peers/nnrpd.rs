//! A real nnrpd, the part of INN that news readers talk to.

use starttls_protocols::nntp;

use crate::inside::{declined, inside, is_verified_in_each_version, refused_with};
use crate::support::{Second, port};

const NNTP: u16 = 119;

#[tokio::test]
async fn nntp_with_each_version() {
    is_verified_in_each_version(port(NNTP), nntp::Client::new).await;
}

#[tokio::test]
async fn nntp_and_its_groups_inside() {
    let mut tls = inside(port(NNTP), nntp::Client::new()).await;
    tls.say("CAPABILITIES").await;
    let capabilities = tls.lines(|line| line == ".").await;
    assert!(capabilities.contains("READER") && !capabilities.contains("STARTTLS"));
    tls.say("LIST ACTIVE").await;
    let groups = tls.lines(|line| line == ".").await;
    assert!(groups.starts_with("215 ") && groups.contains("\nlocal.test "));
    assert!(tls.ask("QUIT").await.starts_with("205"));
    tls.ends().await;
}

#[tokio::test]
async fn nntp_without_a_certificate_is_refused() {
    let second = Second::without_tls("nnrpd");
    // It offers STARTTLS even so.
    let reason = declined(second.port(NNTP), nntp::Client::new()).await;
    assert!(refused_with(&reason, 580, ""), "{reason:?}");
}
