//! s3270, a Telnet client, against our server.

use std::process::Command;

use crate::support::{Server, file, must_fail, must_say};

/// It connects, and does what the last argument says.
fn s3270(host: &str, port: u16, script: &str) -> Command {
    let mut s3270 = Command::new("sh");
    s3270
        .args([
            "-c",
            "printf '%s\\n' \"$3\" | exec s3270 -utf8 -cafile \"$1\" \"$2\"",
            "sh",
        ])
        .arg(file("ca.pem"))
        .args([&format!("{host}:{port}"), script]);
    s3270
}

#[test]
fn telnet() {
    let server = Server::of("telnet", &[]);
    let script = "Wait(30,NVTMode)\nQuery(Tls)\nQuery(TlsSessionInfo)\nQuery(TlsCertInfo)\nExpect(hello,30)\nQuit()";
    must_say(
        &mut s3270("localhost", server.port, script),
        &[
            "secure host-verified",
            "Version: TLSv1.3",
            "Subject: CN = localhost",
        ],
    );
    server.says("closed");

    let server = Server::of("telnet", &["--listen", "127.0.0.2:0"]);
    must_fail(
        &mut s3270("127.0.0.2", server.port, "Wait(30,NVTMode)\nQuit()"),
        "Connection failed",
    );
}
