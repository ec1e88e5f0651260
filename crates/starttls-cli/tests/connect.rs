//! `starttls connect`: each exit code, what is said, and the session.

mod common;

use common::{CERTS, at, honest, implicit, inside, says, serve, starttls, starttls_with};
use starttls_protocols::registry::Protocol;
use starttls_tokio::rustls::ServerConnection;
use starttls_tokio::rustls::version::TLS12;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const OFFER: &[u8] = b"250-localhost\r\n250 STARTTLS\r\n";

fn connect(protocol: &str, host: &str, more: &[&str]) -> common::Ran {
    let ca = CERTS.ca();
    let arguments = [&["connect", protocol, host, "--ca", &ca], more].concat();
    starttls(&arguments)
}

#[test]
fn secured_is_0_and_everything_is_said() {
    let server = at(honest(Protocol::Smtp, CERTS.good.config()));
    connect("smtp", &server, &[])
        .exits(0)
        .says("< 250-")
        .says("> STARTTLS")
        .says("TLS 1.3")
        .says("X25519MLKEM768 (post-quantum)")
        .says("days left")
        .says("tls-exporter")
        .says("server-end-point")
        .says("inside");
}

#[test]
fn every_protocol_is_secured_by_its_name() {
    for protocol in Protocol::ALL {
        if protocol
            .tunnel(&starttls_protocols::registry::ClientOptions::new("a").port(1))
            .is_ok()
        {
            continue;
        }
        let server = at(honest(protocol, CERTS.good.config()));
        let ran = connect(protocol.name(), &server, &["--json"]).exits(0);
        let json = ran.json();
        assert_eq!(json["outcome"], "secured", "{protocol}");
        assert_eq!(json["tls"]["version"], "TLS 1.3", "{protocol}");
        assert!(
            !json["dialogue"].as_array().unwrap().is_empty(),
            "{protocol}"
        );
    }
}

#[test]
fn usage_is_2() {
    connect("gopher", "localhost", &[])
        .exits(2)
        .says("known are smtp");
    connect("socks5", "localhost", &[]).exits(2).says("--via");
    connect("connect", "localhost", &[]).exits(2);
    connect(
        "smtp",
        "localhost",
        &["--via", "socks5://me:secret@localhost"],
    )
    .exits(2)
    .says("--via-password");
    starttls(&["connect", "smtp", "localhost", "--ca", "/no/such/file"]).exits(2);
    starttls(&[
        "connect",
        "lmtp",
        "localhost",
        "--implicit",
        "--ca",
        &CERTS.ca(),
    ])
    .exits(2)
    .says("say HOST:PORT");
}

