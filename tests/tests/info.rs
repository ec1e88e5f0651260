//! What `TlsInfo` tells of a connection: nothing before the handshake, everything after it.

use std::net::{TcpListener, TcpStream};
use std::slice::from_ref;
use std::sync::Arc;
use std::thread;

use starttls_core::rustls::{ClientConfig, Connection, ServerConfig};
use starttls_stream::{Info, PlainStream, TlsInfo};
use starttls_tests::certs::{
    CERTS, VERSIONS, client, client_config_with, client_config_with_certificate, client_of, server,
    server_config_with, server_config_with_client_auth, server_of,
};

/// What both sides tell after their handshake, the client first.
fn upgraded(client: ClientConfig, server: ServerConfig) -> [Info; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let there = listener.accept().unwrap().0;
    thread::scope(|scope| {
        let here = scope.spawn(|| PlainStream::new(here).start_tls(client_of(&Arc::new(client))));
        let there = PlainStream::new(there).start_tls(server_of(&Arc::new(server)));
        let here = here.join().unwrap().unwrap();
        [here.info(), there.unwrap().info()]
    })
}

#[test]
fn before_the_handshake_there_is_nothing() {
    assert_eq!(TlsInfo::of(&Connection::from(client())), None);
    assert_eq!(TlsInfo::of(&Connection::from(server())), None);
}

#[test]
fn after_it_both_sides_tell_the_same() {
    for version in VERSIONS {
        let mut client = client_config_with(&[version]);
        let mut server = server_config_with(&CERTS.server, &[version]);
        client.alpn_protocols = vec![b"a".to_vec(), b"b".to_vec()];
        server.alpn_protocols = vec![b"b".to_vec()];
        let [here, there] = upgraded(client, server);
        assert_eq!(here.peer_addr, there.local_addr);
        assert_eq!(here.local_addr, there.peer_addr);
        assert!(here.peer_addr.is_some() && here.local_addr.is_some());

        let (here, there) = (here.tls.unwrap(), there.tls.unwrap());
        assert_eq!(here.version, version.version);
        assert_eq!(there.version, version.version);
        assert_eq!(here.cipher_suite, there.cipher_suite);
        assert_eq!(here.alpn.as_deref(), Some(&b"b"[..]));
        assert_eq!(there.alpn, here.alpn);
        assert_eq!(here.peer_certificates, from_ref(&CERTS.server.certificate));
        assert_eq!(there.peer_certificates, []);
        assert_eq!(here.server_name, None);
        assert_eq!(there.server_name.as_deref(), Some("localhost"));
    }
}

#[test]
fn a_client_may_have_a_certificate_and_no_alpn() {
    let [here, there] = upgraded(
        client_config_with_certificate(),
        server_config_with_client_auth(),
    );
    let (here, there) = (here.tls.unwrap(), there.tls.unwrap());
    assert_eq!(there.peer_certificates, from_ref(&CERTS.client.certificate));
    assert_eq!((here.alpn, there.alpn), (None, None));
}
