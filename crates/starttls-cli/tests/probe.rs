//! `starttls probe`: flawed servers and clients are told from those that are right, in every format.

mod common;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use common::{CERTS, at, honest, program, serve, starttls};
use starttls_protocols::registry::Protocol;
use starttls_tokio::rustls::ServerConnection;
use starttls_tokio::{PlainStream, TlsStream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The fault of a server that was written for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    /// What is in the buffer at the switch stays there.
    Buffer,
    /// MAIL before TLS counts inside it.
    State,
    /// STARTTLS is granted again.
    Second,
    /// TLS begins whatever was answered.
    Refusal,
    /// Plaintext behind close_notify is served.
    AfterClose,
}

/// Lines with a buffer of the session's own, which is where the flaw is.
struct Session {
    buffer: Vec<u8>,
    mail: bool,
    flaw: Flaw,
}

impl Session {
    /// The next line, from the buffer or from the stream.
    async fn line(&mut self, stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Some(self.buffer.drain(..=end).collect());
            }
            let mut buf = [0; 1024];
            let n = stream.read(&mut buf).await.ok()?;
            if n == 0 || self.buffer.len() > 2000 {
                return None;
            }
            self.buffer.extend_from_slice(&buf[..n]);
        }
    }

    fn answer(&mut self, line: &[u8], tls: bool) -> &'static str {
        let line = String::from_utf8_lossy(line)
            .trim_end()
            .to_ascii_uppercase();
        match line.split(' ').next().unwrap_or_default() {
            "EHLO" => "250-flawed\r\n250 STARTTLS\r\n",
            "NOOP" => "250 fine\r\n",
            "MAIL" => {
                self.mail = true;
                "250 sender\r\n"
            }
            "RCPT" if self.mail => "250 recipient\r\n",
            "RCPT" => "503 MAIL first\r\n",
            "QUIT" => "221 bye\r\n",
            "STARTTLS" if line != "STARTTLS" => "501 no arguments\r\n",
            "STARTTLS" if tls && self.flaw != Flaw::Second => "503 TLS is up\r\n",
            "STARTTLS" => "220 go ahead\r\n",
            _ => "500 what?\r\n",
        }
    }
}

/// SMTP by hand, as it is written so often.
async fn flawed(plain: PlainStream<TcpStream>, flaw: Flaw) {
    let mut socket = plain.into_parts().io;
    let mut session = Session {
        buffer: Vec::new(),
        mail: false,
        flaw,
    };
    let _ = socket.write_all(b"220 flawed\r\n").await;
    loop {
        let Some(line) = session.line(&mut socket).await else {
            return;
        };
        let answer = session.answer(&line, false);
        if socket.write_all(answer.as_bytes()).await.is_err() || answer.starts_with("221") {
            return;
        }
        let tls = answer.starts_with("220") || flaw == Flaw::Refusal && answer.starts_with("501");
        if tls {
            break;
        }
    }
    if flaw != Flaw::Buffer {
        session.buffer.clear();
    }
    if flaw != Flaw::State {
        session.mail = false;
    }
    let connection = ServerConnection::new(CERTS.good.config()).unwrap();
    if let Ok(tls) = PlainStream::new(socket).start_tls(connection).await {
        inside(tls, session).await;
    }
}

async fn inside(mut tls: TlsStream<TcpStream>, mut session: Session) {
    while let Some(line) = session.line(&mut tls).await {
        let answer = session.answer(&line, true);
        if tls.write_all(answer.as_bytes()).await.is_err() || answer.starts_with("221") {
            break;
        }
    }
    if session.flaw != Flaw::AfterClose {
        let _ = tls.shutdown().await;
        return;
    }
    if let Ok(mut plain) = tls.stop_tls().await {
        let mut line = Vec::new();
        let _ = plain.read_until(b'\n', &mut line).await;
        let _ = plain
            .write_all(session.answer(&line, false).as_bytes())
            .await;
        let _ = plain.flush().await;
    }
}

fn server(flaw: Flaw) -> SocketAddr {
    serve(move |plain| flawed(plain, flaw))
}

fn probe(protocol: &str, address: SocketAddr, more: &[&str]) -> common::Ran {
    let host = at(address);
    let arguments = ["probe", protocol, &host, "--wait", "0.3", "--timeout", "2"];
    starttls(&[&arguments[..], more].concat())
}

