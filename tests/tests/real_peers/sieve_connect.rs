//! sieve-connect against our server: it stores a script and lists what is there.

use std::fs;
use std::process::Command;

use crate::support::{Server, file, must_fail, must_say};

fn sieve_connect(host: &str, port: u16) -> Command {
    let password = file("sieve-password");
    fs::write(&password, "secret\n").expect("a file");
    // The password comes on a descriptor of its own.
    let mut sieve_connect = Command::new("sh");
    sieve_connect
        .args(["-c", "exec sieve-connect \"$@\" 3<\"$0\""])
        .arg(password)
        .args(["--passwordfd", "3", "--user", "test", "--authmech", "PLAIN"])
        .args(["--server", host, "--port", &port.to_string(), "--nosrv"])
        .arg("--tlscafile")
        .arg(file("ca.pem"))
        .arg("--debug");
    sieve_connect
}

#[test]
fn sieve_and_a_script() {
    let server = Server::of("sieve", &[]);
    let script = file("main.sieve");
    fs::write(&script, "require \"fileinto\";\r\nkeep;\r\n").expect("a file");
    must_say(
        sieve_connect("localhost", server.port)
            .args(["--upload", "--localsieve"])
            .arg(&script)
            .args(["--remotesieve", "main"]),
        &["STARTTLS", "PUTSCRIPT \"main\""],
    );
    must_say(
        sieve_connect("localhost", server.port).arg("--list"),
        &["STARTTLS", "\"main\" ACTIVE"],
    );
    let server = Server::of("sieve", &["--listen", "127.0.0.2:0"]);
    must_fail(
        sieve_connect("127.0.0.2", server.port).arg("--list"),
        "hostname verification failed",
    );
}
