//! irssi, an IRC client, against our server.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Server, file, until};

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
    let child = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut irssi = Running(child.unwrap());
    let shown = Arc::new(Mutex::new(Vec::new()));
    let mut screen = irssi.0.stdout.take().unwrap();
    thread::spawn({
        let shown = shown.clone();
        move || {
            let mut buf = [0; 4096];
            while let Ok(n @ 1..) = screen.read(&mut buf) {
                shown.lock().unwrap().extend_from_slice(&buf[..n]);
            }
        }
    });
    until(|| String::from_utf8_lossy(&shown.lock().unwrap()).contains(words));
}

/// With its terminal it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
