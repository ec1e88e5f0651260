//! Logins with SCRAM-SHA-256-PLUS: libpq at a server of ours, and ours at PostgreSQL and Prosody.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use starttls_core::rustls::pki_types::pem::PemObject;
use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use starttls_core::rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion, version};
use starttls_policy::binding::{BindingType, Bindings, RememberCertificate};
use starttls_protocols::{postgres, xmpp};
use starttls_stream::TlsStream;
use starttls_tests::dane_table::{Always, file as certificate_file};
use starttls_tests::scram::{self, PLUS};

use crate::inside::{Inside, connect};
use crate::support::{client_config, connection, must_fail, must_say, port};

const POSTGRES: u16 = 432;
const PROSODY: u16 = 222;
const EACH: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4)
        .expect("a short message")
        .to_be_bytes();
    [&[kind], &length[..], body].concat()
}

/// A PostgreSQL server that lets in who is bound to the connection, and answers one query with 1.
fn postgres_server(certificate: &'static str, other_bindings: Option<&'static str>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let der = |name: &str| {
        CertificateDer::from_pem_file(certificate_file(&format!("bindings/{name}.pem")))
            .expect("a certificate")
    };
    let key =
        PrivateKeyDer::from_pem_file(certificate_file(&format!("bindings/{certificate}.key")))
            .expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(vec![der(certificate)], key)));
    let other = other_bindings.map(der);
    thread::spawn(move || {
        let (socket, _) = listener.accept().expect("a connection");
        let (config, chosen) = RememberCertificate::during(&config);
        let connection = ServerConnection::new(config).expect("a valid configuration");
        let plain = starttls_stream::PlainStream::new(socket);
        let mut tls = plain
            .upgrade(postgres::Server::new(), connection)
            .expect("TLS");
        let own = other.or(chosen.certificate());
        let bindings = tls.channel_bindings_with(own.as_ref());
        // psql hangs up when it does not like what it is told.
        let _ = session(&mut tls, bindings);
    });
    port
}

fn session(tls: &mut TlsStream<TcpStream>, bindings: Bindings) -> std::io::Result<()> {
    fn read(tls: &mut TlsStream<TcpStream>) -> std::io::Result<Vec<u8>> {
        let mut length = [0; 4];
        tls.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        tls.read_exact(&mut body)?;
        Ok(body)
    }
    let answer = |tls: &mut TlsStream<TcpStream>, messages: &[Vec<u8>]| {
        tls.write_all(&messages.concat())?;
        tls.flush()
    };
    read(tls)?; // StartupMessage
    let plus = match bindings.get(BindingType::TlsServerEndPoint) {
        Some(_) => "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0",
        None => "SCRAM-SHA-256\0\0",
    };
    answer(
        tls,
        &[message(b'R', &[&[0, 0, 0, 10], plus.as_bytes()].concat())],
    )?;
    let mut kind = [0];
    tls.read_exact(&mut kind)?;
    let initial = read(tls)?;
    let end = initial.iter().position(|byte| *byte == 0).expect("a name");
    assert_eq!(&initial[..end], PLUS.as_bytes());
    let mut login = scram::server(bindings);
    let refusal = message(b'E', b"SFATAL\0C28P01\0Mlogin refused\0\0");
    let Ok(challenge) = login.step(Some(&initial[end + 5..])) else {
        return answer(tls, &[refusal]);
    };
    answer(
        tls,
        &[message(b'R', &[&[0, 0, 0, 11], &challenge[..]].concat())],
    )?;
    tls.read_exact(&mut kind)?;
    let last = read(tls)?;
    let verdict = login.step(Some(&last)).unwrap_or_default();
    if !login.is_done() {
        return answer(tls, &[refusal]);
    }
    let ready = message(b'Z', b"I");
    answer(
        tls,
        &[
            message(b'R', &[&[0, 0, 0, 12], &verdict[..]].concat()),
            message(b'R', &[0; 4]),
            message(b'S', b"server_version\x0015.0\0"),
            message(b'S', b"client_encoding\0UTF8\0"),
            message(b'K', &[0; 8]),
            ready.clone(),
        ],
    )?;
    tls.read_exact(&mut kind)?;
    read(tls)?; // the query
    answer(
        tls,
        &[
            message(
                b'T',
                b"\0\x01?column?\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0",
            ),
            message(b'D', b"\0\x01\0\0\0\x011"),
            message(b'C', b"SELECT 1\0"),
            ready,
        ],
    )?;
    tls.read_exact(&mut kind)
}

