//! swaks against our servers.

use std::process::Command;

use crate::support::{Server, file, must_say, run};

#[test]
fn mail_to_smtp_server() {
    let server = Server::ours("smtp_server", &[]);
    must_say(
        Command::new("swaks")
            .args(["--server", "localhost", "--port", &server.port.to_string()])
            .args([
                "--from",
                "a@localhost",
                "--to",
                "b@localhost",
                "--tls",
                "--tls-verify",
            ])
            .arg("--tls-ca-path")
            .arg(file("ca.pem")),
        &["TLS started with cipher", "250 taken", "~> QUIT"],
    );
}

/// A host that takes mail from anybody offers TLS and takes plaintext too.
#[test]
fn mail_to_an_mx_with_tls_and_without() {
    let server = Server::ours("smtp_server", &["--mx"]);
    let swaks = |tls: &[&str]| {
        let mut swaks = Command::new("swaks");
        swaks
            .args(["--server", "localhost", "--port", &server.port.to_string()])
            .args(["--from", "a@localhost", "--to", "b@localhost", "--pipeline"])
            .args(tls)
            .arg("--tls-ca-path")
            .arg(file("ca.pem"));
        swaks
    };
    let tls = ["--tls", "--tls-verify"];
    must_say(&mut swaks(&tls), &["TLS started with cipher", "250 taken"]);
    server.says("TLS is up");
    let (good, said) = run(&mut swaks(&[]));
    assert!(good && said.contains("250 taken"), "{said}");
    assert!(
        said.contains("STARTTLS") && !said.contains("TLS started"),
        "{said}"
    );
    server.says("plaintext, the peer did not ask for TLS");
}

#[test]
fn lmtp() {
    let server = Server::of("lmtp", &[]);
    must_say(
        Command::new("swaks")
            .args(["--server", "localhost", "--port", &server.port.to_string()])
            .args(["--protocol", "LMTP", "--tls", "--tls-verify"])
            .args(["--from", "a@localhost", "--to", "b@localhost,c@localhost"])
            .arg("--tls-ca-path")
            .arg(file("ca.pem")),
        &["TLS started with cipher", "250 2.0.0 taken", "~> QUIT"],
    );
}
