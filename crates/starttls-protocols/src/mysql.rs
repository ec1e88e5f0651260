//! MySQL and MariaDB, connection phase with handshake version 10 ([protocol documentation]).
//!
//! There is no go-ahead: the server greets, the client sends SSLRequest and its ClientHello behind it. So the server must hand over what follows the
//! 36 bytes to TLS, and the client must not find a byte behind the greeting.
//!
//! The greeting is not said again: the scramble, the capabilities and the name of the authentication plugin in it are what the client needs inside
//! TLS for its HandshakeResponse, whose sequence id is [`NEXT_SEQUENCE`]. The caller takes them with [`Client::greeting`], and knows that
//! anybody on the path may have written them: a choice between sending a password and answering a scramble must not hang on them alone. It is there as well
//! when the server does not offer TLS: the HandshakeResponse of a client that goes on without has the sequence id 1.
//!
//! MariaDB has capability flags of its own ([`Greeting::mariadb_capabilities`]). It takes those of the client from SSLRequest, and not from HandshakeResponse.
//!
//! [protocol documentation]: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html

use starttls_core::{Error, Misbehaviour, Plain, Refusal};

use crate::read::fields::{Fields, is_text};
use crate::read::misbehaviour::{malformed, too_long};

mod client;
pub use client::Client;

mod greeting;
pub use greeting::Greeting;

mod server;
pub use server::Server;

/// The sequence id of the first packet inside TLS, the client's HandshakeResponse.
pub const NEXT_SEQUENCE: u8 = 2;

/// Capability flag: HandshakeResponse may name a database.
const CONNECT_WITH_DB: u32 = 0x0008;
/// Capability flag: the protocol since 4.1, with the 32-byte SSLRequest.
const PROTOCOL_41: u32 = 0x0200;
/// Capability flag: TLS.
pub const CLIENT_SSL: u32 = 0x0800;
/// Capability flag: a scramble of 20 bytes.
const SECURE_CONNECTION: u32 = 0x8000;
/// Capability flag: the authentication plugin is named.
const PLUGIN_AUTH: u32 = 0x0008_0000;
/// Capability flag, once of long passwords: not MariaDB, and no flags of MariaDB are there.
pub const CLIENT_MYSQL: u32 = 0x0001;
const LONG_FLAG: u32 = 0x0004;
const TRANSACTIONS: u32 = 0x2000;

/// utf8mb4_general_ci, which MySQL and MariaDB both know.
const UTF8MB4: u8 = 45;
/// What the client announces as the largest packet, the default of the servers.
const MAX_PACKET: u32 = 16 * 1024 * 1024;
/// The longest greeting or client packet taken. Greetings have about 100 bytes, an error packet up to 512, a HandshakeResponse with
/// all its attributes seldom more than 1,000.
const MAX_PAYLOAD: usize = 8 * 1024;
/// Three bytes of length, and the sequence id.
const HEADER: usize = 4;
/// What the payload of an ERR packet begins with.
const ERR: u8 = 0xff;

/// The fields of an SSLRequest; HandshakeResponse begins with the same ones again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SslRequest {
    /// The client's capability flags.
    pub capabilities: u32,
    /// The largest packet that the client takes.
    pub max_packet_size: u32,
    /// Its character set.
    pub character_set: u8,
    /// MariaDB's further capability flags, 0 with [`CLIENT_MYSQL`].
    pub mariadb_capabilities: u32,
}

impl SslRequest {
    const LENGTH: usize = 32;

    fn packet(&self, sequence: u8) -> Vec<u8> {
        let mut payload = Vec::with_capacity(Self::LENGTH);
        payload.extend(self.capabilities.to_le_bytes());
        payload.extend(self.max_packet_size.to_le_bytes());
        payload.push(self.character_set);
        payload.resize(Self::LENGTH.saturating_sub(4), 0);
        payload.extend(self.mariadb_capabilities.to_le_bytes());
        packet(sequence, &payload)
    }

    /// Exactly one, of the protocol since 4.1.
    fn parse(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(payload);
        let capabilities = u32::from_le_bytes(fields.array()?);
        let max_packet_size = u32::from_le_bytes(fields.array()?);
        let character_set = fields.u8()?;
        fields.bytes(19)?;
        let mariadb_capabilities = u32::from_le_bytes(fields.array()?);
        let is_one = fields.rest().is_empty()
            && capabilities & (CLIENT_SSL | PROTOCOL_41) == CLIENT_SSL | PROTOCOL_41;
        is_one.then_some(Self {
            capabilities,
            max_packet_size,
            character_set,
            mariadb_capabilities: if capabilities & CLIENT_MYSQL == 0 {
                mariadb_capabilities
            } else {
                0
            },
        })
    }
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_le_bytes();
    [&[low, middle, high, sequence], payload].concat()
}

/// An ERR packet of the protocol since 4.1, which is the second one of a connection, or the third.
fn err_packet(sequence: u8, code: u16, state: &str, message: &str) -> Vec<u8> {
    let payload = [
        &[ERR],
        &code.to_le_bytes()[..],
        b"#",
        state.as_bytes(),
        message.as_bytes(),
    ];
    packet(sequence, &payload.concat())
}

