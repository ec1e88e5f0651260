//! `openssl s_client -starttls` against our servers.

use std::process::Command;

use crate::support::{Server, file, must_fail, must_say};

fn s_client(port: u16, protocol: &str, arguments: &[&str]) -> Command {
    let mut client = Command::new("openssl");
    client
        .args(["s_client", "-starttls", protocol, "-brief"])
        .args(["-connect", &format!("127.0.0.1:{port}")])
        .args(["-verify_return_error", "-servername", "localhost"])
        .arg("-CAfile")
        .arg(file("ca.pem"))
        .args(arguments);
    client
}

/// The certificate is verified in both versions of TLS, and a wrong name is refused.
fn upgrades(protocol: &str, arguments: &[&str]) {
    let server = Server::of(protocol, &[]);
    for (version, expected) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let verified = ["-verify_hostname", "localhost", version];
        must_say(
            &mut s_client(server.port, protocol, &[arguments, &verified].concat()),
            &["Verification: OK", expected],
        );
    }
    let other = ["-verify_hostname", "other.example"];
    must_fail(
        &mut s_client(server.port, protocol, &[arguments, &other].concat()),
        "hostname mismatch",
    );
}

#[test]
fn smtp() {
    upgrades("smtp", &[]);
}

#[test]
fn lmtp() {
    upgrades("lmtp", &[]);
}

#[test]
fn imap() {
    upgrades("imap", &[]);
}

#[test]
fn pop3() {
    upgrades("pop3", &[]);
}

#[test]
fn nntp() {
    upgrades("nntp", &[]);
}

#[test]
fn sieve() {
    upgrades("sieve", &[]);
}

#[test]
fn ftp() {
    upgrades("ftp", &[]);
}

#[test]
fn xmpp() {
    upgrades("xmpp", &["-xmpphost", "localhost"]);
}

#[test]
fn xmpp_server() {
    upgrades("xmpp-server", &["-xmpphost", "localhost"]);
}

#[test]
fn ldap() {
    upgrades("ldap", &[]);
}

#[test]
fn postgres() {
    upgrades("postgres", &[]);
}

#[test]
fn mysql() {
    upgrades("mysql", &[]);
}

#[test]
fn irc() {
    upgrades("irc", &[]);
}

#[test]
fn telnet() {
    upgrades("telnet", &[]);
}

#[test]
fn smtp_server_with_one_version_refuses_the_other() {
    let server = Server::ours("smtp_server", &["--tls", "1.2"]);
    must_say(
        &mut s_client(server.port, "smtp", &[]),
        &["Verification: OK", "TLSv1.2"],
    );
    must_fail(
        &mut s_client(server.port, "smtp", &["-tls1_3"]),
        "alert protocol version",
    );
}

/// S22: both sides see the same channel binding.
#[test]
fn the_exporter_is_the_same_on_both_sides() {
    use starttls_core::rustls::pki_types::pem::PemObject;
    use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use starttls_core::rustls::{ServerConfig, ServerConnection};

    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()],
            PrivateKeyDer::from_pem_file(file("server.key")).unwrap(),
        )
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let port = listener.local_addr().unwrap().port();
    let ours = runtime.spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let tls = starttls_tokio::PlainStream::new(socket)
            .upgrade(
                starttls_protocols::smtp::Server::new("localhost"),
                ServerConnection::new(config.into()).unwrap(),
            )
            .await
            .unwrap();
        tls.tls_exporter().unwrap()
    });
    // Without `-brief`, which leaves the keying material out.
    let mut client = Command::new("openssl");
    client
        .args([
            "s_client",
            "-starttls",
            "smtp",
            "-connect",
            &format!("127.0.0.1:{port}"),
        ])
        .args([
            "-keymatexport",
            "EXPORTER-Channel-Binding",
            "-keymatexportlen",
            "32",
        ])
        .arg("-CAfile")
        .arg(file("ca.pem"));
    let (_, said) = crate::support::run(&mut client);
    let ours: String = runtime
        .block_on(ours)
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    assert!(said.contains(&ours), "{ours} is not in\n{said}");
}