fn psql(port: u16, version: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.arg(format!(
        "host=127.0.0.1 port={port} user=test password=secret dbname=postgres connect_timeout=30 sslmode=require channel_binding=require \
         ssl_min_protocol_version={version} ssl_max_protocol_version={version}",
    ))
    .args(["-Atc", "select 1"]);
    psql
}

/// libpq takes `tls-server-end-point` of its own, by OpenSSL: it is the same as ours, or there would be no login.
#[test]
fn psql_with_channel_binding_required_at_our_server() {
    for certificate in ["rsa-sha1", "rsa-sha256", "p256-sha256", "p384-sha384"] {
        for version in ["TLSv1.2", "TLSv1.3"] {
            let port = postgres_server(certificate, None);
            assert_eq!(
                must_say(&mut psql(port, version), &[]),
                "1\n",
                "{certificate} {version}"
            );
        }
    }
}

#[test]
fn psql_is_refused_where_the_bindings_are_of_another_certificate() {
    let port = postgres_server("rsa-sha256", Some("p256-sha256"));
    must_fail(&mut psql(port, "TLSv1.3"), "login refused");
}

/// Ed25519 has no hash function: no `tls-server-end-point`, so that we do not offer the mechanism, and libpq does not log in without.
#[test]
fn psql_does_not_log_in_where_there_is_no_binding() {
    let port = postgres_server("ed25519", None);
    must_fail(&mut psql(port, "TLSv1.3"), "channel binding");
}

