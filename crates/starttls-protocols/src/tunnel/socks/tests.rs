use std::net::Ipv4Addr;

use starttls_core::{Boundary, Error, Negotiator, Phase, Plain, Progress, Refusal};

use super::{RequestReader, Server};
use crate::tunnel::{Host, Login};

fn refused(code: u8, said: &[u8]) -> Error {
    Error::TunnelRefused(Refusal::new(u32::from(code), said).ending())
}

fn server(input: &[u8]) -> Server {
    let mut server = Server::new();
    let mut plain = Plain::with_prefix(input);
    assert_eq!(
        server.advance(&mut plain),
        Ok(Progress::Done(Boundary::Exact))
    );
    assert_eq!(plain.peek(), b"");
    server
}

fn target(server: &Server) -> String {
    server
        .target()
        .map(|target| target.get().to_string())
        .unwrap_or_default()
}

#[test]
fn the_target_is_handed_over() {
    let by_name = server(b"\x05\x01\0\x05\x01\0\x03\x0bexample.org\0\x19");
    assert_eq!(target(&by_name), "example.org:25");
    let by_name_of_address = server(b"\x05\x01\0\x05\x01\0\x03\x09127.0.0.1\0\x19");
    let address = Host::Ip(Ipv4Addr::LOCALHOST.into());
    let host = by_name_of_address
        .target()
        .map(|target| target.into_inner().host.clone());
    assert_eq!(host, Some(address));
    let socks_4 = server(b"\x04\x01\0\x19\xc0\0\x02\x01me\0");
    assert_eq!(
        (&target(&socks_4)[..], socks_4.user()),
        ("192.0.2.1:25", Some("me"))
    );
    let socks_4a = server(b"\x04\x01\0\x19\0\0\0\x01\0example.org\0");
    assert_eq!(
        (&target(&socks_4a)[..], socks_4a.user()),
        ("example.org:25", Some(""))
    );
}

#[test]
fn the_user_is_known_by_the_password_only() {
    let make = || Server::new().password("me", "secret");
    let mut server = make();
    let mut plain =
        Plain::with_prefix(b"\x05\x01\x02\x01\x02me\x06secret\x05\x01\0\x01\x7f\0\0\x01\0\x19");
    assert_eq!(
        server.advance(&mut plain),
        Ok(Progress::Done(Boundary::Exact))
    );
    assert_eq!(server.user(), Some("me"));
    let mut server = make();
    let mut plain = Plain::with_prefix(b"\x05\x01\x02\x01\x02me\x05secre");
    assert!(server.advance(&mut plain).is_err());
    assert!(server.user().is_none() && server.target().is_none());
    assert!(!format!("{server:?}").contains("secret"));
}

#[test]
fn the_caller_decides_who_is_known() {
    let make = || {
        Server::new().authenticate(|login| match login {
            Login::Password { user, password } => user == password,
            Login::UserId(user) => *user == b"me",
            Login::Bearer(_) => false,
        })
    };
    let outcome = |input: &[u8]| make().advance(&mut Plain::with_prefix(input)).is_ok();
    assert!(outcome(
        b"\x05\x01\x02\x01\x01a\x01a\x05\x01\0\x01\x7f\0\0\x01\0\x19"
    ));
    assert!(!outcome(
        b"\x05\x01\x02\x01\x01a\x01b\x05\x01\0\x01\x7f\0\0\x01\0\x19"
    ));
    assert!(outcome(b"\x04\x01\0\x19\xc0\0\x02\x01me\0"));
    assert!(!outcome(b"\x04\x01\0\x19\xc0\0\x02\x01you\0"));
}

#[test]
fn a_way_that_was_made_or_not_is_answered_so() {
    let read = |input: &[u8]| {
        let (mut reader, mut plain) = (RequestReader::new(), Plain::with_prefix(input));
        let asked = plain.negotiate(&mut reader);
        assert_eq!(asked, Ok(Progress::Done(Boundary::Exact)));
        reader
    };
    let said = |mut server: Server| {
        let mut plain = Plain::new();
        let outcome = plain.negotiate(&mut server);
        let mut sent = Vec::new();
        plain.poll_transmit(&mut sent);
        (sent, outcome)
    };
    let socks_5 = read(b"\x05\x01\0\x05\x01\0\x03\x01a\0\x19");
    let (sent, done) = said(socks_5.accept_from(([192, 0, 2, 7], 9).into()));
    assert_eq!(
        (&sent[..], done.is_ok()),
        (&b"\x05\0\0\x01\xc0\0\x02\x07\0\x09"[..], true)
    );
    let (sent, error) = said(socks_5.refuse(4));
    assert_eq!(sent, b"\x05\x04\0\x01\0\0\0\0\0\0");
    assert_eq!(error, Err(refused(4, b"a:25")));

    let socks_4 = read(b"\x04\x01\0\x19\xc0\0\x02\x01me\0");
    assert_eq!(said(socks_4.accept()).0, b"\0\x5a\0\0\0\0\0\0");
    let (sent, error) = said(socks_4.refuse(4));
    assert_eq!(sent, b"\0\x5b\0\0\0\0\0\0");
    assert_eq!(error, Err(refused(91, b"192.0.2.1:25")));
    assert!(said(socks_5.refuse(0)).1.is_err());
}