#[test]
fn network_is_3() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    connect("smtp", &at(address), &[]).exits(3);
    // A proxy that says no is not the server.
    let proxy = says(&[b"", b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"]);
    let via = format!("connect://{}", at(proxy));
    connect("smtp", "mail.example:25", &["--via", &via])
        .exits(3)
        .says("proxy")
        .says("403");
}

#[test]
fn not_offered_is_4() {
    let server = at(says(&[b"220 ready\r\n", b"250 localhost\r\n"]));
    connect("smtp", &server, &[])
        .exits(4)
        .says("does not offer TLS");
}

#[test]
fn refused_is_5_with_code_and_words() {
    let server = at(says(&[b"220 ready\r\n", OFFER, b"454 no \x1b[2Jkey\r\n"]));
    let ran = connect("smtp", &server, &["--json"]).exits(5);
    let json = ran.json();
    assert_eq!(json["refusal"]["code"], 454);
    assert_eq!(json["refusal"]["words"], r"no \x1b[2Jkey");
    let ran = connect("smtp", &server, &[]).exits(5).says("454");
    assert!(!ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
    let server = at(says(&[b"421 too many\r\n"]));
    connect("smtp", &server, &[]).exits(5).says("too many");
}

#[test]
fn a_broken_negotiation_is_6() {
    let server = at(says(&[b"nonsense\r\n"]));
    connect("smtp", &server, &[]).exits(6);
    let server = at(serve(|mut plain| async move {
        let _ = plain.write_all(b"220 rea").await;
        let _ = plain.shutdown().await;
    }));
    connect("smtp", &server, &[]).exits(6);
}

#[test]
fn a_failed_handshake_is_7() {
    let config = CERTS.good.config_of(&[&TLS12]);
    let server = at(honest(Protocol::Smtp, config));
    connect("smtp", &server, &["--tls", "1.3"]).exits(7);
}

#[test]
fn a_bad_certificate_is_8_and_is_shown() {
    let server = at(honest(Protocol::Pop3, CERTS.expired.config()));
    let json = connect("pop3", &server, &["--json"]).exits(8).json();
    assert!(json["chain"][0]["days_left"].as_i64().unwrap() < 0);
    assert!(
        json["certificate_error"]
            .as_str()
            .unwrap()
            .contains("xpired")
    );
    let server = at(honest(Protocol::Pop3, CERTS.other.config()));
    connect("pop3", &server, &[])
        .exits(8)
        .says("the certificate is for other.example");
    let server = at(honest(Protocol::Pop3, CERTS.good.config()));
    connect("pop3", &server, &["--servername", "other.example"]).exits(8);
    starttls(&[
        "connect",
        "pop3",
        &server,
        "--ca",
        &CERTS.good.chain.display().to_string(),
    ])
    .exits(8);
}

#[test]
fn a_silent_server_is_9_and_implicit_tls_is_named() {
    let server = at(says(&[b""]));
    connect("imap", &server, &["--timeout", "0.3"]).exits(9);
    let server = at(implicit(CERTS.good.config()));
    connect("imap", &server, &["--timeout", "0.5"])
        .exits(9)
        .says(&format!("type: starttls connect imap {server} --implicit"));
    connect("imap", &server, &["--implicit"])
        .exits(0)
        .says("inside");
    connect("tls", &server, &[]).exits(0).says("inside");
}

#[test]
fn an_injection_is_10_in_one_piece_and_in_two() {
    let server = at(says(&[
        b"220 ready\r\n",
        OFFER,
        b"220 go\r\n250 injected\r\n",
    ]));
    let json = connect("smtp", &server, &["--json"]).exits(10).json();
    assert_eq!(json["injected"], r"250 injected\r\n");
    // The rest arrives when the client has begun with TLS.
    let server = at(serve(|mut plain| async move {
        let mut buf = [0; 512];
        for words in [
            &b"220 ready\r\n"[..],
            OFFER,
            b"220 go\r\n",
            b"250 injected\r\n",
        ] {
            let _ = plain.write_all(words).await;
            let _ = plain.flush().await;
            let _ = plain.read(&mut buf).await;
        }
    }));
    connect("smtp", &server, &[]).exits(10);
}

#[test]
fn another_protocol_is_named_with_what_to_type() {
    let server = at(honest(Protocol::Pop3, CERTS.good.config()));
    connect("smtp", &server, &[])
        .exits(6)
        .says(&format!("type: starttls connect pop3 {server}"));
    connect("tls", &server, &["--timeout", "2"])
        .says(&format!("type: starttls connect pop3 {server}"));
}

#[test]
fn a_session_is_carried_both_ways_with_cr_lf() {
    let server = at(honest(Protocol::Smtp, CERTS.good.config()));
    let ca = CERTS.ca();
    let ran = starttls_with(
        &["connect", "smtp", &server, "--ca", &ca, "--crlf", "--quiet"],
        b"hello\nworld\n",
    );
    assert_eq!(
        (ran.code, &*ran.stdout),
        (0, "inside\r\nhello\r\nworld\r\n")
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn a_program_talks_and_its_exit_code_counts() {
    let server = at(honest(Protocol::Smtp, CERTS.good.config()));
    let script =
        "read line; echo \"got $line\" >&2; echo hello; read line; echo \"got $line\" >&2; exit 7";
    connect("smtp", &server, &["--quiet", "--exec", script])
        .exits(7)
        .says("got inside")
        .says("got hello");
}

#[test]
fn the_chain_is_saved_also_when_it_is_not_accepted() {
    let file = CERTS.folder.path().join("saved.pem");
    let server = at(honest(Protocol::Imap, CERTS.expired.config()));
    connect(
        "imap",
        &server,
        &["--save-chain", &file.display().to_string()],
    )
    .exits(8);
    let saved = std::fs::read_to_string(file).unwrap();
    let sent = std::fs::read_to_string(&CERTS.expired.chain).unwrap();
    assert_eq!(saved.replace("\r\n", "\n"), sent.replace("\r\n", "\n"));
}

#[test]
fn through_stacked_proxies_and_with_a_header() {
    use starttls_protocols::tunnel::Tunnel;
    use starttls_protocols::{connect as http, proxy, smtp, socks};
    let config = CERTS.good.config();
    // Proxies and server in one: the stack of the three negotiations is what the client must go through.
    let server = at(serve(move |plain| {
        let connection = ServerConnection::new(config.clone()).unwrap();
        async move {
            let stack = socks::Server::new().password("me", "secret").then(
                http::Server::new().then(proxy::Reader::new().then(smtp::Server::new("localhost"))),
            );
            if let Ok(tls) = plain.upgrade(stack, connection).await {
                inside(tls).await;
            }
        }
    }));
    let password = CERTS.folder.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let socks = format!("socks5://me@{server}");
    let password = password.display().to_string();
    for version in ["v1", "v2"] {
        let ran = connect(
            "smtp",
            "localhost:25",
            &[
                "--via",
                &socks,
                "--via",
                "connect://proxy:3128",
                "--via-password",
                &password,
                "--proxy-header",
                version,
            ],
        );
        let ran = ran.exits(0).says("via socks5://").says("< 220 localhost");
        assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    }
}

#[test]
fn a_client_certificate_is_shown_to_who_asks() {
    use starttls_tokio::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    use starttls_tokio::rustls::server::WebPkiClientVerifier;
    use starttls_tokio::rustls::{RootCertStore, ServerConfig};
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(CERTS.ca()).unwrap())
        .unwrap();
    let verifier = WebPkiClientVerifier::builder(roots.into()).build().unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&CERTS.good.chain).unwrap()],
            PrivateKeyDer::from_pem_file(&CERTS.good.key).unwrap(),
        )
        .unwrap();
    let server = at(honest(Protocol::Postgres, config.into()));
    let (chain, key) = (
        CERTS.other.chain.display().to_string(),
        CERTS.other.key.display().to_string(),
    );
    connect(
        "pgsql",
        &server,
        &["--client-cert", &chain, "--client-key", &key],
    )
    .exits(0)
    .says("inside");
    let without = connect("pgsql", &server, &[]);
    assert!(!without.stdout.contains("inside"));
}

