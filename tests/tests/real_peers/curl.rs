//! curl against our servers.

use std::process::Command;

use crate::support::{Server, file, must_fail, must_say};

/// It trusts the peers' authority, requires TLS, and says what it does.
fn curl(url: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-v", "--ssl-reqd", "--max-time", "30", "--cacert"])
        .arg(file("ca.pem"))
        .arg(url);
    curl
}

/// The name `other.example` is ours too, but for the certificate.
fn refuses_another_name(scheme: &str, port: u16) {
    let mut curl = curl(&format!("{scheme}://other.example:{port}/"));
    curl.args(["--resolve", &format!("other.example:{port}:127.0.0.1")])
        .args(["-u", "test:secret"]);
    must_fail(&mut curl, "no alternative certificate subject name");
}

const VERIFIED: &str = "SSL certificate verify ok";

fn send_mail(port: u16) -> Command {
    let mut curl = curl(&format!("smtp://localhost:{port}"));
    curl.args(["--mail-from", "a@localhost", "--mail-rcpt", "b@localhost"])
        .arg("-T")
        .arg(file("ca.pem"));
    curl
}

#[test]
fn mail_to_smtp_server() {
    let server = Server::ours("smtp_server", &[]);
    must_say(
        &mut send_mail(server.port),
        &["STARTTLS", VERIFIED, "250 taken"],
    );
    refuses_another_name("smtp", server.port);
}

#[test]
fn smtp() {
    let server = Server::of("smtp", &[]);
    must_say(
        &mut send_mail(server.port),
        &["STARTTLS", VERIFIED, "250 2.0.0 taken"],
    );
}

#[test]
fn imap() {
    let server = Server::of("imap", &[]);
    let url = format!("imap://localhost:{}/", server.port);
    must_say(
        curl(&url).args(["-u", "test:secret"]),
        &["STARTTLS", VERIFIED, "* LIST () \"/\" INBOX"],
    );
    refuses_another_name("imap", server.port);
}

#[test]
fn pop3() {
    let server = Server::of("pop3", &[]);
    let url = format!("pop3://localhost:{}/", server.port);
    must_say(
        curl(&url).args(["-u", "test:secret"]),
        &["STLS", VERIFIED, "> PASS secret", "> LIST"],
    );
    refuses_another_name("pop3", server.port);
}

#[test]
fn ftp() {
    let server = Server::of("ftp", &[]);
    let url = format!("ftp://localhost:{}/hello.txt", server.port);
    must_say(
        &mut curl(&url),
        &["AUTH TLS", VERIFIED, "> PROT P", "hello\n", "226 done"],
    );
    refuses_another_name("ftp", server.port);
}

#[test]
fn ftp_that_goes_back_to_plaintext() {
    let server = Server::of("ftp", &[]);
    let url = format!("ftp://localhost:{}/hello.txt", server.port);
    must_say(
        curl(&url).args(["--ftp-ssl-ccc", "--ftp-ssl-ccc-mode", "active"]),
        &["> CCC", "200 plaintext from here on", "hello\n", "226 done"],
    );
    server.says("plaintext again");
}

#[test]
fn connect_through_our_proxy() {
    let server = Server::of("connect", &["--credentials", "test:secret"]);
    let proxy = format!("http://localhost:{}", server.port);
    must_say(
        curl("https://localhost/").args(["-x", &proxy, "--proxy-user", "test:secret"]),
        &["CONNECT localhost:443", VERIFIED, "through the tunnel"],
    );
    must_fail(
        curl("https://localhost/").args(["-x", &proxy, "--proxy-user", "test:wrong"]),
        "407",
    );
    must_fail(
        curl("https://other.example/").args(["-x", &proxy, "--proxy-user", "test:secret"]),
        "no alternative certificate subject name",
    );
}

#[test]
fn socks_5_with_a_password() {
    let server = Server::of("socks5", &["--credentials", "test:secret"]);
    let proxy = |password| format!("test:{password}@localhost:{}", server.port);
    for option in ["--socks5", "--socks5-hostname"] {
        must_say(
            curl("https://localhost/").args([option, &proxy("secret")]),
            &[VERIFIED, "through the tunnel"],
        );
    }
    must_fail(
        curl("https://localhost/").args(["--socks5-hostname", &proxy("wrong")]),
        "rejected",
    );
}

#[test]
fn socks_4_and_4a() {
    let server = Server::of("socks4", &[]);
    let proxy = format!("localhost:{}", server.port);
    for option in ["--socks4", "--socks4a"] {
        must_say(
            curl("https://localhost/").args([option, &proxy]),
            &[VERIFIED, "through the tunnel"],
        );
    }
}

/// A server that speaks first, at the end of a tunnel.
#[test]
fn an_upgrade_at_the_end_of_each_tunnel() {
    for (tunnel, option) in [
        ("connect", "--proxy"),
        ("socks4", "--socks4a"),
        ("socks5", "--socks5-hostname"),
    ] {
        let server = Server::of("imap", &["--tunnel", tunnel]);
        let proxy = format!("localhost:{}", server.port);
        must_say(
            curl("imap://localhost/").args([option, &proxy, "--proxytunnel", "-u", "test:secret"]),
            &["STARTTLS", VERIFIED, "* LIST () \"/\" INBOX"],
        );
    }
}

#[test]
fn proxy_header_and_tls_at_once() {
    let server = Server::of("proxy-v1", &[]);
    let url = format!("https://localhost:{}/", server.port);
    must_say(
        curl(&url).arg("--haproxy-protocol"),
        &[VERIFIED, "127.0.0.1"],
    );
    server.says("127.0.0.1");
}

#[test]
fn proxy_header_and_an_upgrade_behind_it() {
    let server = Server::of("imap", &["--proxy-header"]);
    let url = format!("imap://localhost:{}/", server.port);
    must_say(
        curl(&url).args(["--haproxy-protocol", "-u", "test:secret"]),
        &["STARTTLS", VERIFIED, "* LIST () \"/\" INBOX"],
    );
    server.says("127.0.0.1");
}
