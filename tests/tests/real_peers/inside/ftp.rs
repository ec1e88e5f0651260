//! FTP inside TLS, with data connections that are TLS too (RFC 4217).

use std::sync::Arc;

use starttls_core::rustls::{ClientConfig, ClientConnection, HandshakeKind};
use starttls_protocols::ftp;
use starttls_tokio::TlsStream;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Inside, connect};

/// Upgrades and logs in as `anonymous`.
pub(crate) async fn logged_in(port: u16, config: &Arc<ClientConfig>) -> Inside {
    let plain = connect(port).await;
    let tls = plain.upgrade(ftp::Client::new(), connection(config)).await;
    let mut tls = Inside::new(tls.unwrap());
    let mut answer = tls.ask("USER anonymous").await;
    if answer.starts_with("331") {
        answer = tls.ask("PASS a@localhost").await;
    }
    assert!(answer.starts_with("230"), "{answer}");
    tls
}

/// The data connections are protected, by the session of the control connection, and the file that `peers.sh` makes is listed and fetched.
pub(crate) async fn lists_and_fetches(tls: &mut Inside, config: &Arc<ClientConfig>) {
    assert!(tls.ask("PBSZ 0").await.starts_with("200"));
    assert!(tls.ask("PROT P").await.starts_with("200"));
    assert!(tls.ask("TYPE I").await.starts_with("200"));
    for (command, expected) in [("LIST", "hello.txt"), ("RETR hello.txt", "hello\n")] {
        let port = passive_port(&tls.ask("PASV").await);
        let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let opened = tls.ask(command).await;
        assert!(opened.starts_with("150"), "{opened}");
        let data = TlsStream::implicit(socket, connection(config)).await;
        let mut data = data.unwrap();
        assert_eq!(
            data.connection().handshake_kind(),
            Some(HandshakeKind::Resumed)
        );
        let mut text = String::new();
        data.read_to_string(&mut text).await.unwrap();
        assert!(text.contains(expected), "{command}: {text}");
        // vsftpd waits for this before it goes on.
        data.shutdown().await.unwrap();
        assert!(tls.reply().await.starts_with("226"));
    }
}

fn connection(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = "localhost".try_into().unwrap();
    ClientConnection::new(config.clone(), name).unwrap()
}

/// `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)`
fn passive_port(answer: &str) -> u16 {
    let inside = answer.split(['(', ')']).nth(1);
    let numbers: Vec<u16> = inside
        .unwrap_or_default()
        .split(',')
        .filter_map(|number| number.parse().ok())
        .collect();
    let [.., high, low] = numbers[..] else {
        panic!("{answer}");
    };
    high * 256 + low
}
