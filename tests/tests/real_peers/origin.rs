//! `openssl s_server`, which the proxies lead to: TLS from the first byte.

use starttls_core::rustls::ProtocolVersion;
use starttls_core::rustls::version::{TLS12, TLS13};
use starttls_tokio::TlsStream;
use tokio::net::TcpStream;

use crate::inside::Inside;
use crate::support::{client_config, connection, port};

#[tokio::test]
async fn implicit_tls_and_a_page_inside() {
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let socket = TcpStream::connect(("127.0.0.1", port(443))).await.unwrap();
        let connection = connection(client_config(&[version]), "localhost");
        let mut tls = Inside::new(TlsStream::implicit(socket, connection).await.unwrap());
        assert_eq!(tls.tls.connection().protocol_version(), Some(expected));
        tls.send(b"GET / HTTP/1.0\r\n\r\n").await;
        assert!(tls.text_with("</pre>").await.starts_with("HTTP/1.0 200 "));
    }
}
