//! CPython: asyncio's `StreamWriter.start_tls` as server and as client of the PING / PONG dialogue with a go-ahead line, and the clients of its
//! standard library.

use std::process::Command;

use crate::support::{Server, example, file, must_fail, must_say, script};

fn asyncio_server(arguments: &[&str]) -> Server {
    Server::start(
        script("ping_server.py")
            .arg("--cert")
            .arg(file("server.pem"))
            .arg("--key")
            .arg(file("server.key"))
            .args(arguments),
    )
}

fn asyncio_client(port: u16, arguments: &[&str]) -> Command {
    let mut client = script("ping_client.py");
    client
        .args(["--port", &port.to_string()])
        .arg("--cafile")
        .arg(file("ca.pem"))
        .args(arguments);
    client
}

fn our_client(port: u16, arguments: &[&str]) -> Command {
    let mut client = example("client");
    client
        .arg(format!("127.0.0.1:{port}"))
        .arg("--ca")
        .arg(file("ca.pem"))
        .args(arguments);
    client
}

const RUNTIMES: [&str; 4] = ["tokio", "smol", "async-std", "blocking"];

const DONE: [&str; 3] = [
    "plaintext, STARTTLS -> OK",
    "TLS is up",
    "encrypted, PING -> PONG",
];

#[test]
fn our_client_to_its_server_on_every_runtime() {
    let server = asyncio_server(&[]);
    for runtime in RUNTIMES {
        must_say(&mut our_client(server.port, &["--runtime", runtime]), &DONE);
    }
}

#[test]
fn its_client_to_our_server_on_every_runtime() {
    for runtime in RUNTIMES {
        let server = Server::ours("server", &["--runtime", runtime]);
        must_say(&mut asyncio_client(server.port, &[]), &["closed"]);
    }
}

#[test]
fn our_client_to_its_server_with_each_version() {
    let server = asyncio_server(&[]);
    must_say(
        &mut our_client(server.port, &["--tls", "1.2"]),
        &["TLSv1_2"],
    );
    must_say(
        &mut our_client(server.port, &["--tls", "1.3"]),
        &["TLSv1_3"],
    );
}

#[test]
fn its_client_to_our_server_with_each_version() {
    let server = Server::ours("server", &[]);
    must_say(
        &mut asyncio_client(server.port, &["--tls-max", "1.2"]),
        &["TLSv1.2"],
    );
    must_say(
        &mut asyncio_client(server.port, &["--tls-min", "1.3"]),
        &["TLSv1.3"],
    );
}

#[test]
fn versions_that_do_not_meet_are_refused() {
    let server = asyncio_server(&["--tls-max", "1.2"]);
    // asyncio hangs up without an alert when its handshake fails.
    let said = must_fail(
        &mut our_client(server.port, &["--tls", "1.3"]),
        "in the TLS handshake",
    );
    assert!(!said.contains("TLS is up"));
    let server = Server::ours("server", &["--tls", "1.3"]);
    must_fail(
        &mut asyncio_client(server.port, &["--tls-max", "1.2"]),
        "SSL",
    );
}

#[test]
fn the_name_must_be_right_on_both_sides() {
    let server = asyncio_server(&[]);
    must_fail(
        &mut our_client(server.port, &["--name", "other.example"]),
        "not valid for name",
    );
    let server = Server::ours("server", &[]);
    must_fail(
        &mut asyncio_client(server.port, &["--server-hostname", "other.example"]),
        "CERTIFICATE_VERIFY_FAILED",
    );
}

/// The client of this protocol does all of it with each version, and refuses a server that is not in its certificate.
fn standard_client(protocol: &str, does: &[&str]) -> Server {
    let server = Server::of(protocol, &[]);
    for version in ["1.2", "1.3"] {
        let version_said = format!("TLSv{version}");
        let all = [&[&version_said[..]], does].concat();
        must_say(
            client_of(protocol, server.port).args(["--tls-max", version]),
            &all,
        );
    }
    let elsewhere = Server::of(protocol, &["--listen", "127.0.0.2:0"]);
    must_fail(
        client_of(protocol, elsewhere.port).args(["--host", "127.0.0.2"]),
        "CERTIFICATE_VERIFY_FAILED",
    );
    server
}

fn client_of(protocol: &str, port: u16) -> Command {
    let mut client = script("standard_clients.py");
    client
        .args([protocol, "--port", &port.to_string(), "--cafile"])
        .arg(file("ca.pem"));
    client
}

#[test]
fn smtplib() {
    standard_client("smtp", &["pipelining", "refused: {}"]);
}

#[test]
fn smtplib_with_lmtp() {
    standard_client("lmtp", &["pipelining", "refused: {}"]);
}

#[test]
fn imaplib() {
    standard_client("imap", &["('IMAP4REV1', 'AUTH=PLAIN')", "('OK', [b'1'])"]);
}

#[test]
fn poplib() {
    standard_client("pop3", &["'UIDL'", "(1, 129)"]);
}

#[test]
fn nntplib() {
    standard_client("nntp", &["'READER'", "local.test"]);
}

#[test]
fn ftplib_and_back_to_plaintext() {
    let server = standard_client("ftp", &["['hello.txt']", "TLS: None /", "b'hello\\n'"]);
    server.says("plaintext again");
}
