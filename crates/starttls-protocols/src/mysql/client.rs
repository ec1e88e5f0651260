use starttls_core::rustls::ClientConnection;
use starttls_core::{
    Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, UntrustedText,
};

use super::{
    CLIENT_SSL, LONG_FLAG, LONG_PASSWORD, MAX_PACKET, PLUGIN_AUTH, PROTOCOL_41, SECURE_CONNECTION,
    SslRequest, TRANSACTIONS, UTF8MB4, next_packet,
};
use crate::read::fields::Fields;
use crate::read::misbehaviour::malformed;

/// The client's part: the greeting, SSLRequest, and no answer.
///
/// ```no_run
/// # fn f(mut plain: starttls_core::Plain) -> Result<(), starttls_core::Error> {
/// use starttls_core::Negotiator;
/// use starttls_protocols::mysql;
///
/// let mut client = mysql::Client::new();
/// let progress = client.advance(&mut plain)?; // or any `upgrade` with `&mut client`
/// if let Some(greeting) = client.greeting() {
///     println!("{} bytes of scramble for {:?}", greeting.scramble.len(), greeting.auth_plugin);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Client {
    request: SslRequest,
    greeting: Option<Greeting>,
    at_command: bool,
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
            return Err(Error::Goodbye(Refusal::new(
                code.map(u32::from),
                fields.rest(),
            )));
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
    pub(super) fn parse(mut fields: Fields<'_>) -> Option<Self> {
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
