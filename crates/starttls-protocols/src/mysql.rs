//! MySQL and MariaDB, connection phase with handshake version 10 ([protocol documentation]).
//!
//! There is no go-ahead: the server greets, the client sends SSLRequest and its ClientHello behind it. So the server must hand over what follows the
//! 36 bytes to TLS, and the client must not find a byte behind the greeting.
//!
//! The greeting is not said again: the scramble, the capabilities and the name of the authentication plugin in it are what the client needs inside
//! TLS for its HandshakeResponse, whose sequence id is [`NEXT_SEQUENCE`]. The caller takes them with [`Client::greeting`], and knows that
//! anybody on the path may have written them: a choice between sending a password and answering a scramble must not hang on them alone.
//!
//! [protocol documentation]: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html

use starttls_core::{Error, Misbehaviour, Plain};

use crate::read::fields::{Fields, take};
use crate::read::misbehaviour::{malformed, too_long};

mod client;
pub use client::{Client, Greeting};

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
const LONG_PASSWORD: u32 = 0x0001;
const LONG_FLAG: u32 = 0x0004;
const TRANSACTIONS: u32 = 0x2000;

/// utf8mb4_general_ci, which MySQL and MariaDB both know.
const UTF8MB4: u8 = 45;
/// What the client announces as the largest packet, the default of the servers.
const MAX_PACKET: u32 = 16 * 1024 * 1024;
/// The longest greeting or client packet taken. Greetings have about 100 bytes, an error packet up to 512, a HandshakeResponse with
/// all its attributes seldom more than 1,000.
const MAX_PAYLOAD: usize = 8 * 1024;

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
}

impl SslRequest {
    const LENGTH: usize = 32;

    fn packet(&self, sequence: u8) -> Vec<u8> {
        let mut payload = Vec::with_capacity(Self::LENGTH);
        payload.extend(self.capabilities.to_le_bytes());
        payload.extend(self.max_packet_size.to_le_bytes());
        payload.push(self.character_set);
        payload.resize(Self::LENGTH, 0);
        packet(sequence, &payload)
    }

    fn parse(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(payload);
        Some(Self {
            capabilities: u32::from_le_bytes(fields.array()?),
            max_packet_size: u32::from_le_bytes(fields.array()?),
            character_set: fields.u8()?,
        })
    }
}

fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = u32::try_from(payload.len())
        .unwrap_or_default()
        .to_le_bytes();
    [&[low, middle, high, sequence], payload].concat()
}

/// The payload of the next packet, which must have this sequence id.
fn next_packet(
    plain: &mut Plain,
    sequence: u8,
    what: &'static str,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(header @ [low, middle, high, id]) = plain.peek().first_chunk().copied() else {
        return Ok(None);
    };
    // The header of a TLS record is that of a packet too long: it needs no other sign.
    if let [0x15 | 0x16, 0x03, 1..=0xff, _] = header {
        return Err(Misbehaviour::TlsTooEarly.into());
    }
    let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
    if length > MAX_PAYLOAD {
        return Err(too_long(what, MAX_PAYLOAD));
    }
    if id != sequence {
        return Err(malformed("sequence id", &header));
    }
    let Some(mut packet) = take(plain, length.saturating_add(header.len())) else {
        return Ok(None);
    };
    Ok(Some(packet.split_off(header.len().min(packet.len()))))
}

#[cfg(test)]
mod tests {
    use starttls_core::{Boundary, Negotiator, Progress};

    use super::*;

    #[test]
    fn the_greeting_survives_for_the_caller() {
        let mut server = Server::new("8.0.36", 7, *b"ABCDEFGHIJKLMNOPQRST")
            .auth_plugin("caching_sha2_password")
            .capabilities(0x0001_0001);
        let mut of_server = Plain::new();
        assert_eq!(server.advance(&mut of_server), Ok(Progress::NeedInput));
        let (_, sent) = of_server.into_parts();

        let mut client = Client::new();
        let mut plain = Plain::with_prefix(&sent);
        assert_eq!(
            client.advance(&mut plain),
            Ok(Progress::Done(Boundary::Exact))
        );
        let greeting = client.greeting().unwrap();
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
        assert_eq!(server.request(), Some(client.request()));
        assert_eq!(
            client.request().capabilities,
            0x0008_8a01,
            "only what both have"
        );
    }

    #[test]
    fn flags_of_mariadb_are_read_where_it_has_them() {
        let payload = [
            &b"5.5.5-10.11.6-MariaDB\0\x01\0\0\0ABCDEFGH\0\xfe\xff\x2d\x02\0\xff\x81\x15"[..],
            &[0; 6],
            &[0x1d, 0, 0, 0],
            b"IJKLMNOPQRST\0mysql_native_password",
        ];
        let greeting = Greeting::parse(Fields::new(&payload.concat())).unwrap();
        assert_eq!(greeting.mariadb_capabilities, 0x1d);
        assert_eq!(greeting.status, 2);
        assert_eq!(
            greeting.auth_plugin.as_bytes(),
            b"mysql_native_password",
            "without its NUL"
        );
    }
}