/// Logs in; the last thing that the server says is what kind of authentication message that was.
async fn postgres_login(tls: &mut Inside, bindings: Bindings) -> u32 {
    let parameters = b"\0\x03\0\0user\0test\0database\0postgres\0\0";
    let length = u32::try_from(parameters.len() + 4).unwrap().to_be_bytes();
    tls.send(&[&length[..], parameters].concat()).await;
    let offered = authentication(tls).await;
    assert_eq!(
        offered,
        (10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0".to_vec())
    );
    // PostgreSQL knows no other binding.
    let mut login = scram::client("test", bindings, BindingType::TlsServerEndPoint);
    let first = login.step(None).unwrap();
    let length = u32::try_from(first.len()).unwrap().to_be_bytes();
    let initial = [PLUS.as_bytes(), &[0], &length, &first].concat();
    tls.send(&message(b'p', &initial)).await;
    let (kind, challenge) = authentication(tls).await;
    if kind != 11 {
        return kind;
    }
    let last = login.step(Some(&challenge)).unwrap();
    tls.send(&message(b'p', &last)).await;
    let (kind, verdict) = authentication(tls).await;
    if kind != 12 {
        return kind;
    }
    login
        .step(Some(&verdict))
        .expect("the server knows the password too");
    authentication(tls).await.0
}

/// An authentication message's number and content; `u32::MAX` for an error.
async fn authentication(tls: &mut Inside) -> (u32, Vec<u8>) {
    let kind = tls.bytes(1).await;
    let length = u32::from_be_bytes(tls.bytes(4).await.try_into().unwrap());
    let body = tls.bytes(length as usize - 4).await;
    match kind[..] {
        [b'R'] => (
            u32::from_be_bytes(body[..4].try_into().unwrap()),
            body[4..].to_vec(),
        ),
        _ => (u32::MAX, body),
    }
}

#[tokio::test]
async fn postgres_with_channel_binding() {
    for version in EACH {
        let connection = connection(client_config(&[version]), "localhost");
        let tls = connect(port(POSTGRES))
            .await
            .upgrade(postgres::Client::new(), connection)
            .await
            .unwrap();
        let bindings = tls.channel_bindings();
        assert_eq!(
            postgres_login(&mut Inside::new(tls), bindings).await,
            0,
            "{version:?}"
        );
    }
}

#[tokio::test]
async fn postgres_refuses_the_bindings_of_another_certificate() {
    let connection = connection(client_config(&EACH), "localhost");
    let tls = connect(port(POSTGRES))
        .await
        .upgrade(postgres::Client::new(), connection)
        .await
        .unwrap();
    let other = starttls_tests::in_memory::handshake(
        starttls_tests::certs::client(),
        starttls_tests::certs::server(),
    )
    .unwrap();
    let bindings = Bindings::of(&other.client);
    assert!(bindings.get(BindingType::TlsServerEndPoint).is_some());
    assert_eq!(
        postgres_login(&mut Inside::new(tls), bindings).await,
        u32::MAX
    );
}

async fn xmpp_login(tls: &mut Inside, bindings: Bindings, kind: BindingType) -> bool {
    const STREAM: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";
    const SASL: &str = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";
    tls.send(STREAM.as_bytes()).await;
    let features = tls.text_with("</stream:features>").await;
    assert!(features.contains(PLUS), "{features}");
    let mut login = scram::client("test", bindings, kind);
    let first = STANDARD.encode(login.step(None).unwrap());
    tls.send(format!("<auth {SASL} mechanism='{PLUS}'>{first}</auth>").as_bytes())
        .await;
    let said = tls.text_with("</").await;
    if said.contains("<failure") {
        return false;
    }
    let last = login.step(Some(&sasl_data(&said))).unwrap();
    tls.text_with(">").await;
    tls.send(format!("<response {SASL}>{}</response>", STANDARD.encode(last)).as_bytes())
        .await;
    let said = tls.text_with("</").await;
    if said.contains("<failure") {
        return false;
    }
    assert!(said.contains("<success"), "{said}");
    login
        .step(Some(&sasl_data(&said)))
        .expect("the server knows the password too");
    true
}

/// The Base64 before the closing tag.
fn sasl_data(said: &str) -> Vec<u8> {
    let text = said.rsplit('>').next().unwrap_or_default();
    STANDARD
        .decode(text.trim_end_matches("</"))
        .unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[tokio::test]
async fn prosody_with_channel_binding() {
    for version in EACH {
        let mut kinds = 0;
        for kind in [BindingType::TlsExporter, BindingType::TlsServerEndPoint] {
            let connection = connection(client_config(&[version]), "localhost");
            let tls = connect(port(PROSODY))
                .await
                .upgrade(xmpp::Client::new("localhost"), connection)
                .await
                .unwrap();
            let bindings = tls.channel_bindings();
            if bindings.get(kind).is_none() {
                continue;
            }
            assert!(
                xmpp_login(&mut Inside::new(tls), bindings, kind).await,
                "{version:?} {kind}"
            );
            kinds += 1;
        }
        assert_eq!(kinds, if *version == version::TLS13 { 2 } else { 1 });
    }
}

#[tokio::test]
async fn prosody_refuses_the_bindings_of_another_connection() {
    let connection = connection(client_config(&EACH), "localhost");
    let tls = connect(port(PROSODY))
        .await
        .upgrade(xmpp::Client::new("localhost"), connection)
        .await
        .unwrap();
    let other = starttls_tests::in_memory::handshake(
        starttls_tests::certs::client(),
        starttls_tests::certs::server(),
    )
    .unwrap();
    assert!(
        !xmpp_login(
            &mut Inside::new(tls),
            Bindings::of(&other.client),
            BindingType::TlsExporter
        )
        .await
    );
}
