//! A real dovecot: IMAP, POP3, LMTP, ManageSieve and submission.

use starttls_core::Error;
use starttls_protocols::tunnel::Tunnel;
use starttls_protocols::{imap, managesieve, pop3, proxy, smtp};
use tokio::io::AsyncBufReadExt;

use crate::inside::{
    connect, declined, declined_on, greeted, inside, is_verified_in_each_version, refused_with,
};
use crate::support::{Second, port};

const LMTP: u16 = 24;
const POP3: u16 = 110;
const IMAP: u16 = 143;
const SUBMISSION: u16 = 187;
const SIEVE: u16 = 190;

fn lmtp() -> smtp::Client {
    smtp::Client::lmtp("localhost")
}

#[tokio::test]
async fn imap_with_each_version() {
    is_verified_in_each_version(port(IMAP), imap::Client::new).await;
}

#[tokio::test]
async fn imap_and_a_login_inside() {
    let mut tls = inside(port(IMAP), imap::Client::new()).await;
    for (command, untagged) in [
        ("CAPABILITY", "* CAPABILITY IMAP4rev1"),
        ("LOGIN test secret", ""),
        ("SELECT INBOX", " EXISTS"),
        ("LOGOUT", "* BYE"),
    ] {
        tls.say(&format!("a {command}")).await;
        let answer = tls.lines(|line| line.starts_with("a ")).await;
        assert!(
            answer.contains("a OK") && answer.contains(untagged),
            "{command}: {answer}"
        );
        assert!(!answer.contains("STARTTLS"));
    }
    tls.ends().await;
}

#[tokio::test]
async fn imap_behind_a_proxy_header() {
    let source = "192.0.2.9:9999".parse().unwrap();
    let destination = "192.0.2.1:143".parse().unwrap();
    for version in [proxy::Writer::v1, proxy::Writer::v2] {
        let header = || version(source, destination);
        // It takes a connection from this machine for secure, and this one not any more.
        let negotiated = connect(port(144)).await.negotiate(header()).await.unwrap();
        let mut greeting = String::new();
        let mut plain = negotiated.into_plain();
        plain.read_line(&mut greeting).await.unwrap();
        assert!(greeting.contains("LOGINDISABLED"), "{greeting}");

        let mut tls = inside(port(144), header().then(imap::Client::new())).await;
        tls.say("a LOGIN test secret").await;
        tls.lines(|line| line.starts_with("a OK")).await;
    }
}

#[tokio::test]
async fn pop3_with_each_version() {
    is_verified_in_each_version(port(POP3), pop3::Client::new).await;
}

#[tokio::test]
async fn pop3_and_a_login_inside() {
    let mut tls = inside(port(POP3), pop3::Client::new()).await;
    tls.say("CAPA").await;
    let capabilities = tls.lines(|line| line == ".").await;
    assert!(capabilities.contains("UIDL") && !capabilities.contains("STLS"));
    for command in ["USER test", "PASS secret", "STAT", "QUIT"] {
        tls.say(command).await;
        let answer = tls.line().await;
        assert!(answer.starts_with("+OK"), "{command}: {answer}");
    }
    tls.ends().await;
}

#[tokio::test]
async fn lmtp_with_each_version() {
    is_verified_in_each_version(port(LMTP), lmtp).await;
}

#[tokio::test]
async fn lmtp_and_a_mail_inside() {
    let mut tls = inside(port(LMTP), lmtp()).await;
    let capabilities = tls.ask("LHLO localhost").await;
    assert!(capabilities.contains("PIPELINING") && !capabilities.contains("STARTTLS"));
    for (command, code) in [
        ("MAIL FROM:<a@localhost>", "250"),
        ("RCPT TO:<test>", "250"),
        ("DATA", "354"),
        ("Subject: x\r\n\r\nx\r\n.", "250"),
        ("QUIT", "221"),
    ] {
        let answer = tls.ask(command).await;
        assert!(answer.starts_with(code), "{command}: {answer}");
    }
    tls.ends().await;
}

#[tokio::test]
async fn submission_with_each_version() {
    is_verified_in_each_version(port(SUBMISSION), || smtp::Client::new("localhost")).await;
}

#[tokio::test]
async fn submission_and_a_login_inside() {
    let mut tls = inside(port(SUBMISSION), smtp::Client::new("localhost")).await;
    assert!(tls.ask("EHLO localhost").await.contains("AUTH PLAIN"));
    // test and secret, each behind a NUL, in Base64.
    let answer = tls.ask("AUTH PLAIN AHRlc3QAc2VjcmV0").await;
    assert!(answer.starts_with("235"), "{answer}");
}

#[tokio::test]
async fn sieve_with_each_version() {
    is_verified_in_each_version(port(SIEVE), managesieve::Client::new).await;
}

#[tokio::test]
async fn sieve_and_its_capabilities_unasked() {
    let mut tls = inside(port(SIEVE), managesieve::Client::new()).await;
    let capabilities = tls.lines(|line| line.starts_with("OK")).await;
    assert!(capabilities.contains("\"SIEVE\"") && !capabilities.contains("STARTTLS"));
    tls.say("AUTHENTICATE \"PLAIN\" \"AHRlc3QAc2VjcmV0\"").await;
    assert!(tls.line().await.starts_with("OK"));
    tls.say("LISTSCRIPTS").await;
    assert!(tls.line().await.starts_with("OK"));
    tls.say("LOGOUT").await;
    assert!(tls.line().await.starts_with("OK"));
    tls.ends().await;
}

#[tokio::test]
async fn without_tls_nothing_is_offered_and_everything_refused() {
    let second = Second::without_tls("dovecot");
    for reason in [
        declined(second.port(IMAP), imap::Client::new()).await,
        declined(second.port(POP3), pop3::Client::new()).await,
        declined(second.port(LMTP), lmtp()).await,
        declined(second.port(SUBMISSION), smtp::Client::new("localhost")).await,
        declined(second.port(SIEVE), managesieve::Client::new()).await,
    ] {
        assert_eq!(reason, Error::NotOffered);
    }

    let plain = greeted(second.port(IMAP)).await;
    let reason = declined_on(plain, imap::Client::at_command()).await;
    assert!(refused_with(&reason, None, "BAD"), "{reason:?}");
    let plain = greeted(second.port(POP3)).await;
    let reason = declined_on(plain, pop3::Client::at_command()).await;
    assert!(refused_with(&reason, None, ""), "{reason:?}");
    let plain = greeted(second.port(LMTP)).await;
    let reason = declined_on(plain, smtp::Client::at_command()).await;
    assert!(refused_with(&reason, 502, ""), "{reason:?}");
}
