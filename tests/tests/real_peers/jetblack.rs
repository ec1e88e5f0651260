//! The Python ancestor's own demo. It has no go-ahead line: its client sends the ClientHello right behind `STARTTLS`, its server hangs when it gets one so
//! early.

use std::process::Command;

use crate::support::{Server, example, file, must_say, port};

/// The demo client as `peers.sh` has prepared it, for another port.
fn demo_client(to: u16) -> Command {
    let demo = std::fs::read_to_string(file("jetblack/client.py")).expect("the demo");
    let moved = demo.replace(&port(101).to_string(), &to.to_string());
    assert_ne!(demo, moved, "the demo's port is in it");
    let home = std::env::var("PEERS_HOME").unwrap_or("/tmp/starttls-peers/opt".to_owned());
    let mut client = Command::new(format!("{home}/venv/bin/python"));
    client.args(["-c", &moved]);
    client
}

#[test]
fn its_client_to_our_server_fifty_times() {
    let server = Server::ours("server", &["--no-go-ahead"]);
    for _ in 0..50 {
        let said = must_say(&mut demo_client(server.port), &["Client disconnected"]);
        assert_eq!(said.matches("Received: PONG").count(), 2, "{said}");
    }
}

#[test]
fn our_client_to_its_server() {
    must_say(
        example("client")
            .arg(format!("127.0.0.1:{}", port(101)))
            .arg("--ca")
            .arg(file("ca.pem"))
            .args(["--no-go-ahead", "1000"]),
        &["TLS is up", "encrypted, PING -> PONG"],
    );
}