#[test]
fn the_json_is_what_its_schema_says() {
    let schema = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/schema/connect-1.json"
    ))
    .unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let good = at(honest(Protocol::Smtp, CERTS.good.config()));
    let expired = at(honest(Protocol::Smtp, CERTS.expired.config()));
    let refusing = at(says(&[b"220 ready\r\n", OFFER, b"454 no\r\n"]));
    for (server, code) in [(good, 0), (expired, 8), (refusing, 5)] {
        let json = connect("smtp", &server, &["--json"]).exits(code).json();
        if let Err(error) = validator.validate(&json) {
            panic!("{error}: {json:#}");
        }
    }
    assert!(
        validator
            .validate(&serde_json::json!({"schema": "starttls-connect/1"}))
            .is_err()
    );
}

#[test]
fn our_own_name_reaches_the_server() {
    let server = at(serve(|mut plain| async move {
        let mut buf = [0; 512];
        let _ = plain.write_all(b"220 ready\r\n").await;
        let n = plain.read(&mut buf).await.unwrap_or(0);
        let told = if buf[..n].starts_with(b"EHLO me.example\r\n") {
            "550 yes"
        } else {
            "550 no"
        };
        let _ = plain.write_all(told.as_bytes()).await;
        let _ = plain.write_all(b"\r\n").await;
        let _ = plain.shutdown().await;
    }));
    connect("smtp", &server, &["--from-name", "me.example"]).says("550 yes");
}
