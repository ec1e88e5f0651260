//! PostgreSQL's `SSLRequest` ([frontend/backend protocol], section "SSL Session Encryption").
//!
//! Nothing was said before TLS, so there is nothing to forget: the client begins with its StartupMessage inside TLS. A client must not
//! go on in plaintext after `N` unless its user allows that (`sslmode=prefer`), and must not show the text of an `E`: nobody has vouched for it.
//!
//! A client that begins with TLS at once (PostgreSQL 17, `sslnegotiation=direct`, ALPN `postgresql`) needs no negotiation; a server finds it
//! as [`TlsTooEarly`](starttls_core::Misbehaviour::TlsTooEarly) here, and before anything is consumed by looking at the first byte.
//!
//! [frontend/backend protocol]: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL

mod client;
pub use client::Client;

mod server;
pub use server::{CancelRequest, Server};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

#[cfg(test)]
mod tests {
    use starttls_core::{Error, Negotiator, Plain};

    use super::*;

    #[test]
    fn the_refusal_of_our_server_is_read_by_our_client() {
        let mut server = Server::new();
        let mut plain = Plain::with_prefix(b"\0\0\0\x09\0\x03\0\0\0");
        let Err(Error::Refused(refusal)) = server.advance(&mut plain) else {
            panic!("not refused");
        };
        assert_eq!(refusal.code, Some(0x0003_0000), "the protocol's version");
        assert!(refusal.ends_connection);

        let (_, said) = plain.into_parts();
        let mut plain = Plain::with_prefix(&said);
        let Err(Error::Refused(refusal)) = Client::new().advance(&mut plain) else {
            panic!("not refused");
        };
        assert_eq!(refusal.code, Some(28000));
        assert_eq!(refusal.state.unwrap().as_bytes(), b"28000");
        assert!(refusal.ends_connection && !refusal.text.is_empty());
    }
}
