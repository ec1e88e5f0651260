//! `starttls exporter`: probes over HTTP, as Prometheus asks for them.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use common::{CERTS, at, honest, program, says};
use starttls_protocols::registry::Protocol;

struct Exporter {
    child: Child,
    address: String,
}

impl Exporter {
    fn start() -> Self {
        let mut child = program()
            .args(["exporter", "--listen", "127.0.0.1:0", "--ca", &CERTS.ca()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim_end()
            .strip_prefix("listening ")
            .unwrap()
            .to_owned();
        Self { child, address }
    }

    fn get(&self, path: &str, headers: &str) -> String {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn probes_are_answered_as_dashboards_know_them() {
    let exporter = Exporter::start();
    let server = at(honest(Protocol::Smtp, CERTS.good.config()));
    let answer = exporter.get(&format!("/probe?module=smtp&target={server}"), "");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("version=0.0.4"),
        "{answer}"
    );
    assert!(answer.contains("\nprobe_success 1\n"), "{answer}");
    assert!(
        answer.contains(
            "probe_starttls_info{group=\"X25519MLKEM768\",handshake=\"full\",protocol=\"smtp\"} 1"
        ),
        "{answer}"
    );
    let open = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let answer = exporter.get(&format!("/probe?module=smtp&target={server}"), open);
    assert!(
        answer.contains("content-type: application/openmetrics-text")
            && answer.ends_with("# EOF\n"),
        "{answer}"
    );

    let silent = at(says(&[b""]));
    let short = "X-Prometheus-Scrape-Timeout-Seconds: 0.7\r\n";
    let answer = exporter.get(&format!("/probe?module=imap&target={silent}"), short);
    assert!(
        answer.contains("\nprobe_success 0\n") && answer.contains("outcome=\"timeout\""),
        "{answer}"
    );

    for wrong in [
        "/probe",
        "/probe?module=smtp",
        "/probe?module=gopher&target=a",
        "/probe?module=smtp&target=-a",
    ] {
        assert!(
            exporter.get(wrong, "").starts_with("HTTP/1.1 400"),
            "{wrong}"
        );
    }
    assert!(exporter.get("/nothing", "").starts_with("HTTP/1.1 404"));
    assert!(exporter.get("/healthz", "").starts_with("HTTP/1.1 200"));
    let own = exporter.get("/metrics", "");
    assert!(
        own.contains("starttls_exporter_probes_total{module=\"smtp\",outcome=\"secured\"} 2"),
        "{own}"
    );
}
