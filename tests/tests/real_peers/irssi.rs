//! irssi, an IRC client, against our server.

use std::fs;
use std::process::Command;

use crate::support::{Program, Server, file};

/// Has it connect on a terminal until it shows these words.
fn irssi_shows(host: &str, port: u16, words: &str) {
    let home = file(&format!("irssi-{host}"));
    fs::create_dir_all(&home).unwrap();
    let settings = format!(
        "servers = ({{ address = \"{host}\"; chatnet = \"test\"; port = \"{port}\"; starttls = \"yes\"; tls_verify = \"yes\"; \
         tls_cafile = \"{}\"; autoconnect = \"yes\"; }});\nchatnets = {{ test = {{ type = \"IRC\"; }}; }};\n\
         settings = {{ core = {{ real_name = \"test\"; user_name = \"test\"; nick = \"test\"; }}; }};\n",
        file("ca.pem").display()
    );
    fs::write(home.join("config"), settings).unwrap();
    // Wide, so that no words are broken.
    let command = format!("stty cols 250 && exec irssi --home={}", home.display());
    let mut irssi = Command::new("script");
    irssi
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm");
    Program::start(&mut irssi).shows(words);
}

#[test]
fn irc() {
    let server = Server::of("irc", &[]);
    irssi_shows("localhost", server.port, "Welcome");
    server.says("TLS is up");

    let server = Server::of("irc", &["--listen", "127.0.0.2:0"]);
    irssi_shows(
        "127.0.0.2",
        server.port,
        "certificate match hostname '127.0.0.2'",
    );
}
