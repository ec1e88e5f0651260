//! `starttls proxy`, `tunnel` and `route` between real clients and real servers.

use std::process::{Command, Stdio};

use crate::command::starttls;
use crate::support::{Second, Server, file, must_fail, must_say, peers_python, port};

fn path(name: &str) -> String {
    file(name).display().to_string()
}

fn server(arguments: &[&str]) -> Server {
    Server::start(
        starttls()
            .args(arguments)
            .args(["--listen", "127.0.0.1:0"])
            .stderr(Stdio::null()),
    )
}

fn proxy(protocol: &str, backend: u16) -> Server {
    let (cert, key, backend) = (
        path("server.pem"),
        path("server.key"),
        format!("127.0.0.1:{backend}"),
    );
    server(&[
        "proxy",
        "--protocol",
        protocol,
        "--backend",
        &backend,
        "--cert",
        &cert,
        "--key",
        &key,
    ])
}

fn curl(url: &str, tls: bool) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-v", "--max-time", "30", "-u", "test:secret", url]);
    if tls {
        curl.args(["--ssl-reqd", "--cacert"]).arg(file("ca.pem"));
    }
    curl
}

#[test]
fn dovecot_without_tls_behind_the_proxy_and_curl() {
    let dovecot = Second::without_tls("dovecot");
    for (protocol, offset) in [("imap", 143), ("pop3", 110)] {
        let proxy = proxy(protocol, dovecot.port(offset));
        let url = format!("{protocol}://localhost:{}/", proxy.port);
        must_say(&mut curl(&url, true), &["SSL certificate verify ok"]);
        must_fail(curl(&url, true).args(["-u", "test:wrong"]), "");
    }
    // ManageSieve speaks first inside TLS, and nothing is known of its greeting here.
    let proxy = proxy("sieve", dovecot.port(190));
    let script = format!(
        "sleep 1 | timeout 10 openssl s_client -quiet -starttls sieve -connect localhost:{} -CAfile {} | head -n 1",
        proxy.port,
        path("ca.pem")
    );
    must_say(
        Command::new("sh").args(["-c", &script]),
        &["\"IMPLEMENTATION\" \"Dovecot", "Pigeonhole"],
    );
}

#[test]
fn postfix_without_tls_behind_the_proxy_and_swaks() {
    let postfix = Second::without_tls("postfix");
    let proxy = proxy("smtp", postfix.port(25));
    must_say(
        Command::new("swaks")
            .args([
                "--server",
                "localhost",
                "--port",
                &proxy.port.to_string(),
                "--tls",
            ])
            .args(["--tls-verify", "--tls-ca-path"])
            .arg(file("ca.pem"))
            .args(["--from", "a@localhost", "--to", "test@localhost"]),
        &["TLS started", "250 2.0.0 Ok: queued"],
    );
}

#[test]
fn slapd_without_tls_behind_the_proxy_and_ldapsearch() {
    let slapd = Second::without_tls("slapd");
    let proxy = proxy("ldap", slapd.port(389));
    must_say(
        Command::new("ldapsearch")
            .env("LDAPTLS_CACERT", file("ca.pem"))
            .args([
                "-ZZ",
                "-x",
                "-H",
                &format!("ldap://127.0.0.1:{}", proxy.port),
            ])
            .args([
                "-D",
                "cn=admin,dc=example,dc=com",
                "-w",
                "secret",
                "-b",
                "dc=example,dc=com",
            ]),
        &["dc: example"],
    );
}

fn psql(port: u16) -> Command {
    let mut psql = Command::new("psql");
    psql.arg(format!(
        "host=localhost port={port} user=test password=secret dbname=postgres sslmode=verify-full sslrootcert={}",
        path("ca.pem")
    ));
    psql.args(["-Atc", "select 6*7"]);
    psql
}

#[test]
fn postgres_behind_the_route_and_psql() {
    let to = format!("localhost=127.0.0.1:{}", port(432));
    let route = server(&["route", "--protocol", "postgres", "--to", &to]);
    assert_eq!(must_say(&mut psql(route.port), &[]).trim(), "42");
    let to = format!("elsewhere.example=127.0.0.1:{}", port(432));
    let nowhere = server(&["route", "--protocol", "postgres", "--to", &to]);
    must_fail(&mut psql(nowhere.port), "");
}

#[test]
fn postgres_without_tls_behind_the_proxy_and_psql() {
    let postgres = Second::without_tls("postgres");
    let proxy = proxy("postgres", postgres.port(432));
    assert_eq!(must_say(&mut psql(proxy.port), &[]).trim(), "42");
}

#[test]
fn postfix_behind_the_route_and_openssl() {
    let to = format!("localhost=127.0.0.1:{}", port(25));
    let route = server(&["route", "--protocol", "smtp", "--to", &to]);
    let script = format!(
        "printf 'EHLO me\\r\\nQUIT\\r\\n' | openssl s_client -quiet -ign_eof -starttls smtp -connect localhost:{} -servername localhost -CAfile {} -verify_return_error",
        route.port,
        path("ca.pem")
    );
    must_say(
        Command::new("sh").args(["-c", &script]),
        &["250-localhost", "221 2.0.0 Bye"],
    );
}

#[test]
fn dovecot_behind_the_tunnel_and_curl_without_tls() {
    for (protocol, offset) in [("imap", 143), ("pop3", 110)] {
        let host = format!("localhost:{}", port(offset));
        let tunnel = server(&["tunnel", protocol, &host, "--ca", &path("ca.pem")]);
        let url = format!("{protocol}://localhost:{}/", tunnel.port);
        // Dovecot takes no password without TLS, and there is TLS on its side.
        must_say(&mut curl(&url, false), &[]);
    }
}

/// The parser of Prometheus' own client library, for both formats.
#[test]
fn python_reads_the_metrics() {
    let host = format!("localhost:{}", port(25));
    for format in ["prometheus", "openmetrics"] {
        let check = starttls()
            .args([
                "check",
                "smtp",
                &host,
                "localhost:1",
                "--ca",
                &path("ca.pem"),
                "--format",
                format,
            ])
            .stdin(Stdio::null())
            .output()
            .expect("it is built");
        let text = file(&format!("metrics.{format}"));
        std::fs::write(&text, check.stdout).expect("a file");
        must_say(
            peers_python("read_metrics.py").arg(format).arg(&text),
            &["probe_success 1.0", "probe_success 0.0", "TLS 1.3"],
        );
    }
}
