//! `openssl s_client -starttls` against our servers.

use std::process::Command;

use crate::support::{Server, file, must_fail, must_say};

fn s_client(port: u16, arguments: &[&str]) -> Command {
    let mut client = Command::new("openssl");
    client
        .args([
            "s_client",
            "-starttls",
            "smtp",
            "-connect",
            &format!("127.0.0.1:{port}"),
        ])
        .args(["-verify_return_error", "-brief", "-servername", "localhost"])
        .arg("-CAfile")
        .arg(file("ca.pem"))
        .args(arguments);
    client
}

#[test]
fn smtp_server_is_verified_with_both_versions() {
    let server = Server::ours("smtp_server", &[]);
    let name = ["-verify_hostname", "localhost"];
    must_say(
        &mut s_client(server.port, &name),
        &["Verification: OK", "TLSv1.3"],
    );
    must_say(
        &mut s_client(server.port, &["-tls1_2"]),
        &["Verification: OK", "TLSv1.2"],
    );
}

#[test]
fn smtp_server_with_one_version_refuses_the_other() {
    let server = Server::ours("smtp_server", &["--tls", "1.2"]);
    must_say(
        &mut s_client(server.port, &[]),
        &["Verification: OK", "TLSv1.2"],
    );
    must_fail(
        &mut s_client(server.port, &["-tls1_3"]),
        "alert protocol version",
    );
}
