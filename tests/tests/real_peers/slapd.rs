//! A real OpenLDAP server, and OpenLDAP's and Python's clients against ours.

use std::process::Command;

use starttls_protocols::ldap;
use tokio::io::AsyncReadExt;

use crate::inside::{Inside, declined, inside, is_verified_in_each_version, refused_with};
use crate::support::{Second, Server, example, file, must_fail, must_say, peers_python, port};

const LDAP: u16 = 389;

/// LDAPMessage: a SEQUENCE of message id and operation, none of them long.
fn message(id: u8, operation: u8, contents: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let inner = [&[2, 1, id, operation, length(contents)], contents].concat();
    [&[0x30, length(&inner)], &inner[..]].concat()
}

/// The next LDAPMessage without tag and length.
async fn answer(tls: &mut Inside) -> Vec<u8> {
    let header = tls.bytes(2).await;
    assert_eq!(header[0], 0x30);
    let length = match header[1] {
        short @ 0..=0x7f => usize::from(short),
        long => {
            let length = tls.bytes(usize::from(long - 0x80)).await;
            length.iter().fold(0, |n, byte| n << 8 | usize::from(*byte))
        }
    };
    tls.bytes(length).await
}

/// resultCode success, matchedDN, diagnosticMessage
const SUCCESS: &[u8] = &[10, 1, 0, 4, 0, 4, 0];

/// Searches for the naming contexts of the root DSE.
async fn search(tls: &mut Inside, id: u8) {
    let request = [
        // base "", scope baseObject, aliases never, no limits, types and values
        &[4, 0, 10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0][..],
        // (objectClass=*)
        b"\x87\x0bobjectClass",
        b"\x30\x10\x04\x0enamingContexts",
    ];
    tls.send(&message(id, 0x63, &request.concat())).await;
    let entry = String::from_utf8_lossy(&answer(tls).await).into_owned();
    assert!(entry.contains("dc=example,dc=com"), "{entry}");
    let done = [&[2, 1, id, 0x65, 7], SUCCESS].concat();
    assert_eq!(answer(tls).await, done);
}

#[tokio::test]
async fn ldap_with_each_version() {
    is_verified_in_each_version(port(LDAP), ldap::Client::new).await;
}

#[tokio::test]
async fn ldap_and_a_search_inside() {
    let mut tls = inside(port(LDAP), ldap::Client::new()).await;
    search(&mut tls, 2).await;
    let bind = b"\x02\x01\x03\x04\x1acn=admin,dc=example,dc=com\x80\x06secret";
    tls.send(&message(3, 0x60, bind)).await;
    assert_eq!(
        answer(&mut tls).await,
        [&[2, 1, 3, 0x61, 7], SUCCESS].concat()
    );
    // A second StartTLS: operationsError (RFC 4511 section 4.14.2).
    let again = b"\x80\x161.3.6.1.4.1.1466.20037";
    tls.send(&message(4, 0x77, again)).await;
    assert_eq!(answer(&mut tls).await[5..8], [10, 1, 1]);
    // unbindRequest, a NULL
    tls.send(&message(5, 0x42, b"")).await;
    tls.ends().await;
}

/// RFC 4511 section 4.14.3 lets a server go on in plaintext or close: this one answers with close_notify and closes.
#[tokio::test]
async fn ldap_ends_when_tls_is_closed() {
    let mut tls = inside(port(LDAP), ldap::Client::new()).await;
    search(&mut tls, 2).await;
    let mut plain = tls.tls.stop_tls().await.unwrap();
    assert_eq!(plain.read(&mut [0; 10]).await.unwrap(), 0);
}

#[test]
fn ldap_closure_example() {
    must_say(
        example("ldap_closure")
            .args([&format!("127.0.0.1:{}", port(LDAP)), "--ca"])
            .arg(file("ca.pem")),
        &[
            "message 2: an entry",
            "TLS is closed",
            "the server has closed the connection too",
        ],
    );
}

#[tokio::test]
async fn ldap_without_tls_is_refused() {
    let second = Second::without_tls("slapd");
    let reason = declined(second.port(LDAP), ldap::Client::new()).await;
    // protocolError
    assert!(refused_with(&reason, 2, "unsupported"), "{reason:?}");
}

/// Asks for the one entry of our example server. libldap takes `localhost` for the name of the machine.
fn ldapsearch(url: &str) -> Command {
    let mut command = Command::new("ldapsearch");
    command
        .env("LDAPTLS_CACERT", file("ca.pem"))
        .env("LDAPTLS_REQCERT", "demand")
        .args(["-x", "-ZZ", "-H", url, "-D", "cn=admin", "-w", "secret"])
        .args(["-b", "dc=example,dc=com", "-s", "base"]);
    command
}

#[test]
fn ldapsearch_to_our_server() {
    let server = Server::of("ldap", &[]);
    let port = server.port;
    must_say(
        &mut ldapsearch(&format!("ldap://127.0.0.1:{port}")),
        &["dc: example", "result: 0 Success"],
    );
    // 127.0.0.2 leads to the same server on this machine, and is not in the certificate.
    let server = Server::of("ldap", &["--listen", "127.0.0.2:0"]);
    let port = server.port;
    must_fail(
        ldapsearch(&format!("ldap://127.0.0.2:{port}")).args(["-d", "1"]),
        "does not match",
    );
}

#[test]
fn python_ldap3_to_our_server() {
    let server = Server::of("ldap", &[]);
    must_say(
        peers_python("ldap3_client.py")
            .args(["--port", &server.port.to_string(), "--cafile"])
            .arg(file("ca.pem")),
        &["TLSv1.3", "dc=example,dc=com"],
    );
}
