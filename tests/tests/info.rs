//! What `TlsInfo` tells of a connection: nothing before the handshake, everything after it.

use std::io::Write;
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
        assert_eq!(here.key_exchange_group, there.key_exchange_group);
        assert!(here.key_exchange_group.is_some());
        assert!(!here.resumed && !there.resumed && !here.hello_retry);
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

/// A second connection of the same client resumes the session of the first; both sides know.
#[test]
fn a_resumed_session_is_told_from_a_full_handshake() {
    for version in VERSIONS {
        let client = Arc::new(client_config_with(&[version]));
        let server = Arc::new(server_config_with(&CERTS.server, &[version]));
        for resumed in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let there = listener.accept().unwrap().0;
            let [here, there] = thread::scope(|scope| {
                let here = scope.spawn(|| {
                    let mut tls = PlainStream::new(here)
                        .start_tls(client_of(&client))
                        .unwrap();
                    // With this come the tickets.
                    assert_eq!(tls.next_line(10).unwrap().unwrap(), b"hi");
                    tls.info()
                });
                let mut tls = PlainStream::new(there)
                    .start_tls(server_of(&server))
                    .unwrap();
                tls.write_all(b"hi\n").unwrap();
                let there = tls.info();
                [here.join().unwrap(), there]
            });
            for info in [here.tls.unwrap(), there.tls.unwrap()] {
                assert_eq!(info.resumed, resumed);
                assert_eq!(info.to_string().contains("resumed"), resumed);
            }
        }
    }
}

/// For logs: a line, in which the peer can break nothing, and no dump of certificates.
#[test]
fn its_text_is_one_line() {
    let mut client = client_config_with(&VERSIONS);
    let mut server = server_config_with(&CERTS.server, &VERSIONS);
    client.alpn_protocols = vec![b"odd\n\x1b[2J".to_vec()];
    server.alpn_protocols = client.alpn_protocols.clone();
    let [here, there] = upgraded(client, server);
    let (here, there) = (here.tls.unwrap(), there.tls.unwrap());
    let text = here.to_string();
    assert!(text.starts_with("TLSv1_3 TLS13_"), "{text}");
    assert!(
        text.ends_with(r" alpn=odd\n\x1b[2J certificates=1"),
        "{text}"
    );
    assert!(
        there
            .to_string()
            .contains(" server-name=localhost certificates=0")
    );
    assert!(here.to_string().chars().all(|c| !c.is_control()));
    let debug = format!("{here:?}");
    assert!(debug.len() < 400, "{debug}");
    assert!(
        !debug.contains("0x") && debug.contains("peer_certificates: 1"),
        "{debug}"
    );
}
