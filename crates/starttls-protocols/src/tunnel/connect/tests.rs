use starttls_core::{Boundary, Error, Negotiator, Phase, Plain, Progress};

use super::{Client, RequestReader, Server};
use crate::tunnel::Login;

const CONNECT: &[u8] = b"CONNECT [2001:db8::1]:25 HTTP/1.1\r\nHost: a\r\n\r\n";

fn target(server: &Server) -> Option<String> {
    server.target().map(|target| target.get().to_string())
}

#[test]
fn the_target_is_handed_over() {
    let mut server = Server::new().permit(|target| target.port == 25);
    assert_eq!(
        server.advance(&mut Plain::with_prefix(CONNECT)),
        Ok(Progress::Done(Boundary::Exact))
    );
    assert_eq!(target(&server).as_deref(), Some("[2001:db8::1]:25"));

    let mut server = Server::new().permit(|target| target.port == 443);
    let error = server.advance(&mut Plain::with_prefix(CONNECT));
    assert!(
        matches!(&error, Err(Error::TunnelRefused(refusal)) if refusal.code == Some(403)),
        "{error:?}"
    );
    assert_eq!(target(&server), None);
}

#[test]
fn a_way_that_was_made_or_not_is_answered_so() {
    let mut reader = RequestReader::new();
    let mut plain = Plain::with_prefix(CONNECT);
    let asked = plain.negotiate(&mut reader);
    assert_eq!(asked, Ok(Progress::Done(Boundary::Exact)));
    assert!(!plain.has_output(), "not answered yet");

    let mut accepted = plain;
    let done = accepted.negotiate(&mut reader.accept());
    assert_eq!(done, Ok(Progress::Done(Boundary::Exact)));
    assert!(accepted.into_parts().1.starts_with(b"HTTP/1.1 200 "));

    let mut refused = Plain::new();
    let error = refused.negotiate(&mut reader.refuse(504)).unwrap_err();
    let Error::TunnelRefused(refusal) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (refusal.code, refusal.text.escaped()),
        (Some(504), "[2001:db8::1]:25".to_owned())
    );
    assert!(!error.is_declined() && !error.to_string().contains("TLS"));
    assert!(
        refused
            .into_parts()
            .1
            .starts_with(b"HTTP/1.1 504 Gateway Timeout\r\n")
    );
    assert!(Plain::new().negotiate(&mut reader.refuse(200)).is_err());
}

#[test]
fn the_caller_decides_who_is_known() {
    let server = || {
        Server::new().authenticate(|login| match login {
            Login::Password { user, .. } => *user == b"me",
            Login::Bearer(token) => *token == b"abc",
            Login::UserId(_) => false,
        })
    };
    for (authorization, user) in [("Basic bWU6eA==", Some("me")), ("bearer abc", None)] {
        let request =
            format!("CONNECT a:1 HTTP/1.0\r\nProxy-Authorization: {authorization}\r\n\r\n");
        let mut server = server();
        let done = server.advance(&mut Plain::with_prefix(request.as_bytes()));
        assert_eq!(done, Ok(Progress::Done(Boundary::Exact)), "{authorization}");
        assert_eq!(server.user(), user);
    }
    let request = b"CONNECT a:1 HTTP/1.0\r\nProxy-Authorization: Bearer abcd\r\n\r\n";
    assert!(server().advance(&mut Plain::with_prefix(request)).is_err());
}

#[test]
fn the_password_is_in_no_debug_output() {
    let client = Client::new("a", 1)
        .basic_auth("me", "secret")
        .header("X-Token", "secret");
    let bearer = Client::new("a", 1).bearer_auth("secret");
    let mut server = Server::new().basic_auth("me", "secret");
    let request = b"CONNECT a:1 HTTP/1.0\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n";
    assert!(server.advance(&mut Plain::with_prefix(request)).is_ok());
    let shown = format!("{client:?}{bearer:?}{server:?}");
    assert!(
        !shown.contains("secret") && !shown.contains("bWU6c2VjcmV0"),
        "{shown}"
    );
    let mut plain = Plain::with_prefix(
        b"CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic c2VjcmV0\r\n(\r\n\r\n",
    );
    let error = Server::new().advance(&mut plain);
    assert!(
        error.is_err() && !format!("{error:?}").contains("c2VjcmV0"),
        "{error:?}"
    );
}
