//! A real upsd of NUT, and NUT's clients against our server. They are built with NSS here.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use starttls_protocols::nut;

use crate::inside::{declined, inside, is_verified_in_each_version, refused_with};
use crate::support::{Program, Second, Server, file, must_say, port, unpacked};

const NUT: u16 = 493;

#[tokio::test]
async fn nut_with_each_version() {
    is_verified_in_each_version(port(NUT), nut::Client::new).await;
}

#[tokio::test]
async fn nut_and_its_supplies_inside() {
    let mut tls = inside(port(NUT), nut::Client::new()).await;
    tls.send(b"VER\n").await;
    assert!(tls.text_with("\n").await.starts_with("Network UPS Tools"));
    tls.send(b"LIST UPS\n").await;
    let list = tls.text_with("END LIST UPS\n").await;
    assert!(list.contains("UPS test "), "{list}");
    tls.send(b"STARTTLS\n").await;
    assert_eq!(tls.text_with("\n").await, "ERR ALREADY-SSL-MODE\n");
    tls.send(b"LOGOUT\n").await;
    assert_eq!(tls.text_with("\n").await, "OK Goodbye\n");
    tls.ends().await;
}

#[tokio::test]
async fn nut_without_tls_is_refused() {
    let second = Second::without_tls("upsd");
    let reason = declined(second.port(NUT), nut::Client::new()).await;
    assert!(
        refused_with(&reason, None, "FEATURE-NOT-CONFIGURED"),
        "{reason:?}"
    );
}

fn program(path: &str) -> Command {
    let mut program = Command::new(unpacked("nut-client").join(path));
    program.env(
        "LD_LIBRARY_PATH",
        unpacked("libupsclient6").join("lib/x86_64-linux-gnu"),
    );
    program
}

#[test]
fn upsc_to_our_server() {
    let server = Server::of("nut", &[]);
    must_say(
        program("bin/upsc").arg(format!("test@localhost:{}", server.port)),
        &["SSL handshake done successfully", "ups.status: OL"],
    );
}

/// In one process, in the foreground, and talkative.
fn upsmon(server: &Server, name: &str) -> Program {
    let mut upsmon = program("lib/nut/upsmon");
    upsmon
        .args(["-p", "-F", "-D", "-D", "-D"])
        .env("NUT_CONFPATH", monitor_folder(name, server.port));
    Program::start(&mut upsmon)
}

/// Its settings: it demands TLS, and this name in the certificate.
fn monitor_folder(name: &str, port: u16) -> PathBuf {
    let folder = file(&format!("upsmon-{name}"));
    // certutil has questions where there is a database already.
    let _ = fs::remove_dir_all(&folder);
    let nss = folder.join("nss");
    fs::create_dir_all(&nss).unwrap();
    let certutil = |arguments: &[&str]| {
        let mut certutil = Command::new("certutil");
        must_say(certutil.args(arguments).arg("-d").arg(&nss), &[]);
    };
    let ca = file("ca.pem").display().to_string();
    certutil(&["-N", "--empty-password"]);
    certutil(&["-A", "-n", "ca", "-t", "CT,,", "-i", &ca]);
    let settings = format!(
        "MONITOR test@localhost:{port} 1 test secret primary\nSHUTDOWNCMD /bin/true\nRUN_AS_USER root\nCERTPATH {}\n\
         CERTVERIFY 1\nFORCESSL 1\nCERTHOST localhost {name} 1 1\n",
        nss.display()
    );
    fs::write(folder.join("upsmon.conf"), settings).unwrap();
    folder
}

#[test]
fn upsmon_to_our_server() {
    let server = Server::of("nut", &[]);
    let said = upsmon(&server, "localhost").shows("Logged into UPS test@localhost");
    assert!(
        said.contains("Intend to authenticate server localhost : SUCCESS"),
        "{said}"
    );
    server.says("TLS is up");

    let said = upsmon(&server, "other.example").shows("server localhost : FAILED");
    assert!(!said.contains("Logged into UPS"), "{said}");
}
