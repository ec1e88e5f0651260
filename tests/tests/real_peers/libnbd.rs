//! libnbd, with its nbdinfo, against our server.

use std::process::Command;

use crate::support::{Server, client_files, must_fail, must_say};

fn nbdinfo(host: &str, port: u16) -> Command {
    let mut nbdinfo = Command::new("nbdinfo");
    nbdinfo.arg(format!(
        "nbds://{host}:{port}/?tls-certificates={}",
        client_files().display()
    ));
    nbdinfo
}

#[test]
fn nbdinfo_to_our_server() {
    let server = Server::of("nbd", &[]);
    must_say(
        &mut nbdinfo("localhost", server.port),
        &["newstyle-fixed with TLS", "export-size: 1048576"],
    );
    must_say(
        nbdinfo("localhost", server.port).arg("--list"),
        &["export=\"\"", "export-size: 1048576"],
    );
    let server = Server::of("nbd", &["--listen", "127.0.0.2:0"]);
    must_fail(&mut nbdinfo("127.0.0.2", server.port), "gnutls_handshake");
}
