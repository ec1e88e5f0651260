//! `gnutls-cli --starttls-proto` against our servers.

use std::process::Command;

use crate::support::{Server, file, must_fail, must_say};

fn gnutls_cli(port: u16, protocol: &str, arguments: &[&str]) -> Command {
    let mut client = Command::new("gnutls-cli");
    client
        .arg(format!("--starttls-proto={protocol}"))
        .arg(format!("--x509cafile={}", file("ca.pem").display()))
        .args(["-p", &port.to_string()])
        .args(arguments)
        .arg("localhost");
    client
}

fn upgrades(protocol: &str) {
    let server = Server::of(protocol, &[]);
    let version = "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.";
    for (version, expected) in [
        (format!("{version}3"), "TLS1.3"),
        (format!("{version}2"), "TLS1.2"),
    ] {
        must_say(
            &mut gnutls_cli(server.port, protocol, &[&version]),
            &[
                "certificate is trusted",
                "Handshake was completed",
                expected,
            ],
        );
    }
    must_fail(
        &mut gnutls_cli(
            server.port,
            protocol,
            &[
                "--verify-hostname=other.example",
                "--sni-hostname=localhost",
            ],
        ),
        "does not match",
    );
}

#[test]
fn smtp() {
    upgrades("smtp");
}

#[test]
fn lmtp() {
    upgrades("lmtp");
}

#[test]
fn imap() {
    upgrades("imap");
}

#[test]
fn pop3() {
    upgrades("pop3");
}

#[test]
fn nntp() {
    upgrades("nntp");
}

#[test]
fn sieve() {
    upgrades("sieve");
}

#[test]
fn ftp() {
    upgrades("ftp");
}

#[test]
fn xmpp() {
    upgrades("xmpp");
}

#[test]
fn ldap() {
    upgrades("ldap");
}

#[test]
fn postgres() {
    upgrades("postgres");
}
