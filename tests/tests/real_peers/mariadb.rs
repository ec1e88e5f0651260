//! A real MariaDB server, and its client against ours.

use std::process::Command;

use starttls_core::Error;
use starttls_core::rustls::version::{TLS12, TLS13};
use starttls_protocols::mysql::{self, SslRequest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::inside::{Inside, connect, declined, is_verified_in_each_version, without_tls};
use crate::support::{
    Second, Server, client_config, connection, file, must_fail, must_say, peers_python, port,
};

const MYSQL: u16 = 306;

/// Sequence id and payload.
async fn packet(stream: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await.unwrap();
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.unwrap();
    (header[3], payload)
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), sequence: u8, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let header = [length[0], length[1], length[2], sequence];
    let packet = [&header, payload].concat();
    stream.write_all(&packet).await.unwrap();
    stream.flush().await.unwrap();
}

/// HandshakeResponse: what SSLRequest has or would have had, the user `open`, who has no password, and the plugin.
fn response(request: SslRequest, capabilities: u32) -> Vec<u8> {
    [
        &capabilities.to_le_bytes()[..],
        &request.max_packet_size.to_le_bytes(),
        &[request.character_set],
        &[0; 23],
        b"open\0\0mysql_native_password\0",
    ]
    .concat()
}

#[tokio::test]
async fn mysql_with_each_version() {
    is_verified_in_each_version(port(MYSQL), mysql::Client::new).await;
}

#[tokio::test]
async fn mysql_and_a_query_inside() {
    for (version, expected) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
        let mut client = mysql::Client::new();
        let plain = connect(port(MYSQL)).await;
        let connection = connection(client_config(&[version]), "localhost");
        let mut tls = Inside::new(plain.upgrade(&mut client, connection).await.unwrap());
        let greeting = client.greeting().unwrap().into_inner();
        assert_eq!(greeting.scramble.len(), 20);
        assert!(greeting.server_version.escaped().contains("MariaDB"));

        let request = client.request();
        let response = response(request, request.capabilities);
        let mut stream = &mut tls.tls;
        send(&mut stream, mysql::NEXT_SEQUENCE, &response).await;
        let (sequence, ok) = packet(&mut stream).await;
        assert_eq!((sequence, ok[0]), (3, 0), "{}", ok.escape_ascii());

        // COM_QUERY: two columns and their definitions, EOF, one row, EOF.
        send(&mut stream, 0, b"\x03SHOW STATUS LIKE 'Ssl_version'").await;
        assert_eq!(packet(&mut stream).await, (1, vec![2]));
        for _ in 0..3 {
            packet(&mut stream).await;
        }
        let (_, row) = packet(&mut stream).await;
        assert_eq!(row, [b"\x0bSsl_version\x07", expected.as_bytes()].concat());
        assert_eq!(packet(&mut stream).await.1[0], 0xfe);
        // COM_QUIT
        send(&mut stream, 0, &[1]).await;
        tls.ends().await;
    }
}

#[tokio::test]
async fn mysql_without_tls_is_not_offered() {
    let second = Second::without_tls("mariadb");
    let reason = declined(second.port(MYSQL), mysql::Client::new()).await;
    assert_eq!(reason, Error::NotOffered);
}

#[tokio::test]
async fn mysql_logged_in_to_without_tls_after_it_was_declined() {
    let second = Second::without_tls("mariadb");
    let mut client = mysql::Client::new();
    let (mut plain, reason) = without_tls(second.port(MYSQL), &mut client).await;
    assert_eq!(reason, Error::NotOffered);
    let greeting = client.greeting().unwrap().into_inner();
    assert_eq!(greeting.scramble.len(), 20);

    let request = client.request();
    let response = response(request, request.capabilities & !mysql::CLIENT_SSL);
    send(&mut plain, 1, &response).await;
    let (sequence, ok) = packet(&mut plain).await;
    assert_eq!((sequence, ok[0]), (2, 0), "{}", ok.escape_ascii());
    send(&mut plain, 0, b"\x03select 1").await;
    assert_eq!(packet(&mut plain).await, (1, vec![1]));
    for _ in 0..2 {
        packet(&mut plain).await;
    }
    assert_eq!(packet(&mut plain).await.1, b"\x011");
}

fn client(port: u16, host: &str) -> Command {
    let mut client = Command::new("mariadb");
    client
        .args(["--no-defaults", "--protocol=tcp", "-u", "test", "-psecret"])
        .args(["-h", host, "-P", &port.to_string()])
        .arg(format!("--ssl-ca={}", file("ca.pem").display()))
        .args(["--ssl-verify-server-cert", "--connect-timeout=30"])
        .args(["-Ne", "select 1"]);
    client
}

#[test]
fn its_client_to_our_server() {
    let server = Server::of("mysql", &[]);
    assert_eq!(must_say(&mut client(server.port, "localhost"), &[]), "1\n");
    server.says("TLS is up");
    let server = Server::of("mysql", &["--listen", "127.0.0.2:0"]);
    must_fail(&mut client(server.port, "127.0.0.2"), "SSL");
}

#[test]
fn python_pymysql_to_our_server() {
    let client = |server: &Server, host: &str| {
        let mut client = peers_python("database_client.py");
        client
            .args(["mysql", "--host", host, "--port", &server.port.to_string()])
            .arg("--cafile")
            .arg(file("ca.pem"));
        client
    };
    let server = Server::of("mysql", &[]);
    must_say(&mut client(&server, "localhost"), &["the row is (1,)"]);
    let server = Server::of("mysql", &["--listen", "127.0.0.2:0"]);
    must_fail(
        &mut client(&server, "127.0.0.2"),
        "CERTIFICATE_VERIFY_FAILED",
    );
}
