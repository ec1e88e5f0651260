//! swaks against our servers.

use std::process::Command;

use crate::support::{Server, file, must_say};

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
