//! A real CUPS, which upgrades as RFC 2817 has it, and its lpstat against our server.

use std::process::Command;

use starttls_protocols::http_upgrade;

use crate::inside::{inside, is_verified_in_each_version};
use crate::support::{Server, file, must_say, port};

const IPP: u16 = 631;

fn upgrade() -> http_upgrade::Client {
    http_upgrade::Client::new("localhost")
}

#[tokio::test]
async fn http_upgrade_with_each_version() {
    is_verified_in_each_version(port(IPP), upgrade).await;
}

#[tokio::test]
async fn http_upgrade_and_an_ipp_request_inside() {
    let mut tls = inside(port(IPP), upgrade()).await;
    // The answer to OPTIONS, unasked.
    let answer = tls.lines(str::is_empty).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    // IPP 2.0, CUPS-Get-Printers, request 1, operation attributes, their end.
    let request = b"\x02\0\x40\x02\0\0\0\x01\x01\
        \x47\0\x12attributes-charset\0\x05utf-8\x48\0\x1battributes-natural-language\0\x02en\x03";
    tls.say("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ipp")
        .await;
    tls.say(&format!("Content-Length: {}\r\n", request.len()))
        .await;
    tls.send(request).await;
    let answer = tls.lines(str::is_empty).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("Content-Type: application/ipp"), "{answer}");
}

#[test]
fn lpstat_to_our_server() {
    let server = Server::of("http-upgrade", &[]);
    let home = file("cups-home");
    std::fs::create_dir_all(&home).unwrap();
    // `-E` demands TLS.
    must_say(
        Command::new("lpstat").env("HOME", home).args([
            "-E",
            "-h",
            &format!("localhost:{}", server.port),
            "-r",
        ]),
        &["scheduler is running"],
    );
    server.says("TLS is up");
}