/// What an ERR packet says: code, SQLSTATE (not before 4.1, nor from new servers to a client that they know nothing of) and words.
fn err_refusal(payload: &[u8]) -> Option<Refusal> {
    let mut fields = Fields::new(payload);
    let (ERR, code) = (fields.u8()?, fields.array().map(u16::from_le_bytes)) else {
        return None;
    };
    let code = code.map(u32::from);
    Some(match fields.rest().split_at_checked(6) {
        Some(([b'#', state @ ..], message)) => Refusal::new(code, message).state(state),
        _ => Refusal::new(code, fields.rest()),
    })
}

/// Payload length and sequence id of the next packet, whose header is not consumed.
fn next_header(plain: &Plain, what: &'static str) -> Result<Option<(usize, u8)>, Error> {
    let Some(header @ [low, middle, high, id]) = plain.peek().first_chunk().copied() else {
        return Ok(None);
    };
    // The header of a TLS record is that of a packet too long: it needs no other sign.
    if let [0x15 | 0x16, 0x03, 1..=0xff, _] = header {
        return Err(Misbehaviour::TlsTooEarly.into());
    }
    if is_text(&header) {
        return Err(malformed(what, &header));
    }
    let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
    if length > MAX_PAYLOAD {
        return Err(too_long(what, MAX_PAYLOAD));
    }
    Ok(Some((length, id)))
}

/// The payload of the packet of this length, consumed; `None` if it is not complete.
fn take_payload(plain: &mut Plain, length: usize) -> Option<Vec<u8>> {
    let end = length.saturating_add(HEADER);
    let payload = plain.peek().get(HEADER..end)?.to_vec();
    plain.consume(end);
    Some(payload)
}

fn wrong_sequence(plain: &Plain) -> Error {
    malformed(
        "sequence id",
        plain.peek().get(..HEADER).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use starttls_core::{Boundary, Negotiator, Progress, Untrusted};

    use super::*;

    #[test]
    fn the_greeting_survives_for_the_caller() {
        let mut server = Server::new("8.0.36", 7, *b"ABCDEFGHIJKLMNOPQRST")
            .auth_plugin("caching_sha2_password")
            .capabilities(0x0001_0001);
        let mut of_server = Plain::new();
        assert_eq!(server.advance(&mut of_server), Ok(Progress::NeedInput));
        let (_, sent) = of_server.into_parts();

        let mut client = Client::new().mariadb_capabilities(0xff);
        let mut plain = Plain::with_prefix(&sent);
        assert_eq!(
            client.advance(&mut plain),
            Ok(Progress::Done(Boundary::Exact))
        );
        let greeting = client.greeting().unwrap().into_inner();
        assert_eq!(greeting.server_version.as_bytes(), b"8.0.36");
        assert_eq!(greeting.connection_id, 7);
        assert_eq!(greeting.scramble, b"ABCDEFGHIJKLMNOPQRST");
        assert_eq!(greeting.capabilities, 0x0009_8a01);
        assert_eq!(greeting.mariadb_capabilities, 0);
        assert_eq!(greeting.auth_plugin.as_bytes(), b"caching_sha2_password");

        let (_, sent) = plain.into_parts();
        let mut of_server = Plain::with_prefix(&sent);
        assert_eq!(
            server.advance(&mut of_server),
            Ok(Progress::Done(Boundary::Pipelined))
        );
        assert_eq!(server.request(), Some(Untrusted::new(client.request())));
        assert_eq!(
            client.request().capabilities,
            0x0008_8a01,
            "only what both have"
        );
        assert_eq!(client.request().mariadb_capabilities, 0, "it is MySQL");
    }

    #[test]
    fn flags_of_mariadb_go_both_ways() {
        let mut server = Server::new("5.5.5-10.11.6-MariaDB", 7, *b"ABCDEFGHIJKLMNOPQRST")
            .mariadb_capabilities(0x1d);
        let mut plain = Plain::new();
        assert_eq!(server.advance(&mut plain), Ok(Progress::NeedInput));
        let (_, sent) = plain.into_parts();
        let mut client = Client::new().mariadb_capabilities(0x1c);
        let mut plain = Plain::with_prefix(&sent);
        let _ = client.advance(&mut plain).unwrap();
        let greeting = client.greeting().unwrap().into_inner();
        assert_eq!(greeting.mariadb_capabilities, 0x1d);
        assert_eq!(greeting.capabilities & CLIENT_MYSQL, 0);

        let (_, sent) = plain.into_parts();
        assert_eq!(sent[HEADER + 28..], [0x1c, 0, 0, 0]);
        let _ = server.advance(&mut Plain::with_prefix(&sent)).unwrap();
        let request = server.request().unwrap().into_inner();
        assert_eq!(request.mariadb_capabilities, 0x1c);
    }

    #[test]
    fn an_error_keeps_code_state_and_words() {
        let said = |payload: &[u8]| err_refusal(payload).unwrap();
        let refusal = said(b"\xff\x10\x04#08004Too many connections");
        assert_eq!(refusal.code, Some(1040));
        assert_eq!(refusal.state.unwrap().as_bytes(), b"08004");
        assert_eq!(refusal.text.as_bytes(), b"Too many connections");
        let old = said(b"\xff\x6a\x04Host");
        assert_eq!((old.code, old.state), (Some(1130), None));
        assert_eq!(said(b"\xff").code, None);
        assert_eq!(err_refusal(b"\x0a"), None);
    }
}
