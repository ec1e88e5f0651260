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

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, UntrustedText,
    rustls,
};

use crate::fields::{Fields, take};
use crate::line::malformed;

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

/// What the server's greeting said, in plaintext.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Greeting {
    /// The server's version. MariaDB puts `5.5.5-` in front of its own.
    pub server_version: UntrustedText,
    /// The connection id, as in `KILL`.
    pub connection_id: u32,
    /// The random bytes that a password is hashed with: 20, without the NUL behind them.
    pub scramble: Vec<u8>,
    /// The capability flags; [`CLIENT_SSL`] is among them.
    pub capabilities: u32,
    /// MariaDB's further capability flags, 0 from MySQL.
    pub mariadb_capabilities: u32,
    /// The default character set and collation.
    pub character_set: u8,
    /// The status flags.
    pub status: u16,
    /// The authentication plugin that the server begins with.
    pub auth_plugin: UntrustedText,
}

impl Greeting {
    /// The payload of a greeting, behind its version byte.
    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        let server_version = UntrustedText::new(fields.until_nul()?);
        let connection_id = u32::from_le_bytes(fields.array()?);
        let mut scramble = fields.bytes(8)?.to_vec();
        fields.u8()?;
        let [low, lower] = fields.array()?;
        let character_set = fields.u8()?;
        let status = u16::from_le_bytes(fields.array()?);
        let [upper, high] = fields.array()?;
        let capabilities = u32::from_le_bytes([low, lower, upper, high]);
        let scramble_length = usize::from(fields.u8()?);
        fields.bytes(6)?;
        let mariadb = fields.array()?;
        // "length of auth-plugin-data-part-2 (max. 13)": at least 13 bytes, the last of them a NUL
        let rest = fields.bytes(scramble_length.saturating_sub(8).max(13))?;
        scramble.extend(rest.iter().take_while(|byte| **byte != 0));
        // Some servers leave the NUL behind the plugin's name out.
        let auth_plugin = fields.until_nul().unwrap_or(fields.rest());
        Some(Self {
            server_version,
            connection_id,
            scramble,
            capabilities,
            // With CLIENT_MYSQL (1) these four bytes are filler.
            mariadb_capabilities: if capabilities & LONG_PASSWORD == 0 {
                u32::from_le_bytes(mariadb)
            } else {
                0
            },
            character_set,
            status,
            auth_plugin: UntrustedText::new(auth_plugin),
        })
    }
}

/// The client's part: the greeting, SSLRequest, and no answer.
///
/// ```no_run
/// # fn plain() -> starttls_core::Plain { unimplemented!() }
/// use starttls_core::Negotiator;
/// use starttls_protocols::mysql;
///
/// let mut client = mysql::Client::new();
/// let progress = client.advance(&mut plain())?; // or any `upgrade` with `&mut client`
/// if let Some(greeting) = client.greeting() {
///     println!("{} bytes of scramble for {:?}", greeting.scramble.len(), greeting.auth_plugin);
/// }
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    request: SslRequest,
    greeting: Option<Greeting>,
    at_command: bool,
}

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

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self {
            request: SslRequest {
                capabilities: LONG_PASSWORD
                    | LONG_FLAG
                    | TRANSACTIONS
                    | PROTOCOL_41
                    | SECURE_CONNECTION
                    | PLUGIN_AUTH,
                max_packet_size: MAX_PACKET,
                character_set: UTF8MB4,
            },
            greeting: None,
            at_command: false,
        }
    }

    /// The caller has consumed a greeting that has [`CLIENT_SSL`]: only SSLRequest is left.
    pub fn at_command() -> Self {
        Self {
            at_command: true,
            ..Self::new()
        }
    }

    /// The capability flags to ask with, which HandshakeResponse must repeat. What the protocol needs is added, and what the server
    /// has not announced is taken out.
    #[must_use]
    pub fn capabilities(mut self, flags: u32) -> Self {
        self.request.capabilities = flags;
        self
    }

    /// The character set to ask with.
    #[must_use]
    pub fn character_set(mut self, character_set: u8) -> Self {
        self.request.character_set = character_set;
        self
    }

    /// The largest packet to take.
    #[must_use]
    pub fn max_packet_size(mut self, size: u32) -> Self {
        self.request.max_packet_size = size;
        self
    }

    /// What the server's greeting said, once it is there.
    pub fn greeting(&self) -> Option<&Greeting> {
        self.greeting.as_ref()
    }

    /// What was asked with, to be repeated in HandshakeResponse.
    pub fn request(&self) -> SslRequest {
        let needed = CLIENT_SSL | PROTOCOL_41 | SECURE_CONNECTION;
        let offered = self
            .greeting
            .as_ref()
            .map_or(u32::MAX, |greeting| greeting.capabilities);
        SslRequest {
            capabilities: (self.request.capabilities & offered) | needed,
            ..self.request
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.at_command {
            let Some(payload) = next_packet(plain, 0, "greeting")? else {
                return Ok(Progress::NeedInput);
            };
            self.greeting = Some(understand(&payload)?);
        }
        plain.write_all(&self.request().packet(1))?;
        Ok(Progress::Done(Boundary::Exact))
    }
}

