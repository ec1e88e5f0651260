//! The command `starttls` with each server that is here: `connect`, `check` and `scan`, and what exits with which code.

use std::process::{Command, Stdio};

use crate::support::{Second, file, must_say, port, run, unused_port};

/// The program, as built beside the examples.
pub(crate) fn starttls() -> Command {
    let test = std::env::current_exe().expect("a path");
    let target = test.ancestors().nth(2).expect("target/debug/deps/this");
    Command::new(target.join("starttls"))
}

/// What it prints and exits with.
fn output(arguments: &[&str]) -> (i32, String, String) {
    let output = starttls()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("it is built");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap_or(-1);
    (code, text(&output.stdout), text(&output.stderr))
}

fn exits(code: i32, arguments: &[&str], words: &str) {
    let ca = file("ca.pem").display().to_string();
    let (exited, stdout, stderr) = output(&[arguments, &["--ca", &ca]].concat());
    assert_eq!(exited, code, "{arguments:?}: {stdout}{stderr}");
    assert!(
        (stdout + &stderr).contains(words),
        "{arguments:?} does not say {words:?}: {stderr}"
    );
}

/// `connect` secures it, `check` finds nothing wrong with it, and so does `scan` find it if it can.
fn works(protocol: &str, offset: u16, more: &[&str], is_found: bool) {
    let host = format!("localhost:{}", port(offset));
    exits(
        0,
        &[&["connect", protocol, &host, "--json"], more].concat(),
        "\"outcome\": \"secured\"",
    );
    let nagios = ["check", protocol, &host, "--format", "nagios"];
    exits(0, &[&nagios[..], more].concat(), "STARTTLS OK");
    if is_found {
        let found = if protocol == "tls" {
            "implicit"
        } else {
            "upgrade"
        };
        let number = port(offset).to_string();
        // LMTP is SMTP with another greeting, and so on: the name is that of the protocol.
        let name = if protocol == "submission" {
            "smtp"
        } else {
            protocol
        };
        let name = if name == "tls" { "TLS 1." } else { name };
        let ca = file("ca.pem").display().to_string();
        let (code, stdout, stderr) =
            output(&["scan", "localhost", "--ports", &number, "--ca", &ca]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        let line = stdout.lines().next().unwrap_or_default();
        assert!(
            line.contains(found) && line.contains(name),
            "{protocol}: {stdout}"
        );
    }
}

macro_rules! works {
    ($($peer:ident: $protocol:literal $offset:literal $more:expr, $found:literal;)+) => {$(
        #[test]
        fn $peer() {
            works($protocol, $offset, &$more, $found);
        }
    )+};
}

works! {
    postfix_smtp: "smtp" 25 [], true;
    postfix_behind_a_header: "smtp" 26 ["--proxy-header", "v1"], false;
    dovecot_imap: "imap" 143 [], true;
    dovecot_behind_a_header: "imap" 144 ["--proxy-header", "v2"], false;
    dovecot_pop3: "pop3" 110 [], true;
    dovecot_lmtp: "lmtp" 24 [], true;
    dovecot_sieve: "managesieve" 190 [], false;
    dovecot_submission: "submission" 187 [], true;
    slapd_ldap: "ldap" 389 [], true;
    postgres_by_each_name: "pgsql" 432 [], false;
    postgres_is_found: "postgres" 432 [], true;
    mariadb_mysql: "mysql" 306 [], true;
    vsftpd_ftp: "ftp" 21 [], true;
    proftpd_ftp: "ftp" 22 [], true;
    prosody_xmpp: "xmpp" 222 [], true;
    prosody_xmpp_server: "xmpp-server" 269 ["--from-name", "other.example"], false;
    inspircd_irc: "irc" 667 [], true;
    nnrpd_nntp: "nntp" 119 [], true;
    nbdkit_nbd: "nbd" 809 [], true;
    qemu_nbd_nbd: "nbd" 810 [], true;
    tigervnc_vnc: "vencrypt" 900 [], true;
    xrdp_rdp: "rdp" 339 [], true;
    nats_nats: "nats" 422 [], true;
    upsd_nut: "nut" 493 [], true;
    munin_node_munin: "munin" 949 [], true;
    // It takes TLS from the first byte on the same port, and that is what `scan` says of it.
    cups_ipp: "http-upgrade" 631 [], false;
    origin_tls: "tls" 443 [], true;
    haproxy_behind_a_header: "tls" 82 ["--proxy-header", "v2"], false;
}

/// Through a proxy to the origin, whose port is the same for all.
fn through(proxy: &str, more: &[&str]) {
    let origin = format!("localhost:{}", port(443));
    let arguments = ["connect", "tls", &origin, "--json", "--via", proxy];
    exits(
        0,
        &[&arguments[..], more].concat(),
        "\"outcome\": \"secured\"",
    );
}

#[test]
fn squid_leads_to_the_origin() {
    through(&format!("connect://localhost:{}", port(128)), &[]);
}

#[test]
fn microsocks_leads_to_the_origin_with_a_password() {
    let password = file("password");
    std::fs::write(&password, "secret\n").expect("a file");
    let password = password.display().to_string();
    through(
        &format!("socks5://test@localhost:{}", port(181)),
        &["--via-password", &password],
    );
    let origin = format!("localhost:{}", port(443));
    let via = format!("socks5://localhost:{}", port(181));
    exits(3, &["connect", "tls", &origin, "--via", &via], "proxy");
}

#[test]
fn dante_leads_to_the_origin() {
    let origin = format!("127.0.0.1:{}", port(443));
    let via = format!("socks4://localhost:{}", port(180));
    exits(
        0,
        &[
            "connect",
            "tls",
            &origin,
            "--via",
            &via,
            "--servername",
            "localhost",
        ],
        "secured",
    );
}

#[test]
fn postfix_and_each_way_to_fail() {
    let host = format!("localhost:{}", port(25));
    exits(
        2,
        &["connect", "smtp", &host, "--client-cert", "/no/such/file"],
        "/no/such/file",
    );
    exits(
        3,
        &["connect", "smtp", &format!("localhost:{}", unused_port())],
        "cannot connect",
    );
    exits(
        6,
        &["connect", "imap", &host],
        &format!("starttls connect smtp {host}"),
    );
    exits(
        8,
        &["connect", "smtp", &host, "--servername", "other.example"],
        "localhost",
    );
    let (code, ..) = output(&[
        "connect",
        "smtp",
        &host,
        "--ca",
        &file("client.pem").display().to_string(),
    ]);
    assert_eq!(code, 8);
}

#[test]
fn origin_waits_for_tls_where_a_greeting_is_expected() {
    let host = format!("localhost:{}", port(443));
    exits(
        9,
        &["connect", "smtp", &host, "--timeout", "1"],
        "--implicit",
    );
}

#[test]
fn dovecot_without_tls_does_not_offer() {
    let dovecot = Second::without_tls("dovecot");
    for (protocol, offset) in [("imap", 143), ("pop3", 110), ("sieve", 190)] {
        let host = format!("localhost:{}", dovecot.port(offset));
        exits(4, &["connect", protocol, &host], "does not offer TLS");
        exits(2, &["check", protocol, &host], "CRITICAL");
    }
    let number = dovecot.port(143).to_string();
    exits(
        0,
        &["scan", "localhost", "--ports", &number],
        "plaintext IMAP",
    );
}

#[test]
fn vsftpd_without_tls_refuses() {
    let vsftpd = Second::without_tls("vsftpd");
    let host = format!("localhost:{}", vsftpd.port(21));
    exits(5, &["connect", "ftp", &host], "530");
}

#[test]
fn openssl_with_another_version_fails_the_handshake() {
    let number = unused_port().to_string();
    let mut server = Command::new("openssl")
        .args(["s_server", "-quiet", "-tls1_3", "-accept", &number, "-cert"])
        .arg(file("server.pem"))
        .arg("-key")
        .arg(file("server.key"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("openssl");
    let host = format!("localhost:{number}");
    crate::support::until(|| std::net::TcpStream::connect(&host).is_ok());
    exits(7, &["connect", "tls", &host, "--tls", "1.2"], "TLS");
    exits(0, &["connect", "tls", &host, "--tls", "1.3"], "TLS 1.3");
    let _ = server.kill();
    let _ = server.wait();
}

/// What `openssl s_client` and `starttls connect` see is the same certificate.
#[test]
fn openssl_sees_the_same_certificate() {
    for (protocol, theirs, offset) in [
        ("smtp", "smtp", 25),
        ("imap", "imap", 143),
        ("pop3", "pop3", 110),
        ("lmtp", "lmtp", 24),
        ("sieve", "sieve", 190),
        ("nntp", "nntp", 119),
        ("ftp", "ftp", 21),
        ("ldap", "ldap", 389),
        ("postgres", "postgres", 432),
        ("mysql", "mysql", 306),
        ("irc", "irc", 667),
        ("xmpp", "xmpp", 222),
    ] {
        let host = format!("localhost:{}", port(offset));
        let ca = file("ca.pem").display().to_string();
        let script = format!(
            "openssl s_client -starttls {theirs} -connect {host} -xmpphost localhost -CAfile {ca} </dev/null 2>/dev/null | openssl x509 -outform der | openssl sha256 -r"
        );
        let said = must_say(Command::new("sh").args(["-c", &script]), &[]);
        let fingerprint = said
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(fingerprint.len(), 64, "{protocol}: {said}");
        exits(0, &["connect", protocol, &host, "--json"], &fingerprint);
    }
}

/// Prometheus' own linter.
#[test]
fn postfix_in_the_eyes_of_promtool() {
    let host = format!("localhost:{}", port(25));
    let ca = file("ca.pem").display().to_string();
    let program = starttls();
    let program = program.get_program().to_string_lossy().into_owned();
    let script = format!(
        "'{program}' check smtp {host} localhost:1 --ca {ca} --format prometheus | promtool check metrics"
    );
    let (good, said) = run(Command::new("sh").args(["-c", &script]));
    assert!(good && !said.contains("error"), "{said}");
}

/// The attacks on a server that have succeeded.
fn flaws(protocol: &str, offset: u16) -> Vec<String> {
    let host = format!("localhost:{}", port(offset));
    let (code, stdout, stderr) = output(&["probe", protocol, &host, "--wait", "1"]);
    assert!(code <= 1, "{protocol}: {stdout}{stderr}");
    let lines = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("FAIL    "));
    lines
        .map(|line| line.split(':').next().unwrap_or_default().to_owned())
        .collect()
}

macro_rules! has_no_flaw {
    ($($peer:ident: $protocol:literal $offset:literal;)+) => {$(
        #[test]
        fn $peer() {
            assert_eq!(flaws($protocol, $offset), Vec::<String>::new());
        }
    )+};
}

has_no_flaw! {
    postfix_is_probed: "smtp" 25;
    dovecot_imap_is_probed: "imap" 143;
    dovecot_pop3_is_probed: "pop3" 110;
    dovecot_lmtp_is_probed: "lmtp" 24;
    dovecot_sieve_is_probed: "sieve" 190;
    slapd_is_probed: "ldap" 389;
    postgres_is_probed: "postgres" 432;
    mariadb_is_probed: "mysql" 306;
    vsftpd_is_probed: "ftp" 21;
    proftpd_is_probed: "ftp" 22;
    prosody_is_probed: "xmpp" 222;
    nnrpd_is_probed: "nntp" 119;
    nats_is_probed: "nats" 422;
    munin_node_is_probed: "munin" 949;
    xrdp_is_probed: "rdp" 339;
    nbdkit_is_probed: "nbd" 809;
}
