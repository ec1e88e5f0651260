//! A real vsftpd.

use std::sync::Arc;

use starttls_core::rustls::version;
use starttls_protocols::ftp;

use crate::inside::ftp::{lists_and_fetches, logged_in};
use crate::inside::{declined, is_verified_in_each_version, refused_with};
use crate::support::{Second, client_config, example, file, must_fail, port};

const FTP: u16 = 21;

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

#[test]
fn ftp_ccc_example_is_told_that_there_is_none() {
    must_fail(
        example("ftp_ccc")
            .args([&format!("127.0.0.1:{}", port(FTP)), "--ca"])
            .arg(file("ca.pem")),
        "CCC -> 500",
    );
}

#[tokio::test]
async fn ftp_without_tls_is_refused() {
    let second = Second::without_tls("vsftpd");
    let reason = declined(second.port(FTP), ftp::Client::new()).await;
    assert!(refused_with(&reason, 530, ""), "{reason:?}");
}