fn understand(payload: &[u8]) -> Result<Greeting, Error> {
    let mut fields = Fields::new(payload);
    match fields.u8() {
        Some(10) => {}
        // ERR instead of a greeting: too many connections, host not allowed. The connection is over.
        Some(0xff) => {
            let code = fields.array().map(u16::from_le_bytes);
            return Err(
                Misbehaviour::Goodbye(Refusal::new(code.map(u32::from), fields.rest())).into(),
            );
        }
        Some(version) => {
            return Err(Misbehaviour::Unexpected(Refusal::new(u32::from(version), b"")).into());
        }
        None => return Err(malformed("greeting", payload)),
    }
    let greeting = Greeting::parse(fields).ok_or_else(|| malformed("greeting", payload))?;
    // A server before 4.1 has TLS, if at all, with another SSLRequest.
    if greeting.capabilities & CLIENT_SSL == 0 || greeting.capabilities & PROTOCOL_41 == 0 {
        return Err(Error::NotOffered);
    }
    Ok(greeting)
}

/// The server's part: a greeting of the caller's, and SSLRequest.
///
/// What follows the request goes to TLS ([`Boundary::Pipelined`]).
#[derive(Debug)]
pub struct Server {
    version: String,
    connection_id: u32,
    scramble: [u8; 20],
    auth_plugin: String,
    capabilities: u32,
    character_set: u8,
    state: ServerState,
    request: Option<SslRequest>,
}

#[derive(Debug, Clone, Copy)]
enum ServerState {
    Start,
    Request,
    Done,
}

impl Server {
    /// From the greeting on. `scramble` is 20 random bytes other than NUL, made for this connection; what the client later proves
    /// with it is the caller's to check. The plugin named is `mysql_native_password`.
    pub fn new(version: impl Into<String>, connection_id: u32, scramble: [u8; 20]) -> Self {
        Self {
            version: version.into(),
            connection_id,
            scramble,
            auth_plugin: "mysql_native_password".to_owned(),
            capabilities: LONG_PASSWORD | LONG_FLAG | CONNECT_WITH_DB | TRANSACTIONS,
            character_set: UTF8MB4,
            state: ServerState::Start,
            request: None,
        }
    }

    /// The caller has greeted and has just consumed the SSLRequest. There is no go-ahead: nothing is left but the switch.
    pub fn at_command() -> Self {
        Self {
            state: ServerState::Done,
            ..Self::new("", 0, [1; 20])
        }
    }

    /// The capability flags of the greeting; those that TLS and plugins need are added.
    #[must_use]
    pub fn capabilities(mut self, flags: u32) -> Self {
        self.capabilities = flags;
        self
    }

    /// The authentication plugin named in the greeting.
    #[must_use]
    pub fn auth_plugin(mut self, name: impl Into<String>) -> Self {
        self.auth_plugin = name.into();
        self
    }

    /// What the client asked with, once it has.
    pub fn request(&self) -> Option<SslRequest> {
        self.request
    }

    fn greeting(&self) -> Result<Vec<u8>, Error> {
        let names = [&self.version, &self.auth_plugin];
        if names.iter().any(|name| name.contains('\0')) {
            return Err(Misuse::Configuration("a NUL in the version or the plugin's name").into());
        }
        // Clients take the scramble for a string.
        if self.scramble.contains(&0) {
            return Err(Misuse::Configuration("a NUL in the scramble").into());
        }
        let flags = self.capabilities | CLIENT_SSL | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
        let [low, lower, upper, high] = flags.to_le_bytes();
        let (first, second) = self.scramble.split_at_checked(8).unwrap_or_default();
        let autocommit = [2, 0];
        let payload = [
            &[10],
            self.version.as_bytes(),
            &[0],
            &self.connection_id.to_le_bytes(),
            first,
            &[0, low, lower, self.character_set],
            &autocommit,
            &[upper, high, 21],
            &[0; 10],
            second,
            &[0],
            self.auth_plugin.as_bytes(),
            &[0],
        ]
        .concat();
        Ok(packet(0, &payload))
    }

    /// The client's first packet: SSLRequest, or the HandshakeResponse of a client that does not want TLS.
    fn react(&mut self, payload: &[u8], plain: &mut Plain) -> Result<Progress, Error> {
        // No sample: a HandshakeResponse may have a password in it.
        let request = SslRequest::parse(payload).ok_or_else(|| malformed("SSLRequest", b""))?;
        if request.capabilities & CLIENT_SSL == 0 {
            plain.write_all(&secure_transport_required())?;
            return Err(Refusal::new(None, b"HandshakeResponse").into());
        }
        if payload.len() != SslRequest::LENGTH || request.capabilities & PROTOCOL_41 == 0 {
            return Err(malformed("SSLRequest", b""));
        }
        self.request = Some(request);
        Ok(Progress::Done(Boundary::Pipelined))
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        match self.state {
            ServerState::Start => {
                plain.write_all(&self.greeting()?)?;
                self.state = ServerState::Request;
            }
            ServerState::Done => return Ok(Progress::Done(Boundary::Pipelined)),
            ServerState::Request => {}
        }
        match next_packet(plain, 1, "SSLRequest")? {
            Some(payload) => self.react(&payload, plain),
            None => Ok(Progress::NeedInput),
        }
    }
}

/// ER_SECURE_TRANSPORT_REQUIRED.
fn secure_transport_required() -> Vec<u8> {
    let code = 3159_u16.to_le_bytes();
    let payload = [
        &[0xff],
        &code[..],
        b"#HY000Connections using insecure transport are prohibited",
    ];
    packet(2, &payload.concat())
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
        return Err(Misbehaviour::TooLong {
            what,
            limit: MAX_PAYLOAD,
        }
        .into());
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
