//! sslscan against our server: which versions of TLS there are, and which certificate.

use std::process::Command;

use crate::support::{Server, must_say};

#[test]
fn rdp() {
    let server = Server::of("rdp", &[]);
    must_say(
        Command::new("sslscan").args([
            "--no-colour",
            "--rdp",
            &format!("localhost:{}", server.port),
        ]),
        &[
            "TLSv1.1   disabled",
            "TLSv1.2   enabled",
            "TLSv1.3   enabled",
            "Subject:  localhost",
        ],
    );
    server.says("TLS is up");
}