/// The attacks that have succeeded.
fn failed(json: &serde_json::Value) -> Vec<String> {
    let attacks = json["attacks"].as_array().unwrap().iter();
    let failed = attacks.filter(|it| it["verdict"] == "fail");
    failed
        .map(|it| it["attack"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn each_flaw_is_found_and_no_other() {
    for (flaw, expected) in [
        (Flaw::None, &[][..]),
        (Flaw::Buffer, &["command-injection", "unfinished-command"]),
        (Flaw::State, &["state-kept"]),
        (Flaw::Second, &["second-upgrade"]),
        (Flaw::Refusal, &["refused-and-used"]),
        (Flaw::AfterClose, &["plaintext-after-close-notify"]),
    ] {
        let code = i32::from(!expected.is_empty());
        let json = probe("smtp", server(flaw), &["--format", "json"])
            .exits(code)
            .json();
        assert_eq!(failed(&json), expected, "{flaw:?}: {json:#}");
    }
}

#[test]
fn the_evidence_shows_the_bytes() {
    let json = probe("smtp", server(Flaw::Buffer), &["--format", "json"]).json();
    let evidence = &json["attacks"][0]["evidence"];
    assert_eq!(evidence[0]["bytes"], r"STARTTLS\r\nNOOP\r\n");
    assert_eq!(evidence[1]["bytes"], r"250 fine\r\n221 bye\r\n");
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/probe-1.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    jsonschema::validator_for(&schema)
        .unwrap()
        .validate(&json)
        .unwrap();
}

#[test]
fn the_servers_of_the_library_have_no_flaw() {
    for protocol in [
        Protocol::Smtp,
        Protocol::Imap,
        Protocol::Pop3,
        Protocol::Nntp,
        Protocol::Sieve,
        Protocol::Ftp,
        Protocol::Irc,
        Protocol::Nut,
        Protocol::Munin,
        Protocol::Xmpp,
        Protocol::Ldap,
        Protocol::Postgres,
        Protocol::Mysql,
        Protocol::Nats,
    ] {
        let address = honest(protocol, CERTS.good.config());
        let json = probe(protocol.name(), address, &["--format", "json"]).json();
        assert_eq!(failed(&json), Vec::<String>::new(), "{protocol}: {json:#}");
    }
}

#[test]
fn junit_and_sarif_are_understood_by_others() {
    let address = server(Flaw::State);
    let xml = probe("smtp", address, &["--format", "junit"])
        .exits(1)
        .stdout;
    let check = "import sys, xml.etree.ElementTree as e\nr = e.fromstring(sys.stdin.read())\nassert r.tag == 'testsuites' and r.get('failures') == '1', r.attrib\ns = r.find('testsuite')\nassert len(s.findall('testcase')) == int(s.get('tests')) == 9, s.attrib\nassert s.find(\"testcase[@name='state-kept']/failure\") is not None";
    let mut python = Command::new("python3")
        .args(["-c", check])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), xml.as_bytes()).unwrap();
    assert!(python.wait().unwrap().success(), "{xml}");

    let json = probe("smtp", address, &["--format", "sarif"])
        .exits(1)
        .json();
    assert_eq!(json["version"], "2.1.0");
    let run = &json["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[index]["id"]);
        // "If kind has any value other than fail, level shall be none" (SARIF 2.1.0 section 3.27.9).
        assert_eq!(
            result["kind"] == "fail",
            result["level"] == "error",
            "{result}"
        );
    }
}

#[test]
fn only_this_host_is_attacked_without_a_word() {
    starttls(&["probe", "smtp", "192.0.2.1"])
        .exits(2)
        .says("--i-may-test-this-host");
    starttls(&["probe", "smtp", "--listen", "0.0.0.0:0"])
        .exits(2)
        .says("--i-may-test-this-host");
    starttls(&["probe", "tls", "localhost"]).exits(2);
    let none = common::says(&[b"220 x\r\n", b"250 x\r\n"]);
    probe("smtp", none, &[])
        .exits(4)
        .says("no upgrade to attack");
}

/// The hostile server, until it has judged all its clients.
struct Hostile {
    child: Child,
    port: u16,
    lines: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Hostile {
    fn start(protocol: &str, ca: &str, more: &[&str]) -> Self {
        let mut child = program()
            .args([
                "probe",
                protocol,
                "--listen",
                "127.0.0.1:0",
                "--ca-out",
                ca,
                "--wait",
                "0.3",
                "--timeout",
                "2",
                "--format",
                "json",
            ])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let port = first
            .rsplit(':')
            .next()
            .unwrap()
            .parse()
            .unwrap_or_else(|_| panic!("{first}"));
        Self { child, port, lines }
    }

    /// Has a client for each case.
    fn clients(mut self, mut client: impl FnMut(u16, &str)) -> (i32, serde_json::Value) {
        while let Some(Ok(line)) = self.lines.next() {
            if let Some(case) = line.strip_prefix("waiting for a client: ") {
                client(self.port, case);
            }
        }
        let output = self.child.wait_with_output().unwrap();
        let json = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code().unwrap(), json)
    }
}

fn ca_file(name: &str) -> String {
    CERTS.folder.path().join(name).display().to_string()
}

#[test]
fn a_client_without_a_flaw_passes() {
    for protocol in ["smtp", "imap", "pop3", "ftp", "xmpp", "ldap", "postgres"] {
        let ca = ca_file(&format!("hostile-{protocol}.pem"));
        let hostile = Hostile::start(protocol, &ca, &[]);
        let (code, json) = hostile.clients(|port, _| {
            let host = format!("localhost:{port}");
            starttls(&["connect", protocol, &host, "--ca", &ca, "--timeout", "2"]);
        });
        assert_eq!(
            (code, failed(&json)),
            (0, Vec::new()),
            "{protocol}: {json:#}"
        );
        let verdicts = json["attacks"].as_array().unwrap();
        assert!(
            verdicts.iter().filter(|it| it["verdict"] == "pass").count() >= 5,
            "{json:#}"
        );
        assert!(
            verdicts.iter().all(|it| it["verdict"] != "unclear"),
            "{json:#}"
        );
    }
}

/// The standard library of Python, used as its documentation does not advise: refusals are ignored and nothing is verified.
#[test]
fn a_client_that_ignores_refusals_and_certificates_fails() {
    let ca = ca_file("hostile-careless.pem");
    let hostile = Hostile::start(
        "smtp",
        &ca,
        &[
            "--case",
            "refused,stripped,unknown-authority,wrong-name,expired",
        ],
    );
    let script = "import smtplib, ssl, sys\nc = ssl._create_unverified_context()\ns = smtplib.SMTP('localhost', int(sys.argv[1]), timeout=2)\ntry: s.starttls(context=c)\nexcept smtplib.SMTPException: pass\ns.docmd('AUTH PLAIN AGEAYg==')";
    let (code, json) = hostile.clients(|port, _| {
        let python = Command::new("python3")
            .args(["-c", script, &port.to_string()])
            .stderr(Stdio::null())
            .status();
        let _ = python.unwrap();
    });
    assert_eq!(code, 1);
    assert_eq!(
        failed(&json),
        [
            "refused",
            "stripped",
            "unknown-authority",
            "wrong-name",
            "expired"
        ],
        "{json:#}"
    );
}

/// A client with a buffer of its own that survives the switch.
#[test]
fn a_client_that_keeps_its_buffer_fails() {
    let ca = ca_file("hostile-buffer.pem");
    let hostile = Hostile::start("smtp", &ca, &["--case", "injected-reply"]);
    let script = "import socket, ssl, sys\nc = ssl.create_default_context(cafile=sys.argv[2])\ns = socket.create_connection(('localhost', int(sys.argv[1])), timeout=2)\nb = b''\ndef line():\n    global b\n    while b'\\n' not in b:\n        d = s.recv(4096)\n        if not d: raise SystemExit\n        b += d\n    l, b = b.split(b'\\n', 1)\n    return l\nline(); s.sendall(b'EHLO me\\r\\n')\nwhile line()[3:4] == b'-': pass\ns.sendall(b'STARTTLS\\r\\n'); line()\ns = c.wrap_socket(s, server_hostname='localhost')\ns.sendall(b'EHLO me\\r\\n'); line()\ns.sendall(b'MAIL FROM:<a@b.example>\\r\\n'); line()";
    let (code, json) = hostile.clients(|port, _| {
        let python = Command::new("python3")
            .args(["-c", script, &port.to_string(), &ca])
            .stderr(Stdio::null())
            .status();
        let _ = python.unwrap();
    });
    assert_eq!(
        (code, failed(&json)),
        (1, vec!["injected-reply".to_owned()]),
        "{json:#}"
    );
}
