//! A real TigerVNC server.

use starttls_core::Error;
use starttls_protocols::vencrypt::{Client, Subtype};

use crate::inside::{Inside, connect, declined, is_verified_in_each_version};
use crate::support::{ANY, Second, client_config, connection, port};

fn vencrypt() -> Client {
    Client::new(Subtype::ALL)
}

#[tokio::test]
async fn vencrypt_with_each_version() {
    is_verified_in_each_version(port(900), vencrypt).await;
}

#[tokio::test]
async fn vencrypt_and_a_screen_inside() {
    let mut client = vencrypt();
    let connection = connection(client_config(ANY), "localhost");
    let plain = connect(port(900)).await;
    let mut tls = Inside::new(plain.upgrade(&mut client, connection).await.unwrap());
    assert_eq!(client.chosen(), Some(Subtype::X509None));
    // The server speaks first: the result of the security handshake.
    assert_eq!(tls.bytes(4).await, [0; 4]);
    // ClientInit: the screen is shared. ServerInit: width and height as peers.sh has them, pixel format, name.
    tls.send(&[1]).await;
    assert_eq!(tls.bytes(4).await, [0, 64, 0, 48]);
    assert_eq!(tls.bytes(16).await[0], 32, "bits a pixel");
    let length = u32::from_be_bytes(tls.bytes(4).await.try_into().unwrap());
    assert!(!tls.bytes(length as usize).await.is_empty());
    // An update of one pixel: message 3, not incremental; rectangles, raw.
    tls.send(&[3, 0, 0, 0, 0, 0, 0, 1, 0, 1]).await;
    assert_eq!(tls.bytes(4).await, [0, 0, 0, 1]);
    assert_eq!(tls.bytes(12).await, [0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    tls.bytes(4).await;
    tls.ends().await;
}

#[tokio::test]
async fn vencrypt_with_a_subtype_that_it_does_not_have() {
    let mut client = Client::new([Subtype::X509Plain]);
    let reason = declined(port(900), &mut client).await;
    assert_eq!(reason, Error::NotOffered);
    assert_eq!(client.chosen(), None);
}

#[tokio::test]
async fn vencrypt_without_tls_is_not_offered() {
    let second = Second::without_tls("tigervnc");
    let reason = declined(second.port(900), vencrypt()).await;
    assert_eq!(reason, Error::NotOffered);
}
