//! A real MariaDB server, and its client against ours.

use std::process::Command;

use starttls_core::Error;
use starttls_core::rustls::version::{TLS12, TLS13};
use starttls_protocols::mysql;

use crate::inside::{Inside, connect, declined, is_verified_in_each_version};
use crate::support::{Second, Server, client_config, connection, file, must_fail, must_say, port};

const MYSQL: u16 = 306;

async fn packet(tls: &mut Inside) -> (u8, Vec<u8>) {
    let header = tls.bytes(4).await;
    let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    (header[3], tls.bytes(length as usize).await)
}

async fn send(tls: &mut Inside, sequence: u8, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    let header = [length[0], length[1], length[2], sequence];
    tls.send(&[&header, payload].concat()).await;
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

        // HandshakeResponse: what SSLRequest had, the user `open`, who has no password, and the plugin.
        let request = client.request();
        let response = [
            &request.capabilities.to_le_bytes()[..],
            &request.max_packet_size.to_le_bytes(),
            &[request.character_set],
            &[0; 23],
            b"open\0\0mysql_native_password\0",
        ];
        send(&mut tls, mysql::NEXT_SEQUENCE, &response.concat()).await;
        let (sequence, ok) = packet(&mut tls).await;
        assert_eq!((sequence, ok[0]), (3, 0), "{}", ok.escape_ascii());

        // COM_QUERY: two columns and their definitions, EOF, one row, EOF.
        send(&mut tls, 0, b"\x03SHOW STATUS LIKE 'Ssl_version'").await;
        assert_eq!(packet(&mut tls).await, (1, vec![2]));
        for _ in 0..3 {
            packet(&mut tls).await;
        }
        let (_, row) = packet(&mut tls).await;
        assert_eq!(row, [b"\x0bSsl_version\x07", expected.as_bytes()].concat());
        assert_eq!(packet(&mut tls).await.1[0], 0xfe);
        // COM_QUIT
        send(&mut tls, 0, &[1]).await;
        tls.ends().await;
    }
}

#[tokio::test]
async fn mysql_without_tls_is_not_offered() {
    let second = Second::without_tls("mariadb");
    let reason = declined(second.port(MYSQL), mysql::Client::new()).await;
    assert_eq!(reason, Error::NotOffered);
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
