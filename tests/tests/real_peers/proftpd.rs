//! A real ProFTPD, which can go back to plaintext.

use std::sync::Arc;

use starttls_core::rustls::version;
use starttls_protocols::ftp;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

use crate::inside::ftp::{lists_and_fetches, logged_in};
use crate::inside::{declined, is_verified_in_each_version, refused_with};
use crate::support::{Second, client_config, example, file, must_say, port};

const FTP: u16 = 22;

#[tokio::test]
async fn ftp_with_each_version() {
    is_verified_in_each_version(port(FTP), ftp::Client::new).await;
}

#[tokio::test]
async fn ftp_and_files_inside() {
    for versions in [&[&version::TLS12][..], &[&version::TLS13]] {
        let config = Arc::new(client_config(versions));
        let mut tls = logged_in(port(FTP), &config).await;
        lists_and_fetches(&mut tls, &config).await;
        assert!(tls.ask("QUIT").await.starts_with("221"));
        tls.ends().await;
    }
}

#[tokio::test]
async fn ftp_back_to_plaintext_with_ccc() {
    for versions in [&[&version::TLS12][..], &[&version::TLS13]] {
        let config = Arc::new(client_config(versions));
        let mut tls = logged_in(port(FTP), &config).await;
        assert!(tls.ask("CCC").await.starts_with("200"));
        let mut plain = tls.tls.stop_tls().await.unwrap();
        for (command, code) in [("PWD\r\n", "257"), ("QUIT\r\n", "221")] {
            plain.write_all(command.as_bytes()).await.unwrap();
            plain.flush().await.unwrap();
            let mut line = String::new();
            plain.read_line(&mut line).await.unwrap();
            assert!(line.starts_with(code), "{line}");
        }
    }
}

#[test]
fn ftp_ccc_example() {
    must_say(
        example("ftp_ccc")
            .args([&format!("127.0.0.1:{}", port(FTP)), "--ca"])
            .arg(file("ca.pem")),
        &["TLS is up", "CCC -> 200", "plaintext again", "QUIT -> 221"],
    );
}

#[tokio::test]
async fn ftp_without_tls_is_refused() {
    let second = Second::without_tls("proftpd");
    let reason = declined(second.port(FTP), ftp::Client::new()).await;
    assert!(refused_with(&reason, 500, "AUTH"), "{reason:?}");
}
