//! lftp against our server.

use std::process::Command;

use crate::support::{Server, file, must_fail, must_say};

fn lftp(host: &str, port: u16) -> Command {
    let ca = file("ca.pem");
    let settings = [
        "set ftp:ssl-force yes",
        "set ftp:ssl-protect-data yes",
        "set net:max-retries 1",
        "set net:timeout 30",
        &format!("set ssl:ca-file {}", ca.display()),
        &format!("open ftp://test:secret@{host}:{port}"),
        "cat hello.txt",
        "bye",
    ];
    let mut lftp = Command::new("lftp");
    lftp.args(["--norc", "-c", &settings.join("; ")]);
    lftp
}

#[test]
fn ftp() {
    let server = Server::of("ftp", &[]);
    must_say(&mut lftp("localhost", server.port), &["hello\n"]);
    server.says("TLS is up");
    let server = Server::of("ftp", &["--listen", "127.0.0.2:0"]);
    must_fail(
        &mut lftp("127.0.0.2", server.port),
        "Certificate verification",
    );
}
