//! A real Munin node, and the TLS client of the Munin master against ours.

use std::path::PathBuf;
use std::process::Command;

use starttls_protocols::munin;
use starttls_tokio::Error;

use crate::inside::{connect, inside, is_verified_in_each_version, refused_with};
use crate::support::{Second, Server, file, must_fail, must_say, port};

const MUNIN: u16 = 949;

#[tokio::test]
async fn munin_with_each_version() {
    is_verified_in_each_version(port(MUNIN), munin::Client::new).await;
}

#[tokio::test]
async fn munin_and_a_value_inside() {
    let mut tls = inside(port(MUNIN), munin::Client::new()).await;
    tls.send(b"fetch load\n").await;
    assert_eq!(tls.text_with("\n.\n").await, "load.value 0.5\n.\n");
    tls.send(b"quit\n").await;
    tls.ends().await;
}

/// A node without a key says MAYBE, since the master may have one, and begins TLS: there is no way on in plaintext.
#[tokio::test]
async fn munin_without_a_certificate_is_refused() {
    let second = Second::without_tls("munin-node");
    let plain = connect(second.port(MUNIN)).await;
    let Err(Error::Protocol(reason)) = plain.negotiate(munin::Client::new()).await else {
        panic!("it is not refused");
    };
    assert!(refused_with(&reason, None, "TLS MAYBE"), "{reason:?}");
    assert!(!reason.is_declined(), "{reason:?}");
}

fn master(server: &Server, authority: PathBuf) -> Command {
    let mut master = Command::new("perl");
    master
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/peers/munin_client.pl"
        ))
        .arg(server.port.to_string())
        .arg(authority)
        .arg("fetch load");
    master
}

#[test]
fn the_master_to_our_server() {
    let server = Server::of("munin", &[]);
    must_say(
        &mut master(&server, file("ca.pem")),
        &["# munin node at localhost", "TLS is up", "load.value 0.5"],
    );
    // A certificate that has signed nothing.
    must_fail(&mut master(&server, file("client.pem")), "no TLS");
}
