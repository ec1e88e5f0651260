//! A real qemu-nbd, and qemu-img against our server.

use std::process::Command;

use starttls_protocols::nbd;

use crate::inside::nbd::has_an_export_of_zeroes;
use crate::inside::{declined, inside, is_verified_in_each_version, refused_with};
use crate::support::{Second, Server, client_files, must_fail, must_say, port};

#[tokio::test]
async fn nbd_with_each_version() {
    is_verified_in_each_version(port(810), nbd::Client::new).await;
}

#[tokio::test]
async fn nbd_and_an_export_inside() {
    has_an_export_of_zeroes(inside(port(810), nbd::Client::new()).await, "disk").await;
}

#[tokio::test]
async fn nbd_without_tls_is_refused() {
    let second = Second::without_tls("qemu-nbd");
    let reason = declined(second.port(810), nbd::Client::new()).await;
    assert!(
        refused_with(&reason, NBD_REP_ERR_POLICY, "TLS"),
        "{reason:?}"
    );
}

fn qemu_img(host: &str, port: u16) -> Command {
    let files = client_files();
    let mut qemu_img = Command::new("qemu-img");
    qemu_img
        .args(["info", "--object"])
        .arg(format!(
            "tls-creds-x509,id=t,endpoint=client,dir={}",
            files.display()
        ))
        .arg("--image-opts")
        .arg(format!("driver=nbd,host={host},port={port},tls-creds=t"));
    qemu_img
}

#[test]
fn qemu_img_to_our_server() {
    let server = Server::of("nbd", &[]);
    must_say(
        &mut qemu_img("localhost", server.port),
        &["virtual size: 1 MiB"],
    );
    let server = Server::of("nbd", &["--listen", "127.0.0.2:0"]);
    must_fail(
        &mut qemu_img("127.0.0.2", server.port),
        "Certificate does not match the hostname",
    );
}

const NBD_REP_ERR_POLICY: u32 = 0x8000_0002;
