//! gnutls-cli against our servers.

use std::process::Command;

use crate::support::{Server, file, must_say};

#[test]
fn smtp_server() {
    let server = Server::ours("smtp_server", &[]);
    must_say(
        Command::new("gnutls-cli")
            .args([
                "--starttls-proto=smtp",
                "-p",
                &server.port.to_string(),
                "localhost",
            ])
            .arg(format!("--x509cafile={}", file("ca.pem").display())),
        &["certificate is trusted", "Handshake was completed"],
    );
}
