//! curl against our servers.

use std::process::Command;

use crate::support::{Server, file, must_fail, must_say};

fn send_mail(port: u16, host: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args([
        "-sS",
        "-v",
        "--ssl-reqd",
        "--mail-from",
        "a@localhost",
        "--mail-rcpt",
        "b@localhost",
    ])
    .args(["--resolve", &format!("{host}:{port}:127.0.0.1")])
    .arg("--cacert")
    .arg(file("ca.pem"))
    .arg("-T")
    .arg(file("ca.pem"))
    .arg(format!("smtp://{host}:{port}"));
    curl
}

#[test]
fn mail_to_smtp_server() {
    let server = Server::ours("smtp_server", &[]);
    must_say(
        &mut send_mail(server.port, "localhost"),
        &["STARTTLS", "SSL certificate verify ok", "250 taken"],
    );
    must_fail(
        &mut send_mail(server.port, "other.example"),
        "no alternative certificate subject name",
    );
}
