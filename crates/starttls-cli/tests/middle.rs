//! `starttls proxy`, `tunnel` and `route`: real data through them, limits, reload and drain.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use common::{CERTS, at, honest, program, serve, starttls, starttls_with};
use starttls_protocols::registry::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server of ours that runs until this is dropped.
struct Running {
    child: Child,
    port: u16,
    metrics: Option<String>,
    log: Receiver<String>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = program()
            .args(arguments)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--metrics",
                "127.0.0.1:0",
                "--log",
                "json",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, log) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut running = Self {
            port: 0,
            metrics: None,
            log,
            child,
        };
        let stdout = BufReader::new(running.child.stdout.take().unwrap());
        for line in stdout.lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("metrics ") {
                running.metrics = Some(address.to_owned());
            }
            if let Some(address) = line.strip_prefix("listening ") {
                running.port = address.parse::<SocketAddr>().unwrap().port();
                return running;
            }
        }
        panic!(
            "{arguments:?} does not listen: {:?}",
            running.log.try_iter().collect::<Vec<_>>()
        );
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn get(&self, path: &str) -> String {
        let mut socket = TcpStream::connect(self.metrics.as_ref().unwrap()).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status();
        assert!(sent.unwrap().success());
    }

    /// The next line of the log that has these words, as JSON.
    fn logs(&self, words: &str) -> serde_json::Value {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|_| panic!("{words:?} is not logged"));
            let json: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line.contains(words) {
                return json;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A plaintext server that greets, says no to STARTTLS by not offering it, and gives lines back.
fn plaintext(greeting: &'static [u8]) -> SocketAddr {
    serve(move |mut plain| async move {
        let mut buf = [0; 4096];
        let _ = plain.write_all(greeting).await;
        let _ = plain.flush().await;
        while let Ok(n @ 1..) = plain.read(&mut buf).await {
            let said = &buf[..n];
            let hello = said.starts_with(b"EHLO");
            let answer = if hello {
                &b"250 plaintext.example\r\n"[..]
            } else {
                said
            };
            let _ = plain.write_all(answer).await;
            let _ = plain.flush().await;
        }
        let _ = plain.shutdown().await;
    })
}

fn proxy(protocol: &str, backend: &str, more: &[&str]) -> Running {
    let (cert, key) = (
        CERTS.good.chain.display().to_string(),
        CERTS.good.key.display().to_string(),
    );
    let arguments = [
        "proxy",
        "--protocol",
        protocol,
        "--backend",
        backend,
        "--cert",
        &cert,
        "--key",
        &key,
    ];
    Running::start(&[&arguments[..], more].concat())
}

fn talk(host: &str, protocol: &str, input: &[u8]) -> String {
    let ca = CERTS.ca();
    let ran = starttls_with(&["connect", protocol, host, "--ca", &ca, "--quiet"], input);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
}

#[test]
fn the_proxy_upgrades_in_front_of_a_plaintext_server() {
    let backend = at(plaintext(b"220 plaintext.example\r\n"));
    let proxy = proxy("smtp", &backend, &[]);
    // The client does not see the back end's greeting, which it has had from us.
    let said = talk(&proxy.host(), "smtp", b"EHLO again\r\n");
    assert_eq!(said, "250 plaintext.example\r\n");
    let metrics = proxy.get("/metrics");
    for sample in [
        "starttls_accepted_total 1",
        "starttls_handshakes_total{group=\"X25519MLKEM768\"} 1",
        "starttls_carried_bytes_total{direction=\"from_client\"} 12",
        "starttls_carried_bytes_total{direction=\"to_client\"} 23",
    ] {
        assert!(metrics.contains(sample), "{sample}: {metrics}");
    }
    let secured = proxy.logs("secured");
    assert_eq!(
        (&secured["name"], &secured["version"]),
        (&"localhost".into(), &"TLS 1.3".into())
    );
    assert!(proxy.get("/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn where_the_client_speaks_first_everything_is_carried() {
    let backend = at(plaintext(b""));
    for protocol in ["postgres", "ldap", "xmpp", "irc", "nut", "tls"] {
        let proxy = proxy(protocol, &backend, &[]);
        assert_eq!(
            talk(&proxy.host(), protocol, b"hello"),
            "hello",
            "{protocol}"
        );
    }
}

#[test]
fn a_back_end_with_tls_gets_tls() {
    let backend = at(honest(Protocol::Pop3, CERTS.good.config()));
    let verified = proxy("pop3", &backend, &["--backend-ca", &CERTS.ca()]);
    assert_eq!(talk(&verified.host(), "pop3", b"hello"), "inside\r\nhello");
    let unverified = proxy("pop3", &backend, &[]);
    assert_eq!(
        talk(&unverified.host(), "pop3", b"hello"),
        "inside\r\nhello"
    );
    // Whoever demands TLS behind the proxy does not get plaintext.
    let plain = at(plaintext(b"+OK\r\n"));
    let demanding = proxy("pop3", &plain, &["--backend-ca", &CERTS.ca()]);
    let ca = CERTS.ca();
    let ran = starttls_with(
        &["connect", "pop3", &demanding.host(), "--ca", &ca, "--quiet"],
        b"hello",
    );
    assert_eq!(ran.stdout, "");
    assert!(
        demanding.logs("failed")["reason"]
            .as_str()
            .unwrap()
            .starts_with("the back end: ")
    );
}

#[test]
fn failures_are_logged_with_their_reason_and_escaped_words() {
    let proxy = proxy("smtp", "127.0.0.1:1", &[]);
    let mut socket = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    socket
        .write_all(b"EHLO me\r\nSTARTTLS\r\nMAIL \x1b[2J\r\n")
        .unwrap();
    let _ = socket.read_to_end(&mut Vec::new());
    let line = proxy.logs("failed");
    assert_eq!(
        (&line["level"], &line["outcome"]),
        (&"WARN".into(), &"injection".into())
    );
    assert_eq!(line["words"], r"MAIL \x1b[2J\r\n");
    let ca = CERTS.ca();
    starttls(&["connect", "smtp", &proxy.host(), "--ca", &ca]);
    let line = proxy.logs("127.0.0.1:1");
    assert_eq!(line["outcome"], "network");
    let metrics = proxy.get("/metrics");
    assert!(
        metrics.contains("starttls_ended_total{outcome=\"injection\"} 1"),
        "{metrics}"
    );
}

#[test]
fn headers_of_the_proxy_protocol_go_in_and_out() {
    // A back end that shows what it is told.
    let backend = at(serve(|mut plain| async move {
        let mut buf = [0; 4096];
        let n = plain.read(&mut buf).await.unwrap_or(0);
        let shown = buf[..n].escape_ascii().to_string();
        let _ = plain.write_all(shown.as_bytes()).await;
        let _ = plain.shutdown().await;
    }));
    let proxy = proxy("postgres", &backend, &["--proxy-out", "v1"]);
    let said = talk(&proxy.host(), "postgres", b"");
    assert!(
        said.starts_with("PROXY TCP4 127.0.0.1 127.0.0.1 "),
        "{said}"
    );
    drop(proxy);
    let proxy = self::proxy("postgres", &backend, &["--proxy-in", "--proxy-out", "v2"]);
    let ca = CERTS.ca();
    let ran = starttls_with(
        &[
            "connect",
            "postgres",
            &proxy.host(),
            "--ca",
            &ca,
            "--quiet",
            "--proxy-header",
            "v1",
        ],
        b"",
    );
    assert!(
        ran.stdout.starts_with(r"\r\n\r\n\x00\r\nQUIT\n!\x11"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("localhost") && ran.stdout.contains("TLS 1.3"),
        "{}",
        ran.stdout
    );
}

#[test]
fn the_certificate_is_chosen_by_name_and_read_again_on_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |leaf: &common::Leaf, name: &str| {
        std::fs::copy(&leaf.chain, folder.path().join(format!("{name}.pem"))).unwrap();
        std::fs::copy(&leaf.key, folder.path().join(format!("{name}.key"))).unwrap();
    };
    copy(&CERTS.good, "a");
    let certs = folder.path().display().to_string();
    let backend = at(plaintext(b""));
    let running = Running::start(&[
        "proxy",
        "--protocol",
        "ldap",
        "--backend",
        &backend,
        "--certs",
        &certs,
    ]);
    let outcome = |name: &str| {
        let ca = CERTS.ca();
        let ran = starttls(&[
            "connect",
            "ldap",
            &running.host(),
            "--ca",
            &ca,
            "--json",
            "--servername",
            name,
        ]);
        ran.json()["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome("localhost"), "secured");
    assert_eq!(outcome("other.example"), "handshake");
    copy(&CERTS.other, "b");
    running.signal("HUP");
    running.logs("files read again");
    assert_eq!(outcome("other.example"), "secured");
    // A broken file changes nothing.
    std::fs::write(folder.path().join("b.pem"), "broken").unwrap();
    running.signal("HUP");
    running.logs("the old ones stay");
    assert_eq!(outcome("other.example"), "secured");
    assert!(
        running
            .get("/metrics")
            .contains("starttls_reloads_total{result=\"failed\"} 1")
    );
}

#[test]
fn client_certificates_can_be_demanded() {
    let backend = at(plaintext(b""));
    let proxy = proxy("postgres", &backend, &["--client-ca", &CERTS.ca()]);
    let (ca, chain, key) = (
        CERTS.ca(),
        CERTS.other.chain.display().to_string(),
        CERTS.other.key.display().to_string(),
    );
    let arguments = ["connect", "postgres", &proxy.host(), "--ca", &ca, "--quiet"];
    let with = starttls_with(
        &[
            &arguments[..],
            &["--client-cert", &chain, "--client-key", &key],
        ]
        .concat(),
        b"hello",
    );
    assert_eq!(with.stdout, "hello");
    let without = starttls_with(&arguments, b"hello");
    assert_eq!(without.stdout, "");
}

#[test]
fn tickets_of_one_server_are_taken_by_another_with_the_same_keys() {
    use starttls_tokio::rustls::pki_types::{CertificateDer, pem::PemObject};
    use starttls_tokio::rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore};
    let keys = CERTS.folder.path().join("tickets");
    std::fs::write(&keys, format!("# one\n{}\n", "5a".repeat(32))).unwrap();
    let keys = keys.display().to_string();
    let backend = at(plaintext(b""));
    let [first, second, other] = [
        &["--ticket-keys", &keys][..],
        &["--ticket-keys", &keys],
        &[],
    ]
    .map(|more| proxy("postgres", &backend, more));
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(CERTS.ca()).unwrap())
        .unwrap();
    let config = std::sync::Arc::new(
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let handshake = |port: u16| {
        runtime.block_on(async {
            let plain = starttls_tokio::connect(("127.0.0.1", port)).await.unwrap();
            let connection =
                ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
            let client = starttls_protocols::postgres::Client::new();
            let mut tls = plain.upgrade(client, connection).await.unwrap();
            // The tickets come along with the answer.
            tls.write_all(b"x").await.unwrap();
            tls.read_exact(&mut [0]).await.unwrap();
            tls.connection().handshake_kind().unwrap()
        })
    };
    assert_eq!(handshake(first.port), HandshakeKind::Full);
    assert_eq!(handshake(second.port), HandshakeKind::Resumed);
    assert_eq!(handshake(other.port), HandshakeKind::Full);
}

#[test]
fn there_are_no_more_connections_than_allowed() {
    let backend = at(plaintext(b""));
    let proxy = proxy("postgres", &backend, &["--max-per-source", "2"]);
    let mut open: Vec<_> = (0..2)
        .map(|_| TcpStream::connect(("127.0.0.1", proxy.port)).unwrap())
        .collect();
    // Until both are seen there is a place.
    while !proxy.get("/metrics").contains("starttls_active 2") {
        thread::sleep(Duration::from_millis(10));
    }
    let mut third = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    assert_eq!(third.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(proxy.logs("too many")["limit"], "source");
    drop(open.pop());
    while !proxy.get("/metrics").contains("starttls_active 1") {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(talk(&proxy.host(), "postgres", b"hello"), "hello");
}

#[test]
fn silent_clients_have_a_deadline() {
    let proxy = proxy("smtp", "127.0.0.1:1", &["--timeout", "0.3"]);
    let mut socket = TcpStream::connect(("127.0.0.1", proxy.port)).unwrap();
    socket.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(proxy.logs("failed")["outcome"], "timeout");
}

#[test]
fn what_is_open_goes_on_after_the_end_is_asked_for() {
    let backend = at(plaintext(b""));
    let mut running = proxy("tls", &backend, &[]);
    let ca = CERTS.ca();
    let mut client = program()
        .args(["connect", "tls", &running.host(), "--ca", &ca, "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
    let mut exchange = |words: &[u8]| {
        stdin.write_all(words).unwrap();
        let mut heard = vec![0; words.len()];
        stdout.read_exact(&mut heard).unwrap();
        assert_eq!(heard, words);
    };
    exchange(b"before");
    running.signal("TERM");
    running.logs("draining");
    assert!(running.get("/healthz").starts_with("HTTP/1.1 503"));
    assert!(TcpStream::connect(("127.0.0.1", running.port)).is_err());
    exchange(b"after");
    drop(stdin);
    assert!(client.wait().unwrap().success());
    running.logs("ended");
    assert!(running.child.wait().unwrap().success());
}

#[test]
fn a_reload_and_a_drain_lose_none_of_many() {
    use starttls_protocols::postgres;
    use starttls_tokio::rustls::pki_types::{CertificateDer, pem::PemObject};
    use starttls_tokio::rustls::{ClientConfig, ClientConnection, RootCertStore};
    let backend = at(plaintext(b""));
    let mut running = proxy("postgres", &backend, &[]);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(CERTS.ca()).unwrap())
        .unwrap();
    let config = std::sync::Arc::new(
        ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut all = Vec::new();
        for _ in 0..100 {
            let plain = starttls_tokio::connect(("127.0.0.1", running.port))
                .await
                .unwrap();
            let name = "localhost".try_into().unwrap();
            let connection = ClientConnection::new(config.clone(), name).unwrap();
            all.push(
                plain
                    .upgrade(postgres::Client::new(), connection)
                    .await
                    .unwrap(),
            );
        }
        for (signal, words) in [("HUP", "files read again"), ("TERM", "draining")] {
            running.signal(signal);
            for (index, tls) in all.iter_mut().enumerate() {
                if index == 50 {
                    running.logs(words);
                }
                let said = format!("{signal} {index:03}");
                tls.write_all(said.as_bytes()).await.unwrap();
                tls.flush().await.unwrap();
                let mut heard = vec![0; said.len()];
                tls.read_exact(&mut heard).await.unwrap();
                assert_eq!(heard, said.as_bytes());
            }
        }
        for mut tls in all {
            tls.shutdown().await.unwrap();
            assert_eq!(tls.read(&mut [0]).await.unwrap(), 0);
        }
    });
    running.logs("ended");
    assert!(running.child.wait().unwrap().success());
}

#[test]
fn the_tunnel_upgrades_for_plaintext_clients() {
    for (protocol, greeting) in [(Protocol::Imap, "* OK ready\r\n"), (Protocol::Postgres, "")] {
        let server = at(honest(protocol, CERTS.good.config()));
        let tunnel = Running::start(&["tunnel", protocol.name(), &server, "--ca", &CERTS.ca()]);
        let mut socket = TcpStream::connect(("127.0.0.1", tunnel.port)).unwrap();
        socket.write_all(b"hello").unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut heard = String::new();
        socket.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, format!("{greeting}inside\r\nhello"));
    }
    // Whom nobody trusts gets nothing of the client's.
    let server = at(honest(Protocol::Imap, CERTS.expired.config()));
    let tunnel = Running::start(&["tunnel", "imap", &server, "--ca", &CERTS.ca()]);
    let mut socket = TcpStream::connect(("127.0.0.1", tunnel.port)).unwrap();
    let mut heard = Vec::new();
    let _ = socket.read_to_end(&mut heard);
    assert_eq!(heard, b"");
    assert_eq!(tunnel.logs("failed")["outcome"], "certificate");
}

#[test]
fn the_route_leads_by_name_and_ends_no_tls() {
    for protocol in [
        Protocol::Smtp,
        Protocol::Postgres,
        Protocol::Xmpp,
        Protocol::HttpUpgrade,
    ] {
        let a = at(honest(protocol, CERTS.good.config()));
        let b = at(common::honest_as(
            "other.example",
            protocol,
            CERTS.other.config(),
        ));
        let (to_a, to_b) = (format!("localhost={a}"), format!("*.example={b}"));
        let route = Running::start(&[
            "route",
            "--protocol",
            protocol.name(),
            "--to",
            &to_a,
            "--to",
            &to_b,
        ]);
        let run = |name: &str| {
            let ca = CERTS.ca();
            let arguments = [
                "connect",
                protocol.name(),
                &route.host(),
                "--ca",
                &ca,
                "--servername",
                name,
                "--json",
            ];
            starttls(&arguments).json()
        };
        // Each certificate is the back end's own: nobody in between has one.
        assert_eq!(
            run("localhost")["chain"][0]["names"][0],
            "localhost",
            "{protocol}"
        );
        assert_eq!(
            run("other.example")["chain"][0]["names"][0],
            "other.example",
            "{protocol}"
        );
        assert_eq!(run("third.invalid")["outcome"], "handshake", "{protocol}");
    }
}

#[test]
fn the_routes_are_read_again() {
    let a = at(honest(Protocol::Smtp, CERTS.good.config()));
    let map = CERTS.folder.path().join("map");
    std::fs::write(&map, "nobody.example 127.0.0.1:1\n").unwrap();
    let name = map.display().to_string();
    let route = Running::start(&["route", "--protocol", "smtp", "--map", &name]);
    let ca = CERTS.ca();
    starttls(&["connect", "smtp", &route.host(), "--ca", &ca]).exits(7);
    std::fs::write(&map, format!("localhost {a}\n")).unwrap();
    route.signal("HUP");
    route.logs("files read again");
    starttls(&["connect", "smtp", &route.host(), "--ca", &ca])
        .exits(0)
        .says("inside");
}

#[test]
fn what_a_back_end_injects_does_not_reach_the_client() {
    let backend = common::says(&[
        b"220 b\r\n",
        b"250-b\r\n250 STARTTLS\r\n",
        b"220 go\r\ninjected",
    ]);
    let to = format!("localhost={}", at(backend));
    let route = Running::start(&["route", "--protocol", "smtp", "--to", &to]);
    let ca = CERTS.ca();
    starttls(&["connect", "smtp", &route.host(), "--ca", &ca]).exits(7);
    let reason = route.logs("failed")["reason"].clone();
    assert!(reason.as_str().unwrap().contains("plaintext"), "{reason}");
}

#[test]
fn what_cannot_be_served_is_refused_at_once() {
    let cert = CERTS.good.chain.display().to_string();
    let listen = ["--listen", "127.0.0.1:0"];
    let proxy = |more: &[&str]| starttls(&[&["proxy"], &listen[..], more].concat());
    proxy(&["--protocol", "mysql", "--backend", "a:1", "--cert", &cert])
        .exits(2)
        .says("mysql");
    proxy(&["--protocol", "smtp", "--backend", "a", "--cert", &cert]).exits(2);
    proxy(&["--protocol", "smtp", "--backend", "a:1", "--cert", &cert])
        .exits(2)
        .says("good.pem");
    starttls(&[
        "tunnel",
        "nats",
        "a",
        "--ca",
        &CERTS.ca(),
        "--listen",
        "127.0.0.1:0",
    ])
    .exits(2);
    starttls(&["tunnel", "smtp", "a", "--ca", &CERTS.ca()])
        .exits(2)
        .says("nowhere to listen");
    starttls(&["route", "--protocol", "smtp", "--listen", "127.0.0.1:0"])
        .exits(2)
        .says("nowhere to lead");
}

#[test]
fn sockets_of_systemd_are_taken() {
    // What systemd does: the socket is number 3, and LISTEN_PID is the process.
    let Ok(shell) = std::process::Command::new("python3")
        .arg("--version")
        .output()
    else {
        return;
    };
    assert!(shell.status.success());
    let backend = at(plaintext(b""));
    let (cert, key) = (
        CERTS.good.chain.display().to_string(),
        CERTS.good.key.display().to_string(),
    );
    let script = "import os, socket, sys\ns = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\nprint(s.getsockname()[1], flush=True)\nos.dup2(s.fileno(), 3); os.set_inheritable(3, True)\nos.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\nos.execv(sys.argv[1], sys.argv[1:])";
    let mut child = std::process::Command::new("python3")
        .args([
            "-c",
            script,
            env!("CARGO_BIN_EXE_starttls"),
            "proxy",
            "--protocol",
            "tls",
            "--backend",
            &backend,
            "--cert",
            &cert,
            "--key",
            &key,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.next().unwrap().unwrap();
    assert_eq!(
        lines.next().unwrap().unwrap(),
        format!("listening 127.0.0.1:{port}")
    );
    assert_eq!(talk(&format!("localhost:{port}"), "tls", b"hello"), "hello");
    let _ = child.kill();
    let _ = child.wait();
}
