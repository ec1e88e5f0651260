//! A real qemu-nbd.

use starttls_protocols::nbd;

use crate::inside::nbd::has_an_export_of_zeroes;
use crate::inside::{declined, inside, is_verified_in_each_version, refused_with};
use crate::support::{Second, port};

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

const NBD_REP_ERR_POLICY: u32 = 0x8000_0002;
