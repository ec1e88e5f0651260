//! `starttls check`: levels, thresholds and formats.

mod common;

use common::{CERTS, at, honest, says, starttls};
use starttls_protocols::registry::Protocol;
use starttls_tokio::rustls::version::TLS12;

fn check(hosts: &[&str], more: &[&str]) -> common::Ran {
    let ca = CERTS.ca();
    starttls(&[&["check", "imap"], hosts, &["--ca", &ca], more].concat())
}

fn good() -> String {
    at(honest(Protocol::Imap, CERTS.good.config()))
}

#[test]
fn each_level_has_its_exit_code() {
    let server = good();
    check(&[&server], &[]).exits(0).says("OK");
    // Whatever is left of it, it is less than that.
    check(&[&server], &["-w", "4000000"])
        .exits(1)
        .says("WARNING");
    check(&[&server], &["-w", "4000000", "-c", "4000000"])
        .exits(2)
        .says("CRITICAL");
    check(&["localhost"], &["--client-cert", "/no/such/file"]).exits(3);
    check(&[&server], &["--no-such-option"]).exits(3);
    let expired = at(honest(Protocol::Imap, CERTS.expired.config()));
    check(&[&expired], &[]).exits(2).says("expired");
    let none = at(says(&[b"* OK [CAPABILITY IMAP4rev1] ready\r\n", b""]));
    check(&[&none], &["--timeout", "2"]).exits(2);
}

#[test]
fn every_demand_can_fail() {
    let server = good();
    let of_old = at(honest(Protocol::Imap, CERTS.good.config_of(&[&TLS12])));
    let met: &[&[&str]] = &[
        &["--name", "localhost"],
        &["--issuer", "rcgen"],
        &["--min-tls", "1.3"],
        &["--group", "x25519mlkem768"],
    ];
    for demand in met {
        check(&[&server], demand).exits(0);
    }
    check(&[&server], &["--name", "other.example"])
        .exits(2)
        .says("not for other.example");
    check(&[&server], &["--issuer", "Somebody"])
        .exits(2)
        .says("the issuer is");
    check(&[&of_old], &["--min-tls", "1.3"])
        .exits(2)
        .says("TLS 1.2 is spoken");
    check(&[&server], &["--group", "secp384r1"])
        .exits(2)
        .says("the key exchange is");
    check(&[&server], &["--expect-alpn", "imap"])
        .exits(2)
        .says("ALPN has chosen nothing");
}

#[test]
fn a_login_before_tls_can_be_forbidden() {
    let offering = at(says(&[
        b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] x\r\n",
        b"* BYE\r\n",
    ]));
    let demand = ["--no-plaintext-auth", "--timeout", "1"];
    check(&[&offering], &demand)
        .exits(2)
        .says("a login is offered before TLS");
    // Ours does not offer any.
    check(&[&good()], &demand).exits(0);
}

#[test]
fn preauth_is_critical() {
    let server = at(says(&[b"* PREAUTH welcome\r\n"]));
    check(&[&server], &[])
        .exits(2)
        .says("authenticated before TLS");
}

#[test]
fn nagios_gets_one_line_with_performance_data() {
    let server = good();
    let line = check(&[&server], &["--format", "nagios"]).exits(0).stdout;
    assert_eq!(line.lines().count(), 1);
    let (text, data) = line.trim_end().split_once(" | ").unwrap();
    assert!(
        text.starts_with(&format!("STARTTLS OK - imap {server}: TLS 1.3")),
        "{text}"
    );
    let data: Vec<_> = data.split(' ').collect();
    assert!(
        data[0].starts_with("'days'=") && data[0].ends_with(";20:;15:;;"),
        "{data:?}"
    );
    assert!(
        data[1].starts_with("'time'=0.") && data[1].ends_with("s;;;0;10"),
        "{data:?}"
    );
    let refused = at(says(&[b"* BYE no|t\r\nnow\r\n"]));
    let line = check(&[&server, &refused], &["--format", "nagios"])
        .exits(2)
        .stdout;
    assert_eq!(line.matches('|').count(), 1);
    assert!(
        line.starts_with("STARTTLS CRITICAL - 1 of 2 servers are OK; "),
        "{line}"
    );
    assert!(line.contains(&format!("'{server} days'=")), "{line}");
}

#[test]
fn the_metrics_are_those_of_blackbox_exporter() {
    let server = good();
    let text = check(&[&server], &["--format", "prometheus"])
        .exits(0)
        .stdout;
    let labels = format!("protocol=\"imap\",target=\"{server}\"");
    for sample in [
        format!("probe_success{{{labels}}} 1"),
        format!("probe_tls_version_info{{{labels},version=\"TLS 1.3\"}} 1"),
        format!("probe_starttls_info{{{labels},group=\"X25519MLKEM768\",handshake=\"full\"}} 1"),
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample}:\n{text}");
    }
    for name in [
        "probe_duration_seconds",
        "probe_ssl_earliest_cert_expiry",
        "probe_tls_cipher_info",
    ] {
        assert!(text.contains(&format!("\n{name}{{")), "{name}");
    }
    let text = check(&["localhost:1"], &["--format", "openmetrics"])
        .exits(2)
        .stdout;
    assert!(
        text.contains("probe_success{") && text.ends_with("# EOF\n"),
        "{text}"
    );
}

#[test]
fn a_file_is_replaced_whole_and_readable_to_others() {
    let file = CERTS.folder.path().join("starttls.prom");
    std::fs::write(&file, "old").unwrap();
    let name = file.display().to_string();
    let ran = check(&[&good()], &["--format", "prometheus", "--output", &name]).exits(0);
    assert_eq!(ran.stdout, "");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# HELP probe_success"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o444, 0o444);
    }
    check(&[&good()], &["--output", "/no/such/folder/file"]).exits(3);
}

#[test]
fn several_servers_are_said_in_the_order_of_the_arguments() {
    let servers: Vec<_> = (0..5).map(|_| good()).collect();
    let hosts: Vec<_> = servers.iter().map(String::as_str).collect();
    let text = check(&hosts, &["--parallel", "2"]).exits(0).stdout;
    let said: Vec<_> = text.lines().collect();
    assert_eq!(said.len(), 5);
    for (line, server) in said.iter().zip(&servers) {
        assert!(line.contains(&format!("imap {server}:")), "{line}");
    }
}

#[test]
fn the_json_is_what_its_schema_says() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/check-1.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let silent = at(says(&[b""]));
    let json = check(&[&good(), &silent], &["--format", "json", "--timeout", "1"])
        .exits(2)
        .json();
    if let Err(error) = validator.validate(&json) {
        panic!("{error}: {json:#}");
    }
    assert_eq!(json["servers"][1]["connection"]["outcome"], "timeout");
    assert_eq!(json["servers"][1]["findings"][0]["about"], "connection");
}
