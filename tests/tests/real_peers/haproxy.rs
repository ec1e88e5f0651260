//! A real HAProxy: its PROXY headers to our servers, and ours to it.

use std::net::SocketAddr;
use std::process::Command;

use starttls_protocols::proxy;

use crate::inside::{inside, is_verified_in_each_version};
use crate::support::{Second, Server, file, must_say, port};

const V1: u16 = 80;
const V2: u16 = 81;
/// Its own back end, which takes headers of both versions and shows what they say.
const ECHO: u16 = 82;

const SOURCE: &str = "192.0.2.9:9999";
const DESTINATION: &str = "192.0.2.1:443";

fn address(words: &str) -> SocketAddr {
    words.parse().unwrap()
}

fn v1() -> proxy::Writer {
    proxy::Writer::v1(address(SOURCE), address(DESTINATION))
}

fn v2() -> proxy::Writer {
    proxy::Writer::v2(address(SOURCE), address(DESTINATION))
        .tlv(5, *b"a unique id")
        .crc32c()
}

/// What the back end has understood.
async fn shows(writer: proxy::Writer) -> String {
    let mut tls = inside(port(ECHO), writer).await;
    tls.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    tls.text_with("src=").await;
    tls.text_with("\n").await
}

#[tokio::test]
async fn our_headers_with_each_version_of_tls() {
    is_verified_in_each_version(port(ECHO), v1).await;
    is_verified_in_each_version(port(ECHO), v2).await;
}

#[tokio::test]
async fn our_headers_are_understood() {
    assert_eq!(
        shows(v1()).await,
        format!("{SOURCE} dst={DESTINATION} uid=\n")
    );
    assert_eq!(
        shows(v2()).await,
        format!("{SOURCE} dst={DESTINATION} uid=a unique id\n")
    );
    // "The receiver ... must use the real connection endpoints"
    for real in [proxy::Writer::v1_unknown(), proxy::Writer::v2_local()] {
        assert!(shows(real).await.starts_with("127.0.0.1:"));
    }
    let six = proxy::Writer::v2(address("[2001:db8::1]:9999"), address("[2001:db8::2]:443"));
    assert!(shows(six).await.starts_with("2001:db8::1:9999"));
}

#[test]
fn its_headers_to_our_server_and_tls_behind_them() {
    let server = Server::of("proxy-v1", &[]);
    let backend = server.port.to_string();
    let second = Second::start("haproxy", &[("HAPROXY_BACKEND", &backend)]);
    for version in [V1, V2] {
        let port = second.port(version);
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-v", "--cacert"])
            .arg(file("ca.pem"))
            .args([
                "--write-out",
                "local_port=%{local_port} ",
                "-o",
                "/dev/null",
            ])
            .arg(format!("https://localhost:{port}/"));
        let said = must_say(&mut curl, &["SSL certificate verify ok", "local_port="]);
        let local = said.split("local_port=").nth(1).unwrap();
        let local = local.split(' ').next().unwrap();

        // The client's own address, which only haproxy saw.
        let header = server.says("Header");
        assert!(
            header.contains(&format!("127.0.0.1:{local}")) && header.contains(&port.to_string()),
            "{header}"
        );
        // PP2_TYPE_UNIQUE_ID, as haproxy makes it of the client's address and port.
        let id = format!("127.0.0.1:{local}");
        assert_eq!(
            version == V2,
            header.contains(&format!("{:?}", id.as_bytes()))
        );
    }
}

#[test]
fn its_headers_to_our_servers_that_upgrade() {
    for protocol in ["smtp", "imap"] {
        let server = Server::of(protocol, &["--proxy-header"]);
        let backend = server.port.to_string();
        let second = Second::start("haproxy", &[("HAPROXY_BACKEND", &backend)]);
        for version in [V1, V2] {
            must_say(
                Command::new("openssl")
                    .args(["s_client", "-starttls", protocol, "-brief"])
                    .args(["-connect", &format!("localhost:{}", second.port(version))])
                    .args(["-verify_return_error", "-verify_hostname", "localhost"])
                    .arg("-CAfile")
                    .arg(file("ca.pem")),
                &["Verification: OK"],
            );
            server.says("Header");
        }
    }
}
