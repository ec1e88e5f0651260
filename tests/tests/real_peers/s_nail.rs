//! s-nail against our servers: it sends a mail, and reads one.

use std::fs;
use std::process::Command;

use crate::support::{Server, file, must_fail, must_say};

/// It trusts the peers' authority alone, takes no settings from elsewhere, and keeps what it writes to itself.
fn s_nail(home: &str) -> Command {
    let home = file(home);
    fs::create_dir_all(&home).expect("a folder");
    let set = |name: &str, path: &str| format!("{name}={path}");
    let mut s_nail = Command::new("s-nail");
    s_nail
        .env("HOME", &home)
        .args(["-:/", "-v", "-v"])
        .args([
            "-S",
            &set("tls-ca-file", &file("ca.pem").display().to_string()),
        ])
        .args(["-S", "tls-ca-no-defaults", "-S", "tls-verify=strict"])
        .args([
            "-S",
            "DEAD=/dev/null",
            "-S",
            "v15-compat",
            "-S",
            "socket-connect-timeout=20",
        ]);
    s_nail
}

fn send(home: &str, host: &str, port: u16) -> Command {
    let mut send = s_nail(home);
    send.args(["-S", &format!("mta=smtp://test:secret@{host}:{port}")])
        .args(["-S", "smtp-use-starttls", "-S", "smtp-auth=plain"])
        .args(["-S", "from=a@localhost", "-S", "hostname=localhost"])
        .args(["-S", "sendwait", "-s", "hello", "b@localhost"]);
    send
}

#[test]
fn smtp_with_a_login() {
    let server = Server::of("smtp", &[]);
    must_say(
        &mut send("s-nail-smtp", "localhost", server.port),
        &["STARTTLS", "235 2.7.0 welcome", "250 2.0.0 taken"],
    );
    let server = Server::of("smtp", &["--listen", "127.0.0.2:0"]);
    must_fail(
        &mut send("s-nail-smtp", "127.0.0.2", server.port),
        "TLS certificate does not match",
    );
}

#[test]
fn pop3_and_its_mail() {
    let server = Server::of("pop3", &[]);
    let mut read = s_nail("s-nail-pop3");
    read.args(["-S", "pop3-use-starttls", "-S", "pop3-no-apop"])
        .args(["-f", "-Y", "type 1", "-Y", "xit"])
        .arg(format!("pop3://test:secret@localhost:{}", server.port));
    must_say(&mut read, &["STLS", "Subject: hello", "\nhello"]);
}

#[test]
fn imap_and_its_mail() {
    let server = Server::of("imap", &[]);
    let mut read = s_nail("s-nail-imap");
    read.args(["-S", "imap-use-starttls", "-S", "imap-auth=login"])
        .args(["-f", "-Y", "type 1", "-Y", "xit"])
        .arg(format!("imap://test:secret@localhost:{}", server.port));
    must_say(&mut read, &["STARTTLS", "Subject: hello", "\nhello"]);
}
