//! A real PostgreSQL server, and psql against ours.

use std::process::Command;

use starttls_core::{Error as CoreError, Misbehaviour};
use starttls_protocols::postgres;
use starttls_tokio::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::inside::{
    connect, declined, inside, is_verified_in_each_version, refused_with, without_tls,
};
use crate::support::{Program, Second, Server, file, must_fail, must_say, peers_python, port};

const POSTGRES: u16 = 432;

#[tokio::test]
async fn postgres_with_each_version() {
    is_verified_in_each_version(port(POSTGRES), postgres::Client::new).await;
}

#[tokio::test]
async fn postgres_and_the_beginning_of_a_login_inside() {
    for client in [postgres::Client::new(), postgres::Client::at_command()] {
        let mut tls = inside(port(POSTGRES), client).await;
        let parameters = b"\0\x03\0\0user\0test\0database\0postgres\0\0";
        let length = u32::try_from(parameters.len() + 4).unwrap().to_be_bytes();
        tls.send(&[&length[..], parameters].concat()).await;
        // AuthenticationSASL: over TLS also with channel binding.
        assert_eq!(tls.bytes(1).await, b"R");
        let length = u32::from_be_bytes(tls.bytes(4).await.try_into().unwrap());
        let request = tls.bytes(length as usize - 4).await;
        assert_eq!(request, b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    }
}

/// As Debian builds it, with GSSAPI, it says that it can, whether anybody can log in so or not.
#[tokio::test]
async fn postgres_asked_for_gss_encryption_first() {
    let plain = connect(port(POSTGRES)).await;
    let outcome = plain.negotiate(postgres::Client::with_gss()).await;
    assert!(
        matches!(
            &outcome,
            Err(Error::Protocol(CoreError::Misbehaved(Misbehaviour::Unexpected(answer))))
                if answer.text.as_bytes() == b"G"
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn postgres_without_tls_is_refused() {
    let second = Second::without_tls("postgres");
    let reason = declined(second.port(POSTGRES), postgres::Client::new()).await;
    assert!(refused_with(&reason, None, "N"), "{reason:?}");
}

/// Kind and contents of a message.
async fn message(stream: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    let mut header = [0; 5];
    stream.read_exact(&mut header).await.unwrap();
    let length = u32::from_be_bytes(header[1..].try_into().unwrap());
    let mut contents = vec![0; length as usize - 4];
    stream.read_exact(&mut contents).await.unwrap();
    (header[0], contents)
}

#[tokio::test]
async fn postgres_logged_in_to_without_tls_after_it_was_declined() {
    let second = Second::without_tls("postgres");
    let port = second.port(POSTGRES);
    let (mut plain, reason) = without_tls(port, postgres::Client::new()).await;
    assert!(refused_with(&reason, None, "N"), "{reason:?}");
    // What `sslmode=prefer` does: StartupMessage on the same connection, a password, a query.
    let startup = b"\0\0\0\x25\0\x03\0\0user\0test\0database\0postgres\0\0";
    plain.write_all(startup).await.unwrap();
    plain.flush().await.unwrap();
    let (kind, request) = message(&mut plain).await;
    assert_eq!(
        (kind, &request[..]),
        (b'R', &[0, 0, 0, 3][..]),
        "a password"
    );
    plain.write_all(b"p\0\0\0\x0bsecret\0").await.unwrap();
    plain.flush().await.unwrap();
    assert_eq!(message(&mut plain).await, (b'R', vec![0; 4]));
    while message(&mut plain).await.0 != b'Z' {}
    plain.write_all(b"Q\0\0\0\x0dselect 1\0").await.unwrap();
    plain.flush().await.unwrap();
    assert_eq!(message(&mut plain).await.0, b'T');
    let row = message(&mut plain).await;
    assert_eq!(row, (b'D', b"\0\x01\0\0\0\x011".to_vec()));
}

fn psql(port: u16, more: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.arg(format!(
        "hostaddr=127.0.0.1 port={port} user=test password=secret dbname=postgres connect_timeout=30 \
         sslmode=verify-full sslrootcert={} {more}",
        file("ca.pem").display(),
    ))
    .args(["-Atc", "select 1"]);
    psql
}

#[test]
fn psql_to_our_server() {
    let server = Server::of("postgres", &[]);
    let said = must_say(&mut psql(server.port, "host=localhost"), &[]);
    assert_eq!(said, "1\n");
    must_say(
        &mut psql(
            server.port,
            "host=localhost ssl_max_protocol_version=TLSv1.2",
        ),
        &["1"],
    );
    must_fail(
        &mut psql(server.port, "host=other.example"),
        "does not match host name",
    );
}

/// Before version 17 psql sends CancelRequest in plaintext, on another connection.
#[test]
fn psql_cancels_a_query_at_our_server() {
    let server = Server::of("postgres", &[]);
    let mut command = psql(server.port, "host=localhost");
    command.args(["-c", "select pg_sleep(600)"]);
    let psql = Program::start(&mut command);
    server.says("asleep");
    psql.interrupt();
    psql.shows("canceling statement due to user request");
    server.says("cancelled");
}

#[test]
fn python_psycopg2_to_our_server() {
    let client = |server: &Server, host: &str| {
        let mut client = peers_python("database_client.py");
        client
            .args([
                "postgres",
                "--host",
                host,
                "--port",
                &server.port.to_string(),
            ])
            .arg("--cafile")
            .arg(file("ca.pem"));
        client
    };
    let server = Server::of("postgres", &[]);
    must_say(&mut client(&server, "localhost"), &["the row is (1,)"]);
    let server = Server::of("postgres", &["--listen", "127.0.0.2:0"]);
    must_fail(&mut client(&server, "127.0.0.2"), "127.0.0.2");
}
