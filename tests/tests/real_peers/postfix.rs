//! A real postfix: the library and the `smtp_client` example.

use starttls_core::rustls::{CertificateError, ClientConnection, Error as TlsError};
use starttls_protocols::tunnel::Tunnel;
use starttls_protocols::{proxy, smtp};
use starttls_tokio::starttls_core::Error as CoreError;
use starttls_tokio::{Error, TlsStream};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::inside::{
    connect, declined, declined_on, inside, is_verified_in_each_version, refused_with,
};
use crate::support::{
    ANY, Second, client_config_of_2100, connection, example, file, must_fail, must_say, port, until,
};

fn smtp() -> smtp::Client {
    smtp::Client::new("localhost")
}

async fn upgrade(connection: ClientConnection) -> Result<TlsStream<TcpStream>, Error> {
    connect(port(25)).await.upgrade(smtp(), connection).await
}

#[tokio::test]
async fn smtp_with_each_version() {
    is_verified_in_each_version(port(25), smtp).await;
}

#[tokio::test]
async fn smtp_and_a_mail_inside() {
    let mut tls = inside(port(25), smtp()).await;
    let capabilities = tls.ask("EHLO localhost").await;
    assert!(capabilities.contains("PIPELINING") && !capabilities.contains("STARTTLS"));
    for (command, code) in [
        ("MAIL FROM:<a@localhost>", "250"),
        ("RCPT TO:<test@localhost>", "250"),
        ("DATA", "354"),
        ("Subject: x\r\n\r\nx\r\n.", "250"),
        ("QUIT", "221"),
    ] {
        let answer = tls.ask(command).await;
        assert!(answer.starts_with(code), "{command}: {answer}");
    }
    // postfix ends with a bare FIN once it has seen our close_notify, or before.
    tls.ends().await;
}

#[tokio::test]
async fn smtp_without_tls_is_not_offered_and_refused() {
    let second = Second::without_tls("postfix");
    let reason = declined(second.port(25), smtp()).await;
    assert_eq!(reason, CoreError::NotOffered);

    let mut plain = connect(second.port(25)).await;
    plain.write_all(b"EHLO localhost\r\n").await.unwrap();
    plain.flush().await.unwrap();
    let mut line = String::new();
    while line.is_empty() || !line.starts_with("250 ") {
        line.clear();
        plain.read_line(&mut line).await.unwrap();
        assert!(!line.contains("STARTTLS") && !line.is_empty());
    }
    let reason = declined_on(plain, smtp::Client::at_command()).await;
    assert!(refused_with(&reason, 502, "not implemented"), "{reason:?}");
}

#[tokio::test]
async fn smtp_behind_a_proxy_header() {
    let destination = "192.0.2.1:25".parse().unwrap();
    for (source, header) in [
        (
            "192.0.2.21",
            proxy::Writer::v1("192.0.2.21:9999".parse().unwrap(), destination),
        ),
        (
            "192.0.2.22",
            proxy::Writer::v2("192.0.2.22:9999".parse().unwrap(), destination),
        ),
    ] {
        let mut tls = inside(port(26), header.then(smtp())).await;
        assert!(tls.ask("EHLO localhost").await.contains("PIPELINING"));
        assert!(tls.ask("QUIT").await.starts_with("221"));
        let logged = format!(" connect from unknown[{source}]");
        until(|| {
            let log = std::fs::read_to_string(file("postfix/maillog")).unwrap_or_default();
            log.contains(&logged)
        });
    }
}

fn certificate_error(error: Error) -> CertificateError {
    match error {
        Error::Protocol(CoreError::Tls(TlsError::InvalidCertificate(error))) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    let untrusting = starttls_tests::certs::client_config_with(ANY);
    let error = upgrade(connection(untrusting, "localhost"))
        .await
        .unwrap_err();
    assert!(matches!(
        certificate_error(error),
        CertificateError::UnknownIssuer | CertificateError::BadSignature
    ));
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let error = upgrade(connection(client_config_of_2100(), "localhost"))
        .await
        .unwrap_err();
    assert!(matches!(
        certificate_error(error),
        CertificateError::ExpiredContext { .. }
    ));
}

#[test]
fn smtp_client_shows_what_it_offers() {
    let address = format!("127.0.0.1:{}", port(25));
    let said = must_say(
        example("smtp_client")
            .arg(&address)
            .arg("--ca")
            .arg(file("ca.pem")),
        &[
            "before TLS: ",
            "STARTTLS",
            "TLS is up: TLSv1_3",
            "after TLS: ",
        ],
    );
    let after = said.split("after TLS: ").nth(1).unwrap();
    assert!(after.contains("PIPELINING") && !after.contains("STARTTLS"));
    must_fail(
        example("smtp_client")
            .arg(&address)
            .args(["--name", "other.example", "--ca"])
            .arg(file("ca.pem")),
        "not valid for name",
    );
}
