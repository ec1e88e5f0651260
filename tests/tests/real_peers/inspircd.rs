//! A real InspIRCd.

use std::time::Duration;

use starttls_protocols::irc;
use starttls_tokio::{Deadlines, Error};

use crate::inside::{connect, inside, is_verified_in_each_version};
use crate::support::{Second, port};

const IRC: u16 = 667;

#[tokio::test]
async fn irc_with_each_version() {
    is_verified_in_each_version(port(IRC), irc::Client::new).await;
}

#[tokio::test]
async fn irc_and_a_registration_inside() {
    let mut tls = inside(port(IRC), irc::Client::new()).await;
    tls.say("NICK somebody").await;
    tls.say("USER somebody 0 * :Somebody").await;
    tls.lines(|line| line.contains(" 001 somebody ")).await;
    tls.say("QUIT").await;
    tls.lines(|line| line.starts_with("ERROR")).await;
    tls.ends().await;
}

#[tokio::test]
async fn irc_without_tls_is_silence() {
    let second = Second::without_tls("inspircd");
    let plain = connect(second.port(IRC)).await;
    // It answers 421 to unknown commands, but not before registration.
    let soon = Deadlines::default().upgrade(Duration::from_secs(2));
    let outcome = plain.with_deadlines(soon).negotiate(irc::Client::new());
    assert!(matches!(outcome.await, Err(Error::Deadline { .. })));
}
