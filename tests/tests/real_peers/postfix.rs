//! A real postfix: the library and the `smtp_client` example.

use starttls_protocols::smtp;
use starttls_tokio::core::Error as CoreError;
use starttls_tokio::rustls::{
    CertificateError, ClientConnection, Error as TlsError, ProtocolVersion, version,
};
use starttls_tokio::{Error, PlainStream, TlsStream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    ANY, client_config, client_config_of_2100, connection, example, file, must_fail, must_say, port,
};

async fn upgrade(connection: ClientConnection) -> Result<TlsStream<TcpStream>, Error> {
    let socket = TcpStream::connect(("127.0.0.1", port(25)))
        .await
        .expect("postfix listens");
    PlainStream::new(socket)
        .upgrade(smtp::Client::new("localhost"), connection)
        .await
}

async fn ask(tls: &mut TlsStream<TcpStream>, command: &str) -> String {
    tls.write_all(command.as_bytes()).await.unwrap();
    tls.flush().await.unwrap();
    let mut said = String::new();
    loop {
        let mut line = String::new();
        assert!(
            tls.read_line(&mut line).await.unwrap() > 0,
            "the end after {said:?}"
        );
        said.push_str(&line);
        if line.get(3..4) == Some(" ") {
            return said;
        }
    }
}

#[tokio::test]
async fn each_version_alone_and_a_dialogue_inside() {
    for (versions, expected) in [
        (&[&version::TLS12][..], ProtocolVersion::TLSv1_2),
        (&[&version::TLS13], ProtocolVersion::TLSv1_3),
        (ANY, ProtocolVersion::TLSv1_3),
    ] {
        let mut tls = upgrade(connection(client_config(versions), "localhost"))
            .await
            .unwrap();
        assert_eq!(tls.connection().protocol_version(), Some(expected));
        let capabilities = ask(&mut tls, "EHLO localhost\r\n").await;
        assert!(capabilities.contains("PIPELINING") && !capabilities.contains("STARTTLS"));
        assert!(ask(&mut tls, "QUIT\r\n").await.starts_with("221"));
        // postfix ends with a bare FIN once it has seen our close_notify, or before: told apart from a clean end, and harmless here.
        tls.shutdown().await.unwrap();
        match tls.read(&mut [0; 10]).await {
            Ok(n) => assert_eq!(n, 0),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof),
        }
    }
}

fn certificate_error(error: Error) -> CertificateError {
    match error {
        Error::Protocol(CoreError::Tls(TlsError::InvalidCertificate(error))) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_wrong_name_is_refused() {
    let error = upgrade(connection(client_config(ANY), "other.example"))
        .await
        .unwrap_err();
    assert!(matches!(
        certificate_error(error),
        CertificateError::NotValidForNameContext { .. }
    ));
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
