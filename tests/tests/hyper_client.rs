//! The feature `hyper-util`: hyper's client knows by these streams what was negotiated.

use std::sync::Arc;

use hyper_util::client::legacy::connect::Connection;
use hyper_util::rt::TokioIo;
use starttls_tests::certs::{
    CERTS, VERSIONS, client_config_with, client_of, server_config_with, server_of,
};
use starttls_tokio::{PlainStream, TlsStream, UpgradeableStream};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn http2_is_known_by_alpn() {
    fn can_be_a_connection<T: Connection>() {}
    can_be_a_connection::<TokioIo<PlainStream<TcpStream>>>();
    can_be_a_connection::<TokioIo<TlsStream<TcpStream>>>();
    can_be_a_connection::<TokioIo<TlsStream<TlsStream<TcpStream>>>>();

    for (alpn, http2) in [(&b"h2"[..], true), (b"http/1.1", false)] {
        let mut client = client_config_with(&VERSIONS);
        let mut server = server_config_with(&CERTS.server, &VERSIONS);
        client.alpn_protocols = vec![alpn.to_vec()];
        server.alpn_protocols = vec![alpn.to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (here, there) = tokio::join!(TcpStream::connect(addr), listener.accept());
        let (here, there) = (PlainStream::new(here.unwrap()), there.unwrap().0);
        assert!(!here.connected().is_negotiated_h2());
        let (here, there) = tokio::join!(
            here.start_tls(client_of(&Arc::new(client))),
            PlainStream::new(there).start_tls(server_of(&Arc::new(server)))
        );
        let (here, _there) = (here.unwrap(), there.unwrap());
        assert_eq!(here.connected().is_negotiated_h2(), http2);
        let in_place = UpgradeableStream::from(here);
        assert_eq!(in_place.connected().is_negotiated_h2(), http2);
    }
}
