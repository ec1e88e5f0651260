//! Every runtime over TCP on loopback: each as client of each other, and what `Server` and `info()` promise, on all of them.

#[macro_use]
mod runtimes;
mod servers;

use runtimes::RUNTIMES;

#[test]
fn every_client_with_every_server() {
    for server in RUNTIMES {
        let serving = (server.serve)();
        for client in RUNTIMES {
            println!("{} as client of {}", client.name, server.name);
            let told = (client.dialogue)(serving.addr).unwrap();
            let tls = told.after.tls.expect("TLS");
            assert_eq!(told.after.peer_addr, Some(serving.addr));
            assert_eq!(told.before.peer_addr, Some(serving.addr));
            assert_eq!(told.before.local_addr, told.after.local_addr);
            assert_eq!(told.before.tls, None);
            assert_eq!(tls.alpn.as_deref(), Some(&b"ping"[..]));
            assert_eq!(
                tls.peer_certificates,
                std::slice::from_ref(&starttls_tests::certs::CERTS.server.certificate)
            );
            // A client knows whom it asked for, the server has been told.
            assert_eq!(tls.server_name, None);
            let expected = format!(
                "{} {:?} {:?} ping localhost true",
                told.after.local_addr.unwrap(),
                tls.version,
                tls.cipher_suite
            );
            assert_eq!(told.seen_by_the_server, expected);
        }
        serving.stop();
    }
}
