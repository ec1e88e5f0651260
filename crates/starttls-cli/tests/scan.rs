//! `starttls scan`: what each port speaks.

mod common;

use common::{CERTS, honest, implicit, says, serve, starttls};
use starttls_protocols::registry::{ClientOptions, Protocol};
use starttls_tokio::rustls::version::TLS12;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn scan(ports: &[u16], more: &[&str]) -> common::Ran {
    let ca = CERTS.ca();
    let list: Vec<_> = ports.iter().map(u16::to_string).collect();
    let list = list.join(",");
    let arguments = [
        "scan",
        "localhost",
        "--ca",
        &ca,
        "--ports",
        &list,
        "--wait",
        "0.5",
        "--timeout",
        "1",
    ];
    starttls(&[&arguments[..], more].concat())
}

#[test]
fn every_protocol_is_found_by_what_it_speaks() {
    let ends: Vec<_> = Protocol::ALL
        .into_iter()
        .filter(|it| it.tunnel(&ClientOptions::new("a").port(1)).is_err())
        .collect();
    let servers: Vec<_> = ends
        .iter()
        .map(|protocol| honest(*protocol, CERTS.good.config()).port())
        .collect();
    let json = scan(&servers, &["--json", "--parallel", "30"])
        .exits(0)
        .json();
    for (protocol, port) in ends.iter().zip(servers) {
        let ports = json["ports"].as_array().unwrap();
        let found = ports.iter().find(|found| found["port"] == port).unwrap();
        assert_eq!(found["speaks"], "upgrade", "{protocol}: {found:#}");
        assert_eq!(
            found["protocols"],
            serde_json::json!([protocol.name()]),
            "{protocol}"
        );
        assert_eq!(
            found["versions"],
            serde_json::json!(["TLS 1.2", "TLS 1.3"]),
            "{protocol}"
        );
    }
}

#[test]
fn implicit_plaintext_unknown_and_closed_are_told_apart() {
    let tls = implicit(CERTS.expired.config_of(&[&TLS12])).port();
    let refusing = says(&[b"+OK ready\r\n", b"-ERR no\r\n", b"-ERR no\r\n"]).port();
    let ssh = says(&[b"SSH-2.0-x\r\n"]).port();
    let silent = says(&[b""]).port();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let ports = [tls, refusing, ssh, silent, closed];
    let json = scan(&ports, &["--json"]).exits(0).json();
    let found = |port: u16| {
        let ports = json["ports"].as_array().unwrap();
        ports
            .iter()
            .find(|found| found["port"] == port)
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(found(tls)["speaks"], "implicit");
    assert_eq!(found(tls)["versions"], serde_json::json!(["TLS 1.2"]));
    assert_eq!(found(tls)["connection"]["outcome"], "certificate");
    assert_eq!(found(refusing)["speaks"], "plaintext");
    assert_eq!(found(refusing)["protocols"][0], "POP3");
    assert_eq!(found(ssh)["protocols"][0], "SSH");
    assert_eq!(found(silent)["speaks"], "unknown");
    assert!(found(closed).is_null());
    assert_eq!(json["closed"], 1);
    scan(&[closed], &[]).exits(3);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/scan-1.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    jsonschema::validator_for(&schema)
        .unwrap()
        .validate(&json)
        .unwrap();
}

#[test]
fn suites_are_tried_one_by_one() {
    let server = honest(Protocol::Smtp, CERTS.good.config_of(&[&TLS12])).port();
    let ran = scan(&[server], &["--suites"]).exits(0);
    ran.says("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
        .says("not tried: versions before TLS 1.2");
}

#[test]
fn nothing_of_a_peer_reaches_the_output_as_it_is() {
    let server = serve(|mut plain| async move {
        let _ = plain.write_all(b"220 ftp \x1b]0;owned\x07\r\n").await;
        let mut buf = Vec::new();
        let _ = plain.read_to_end(&mut buf).await;
    });
    let ran = scan(&[server.port()], &[]).exits(0);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stdout.contains('\u{7}'));
}
