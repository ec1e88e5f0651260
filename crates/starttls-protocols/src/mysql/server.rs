use starttls_core::rustls::ServerConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted};

use super::{
    CLIENT_MYSQL, CLIENT_SSL, CONNECT_WITH_DB, HEADER, LONG_FLAG, PLUGIN_AUTH, PROTOCOL_41,
    SECURE_CONNECTION, SslRequest, TRANSACTIONS, UTF8MB4, err_packet, next_header, packet,
    take_payload, wrong_sequence,
};
use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::misbehaviour::{is_broken_plaintext, malformed};

/// The server's part: a greeting of the caller's, and SSLRequest.
///
/// What follows the request goes to TLS ([`Boundary::Pipelined`]). A client that logs in without is told that TLS is required, unless it is
/// [`optional`](Self::optional).
///
/// ```
/// use starttls_core::{Error, Negotiator, Phase, Plain, Progress};
/// use starttls_protocols::mysql::Server;
///
/// let mut server = Server::new("8.0.0-example", 7, *b"ABCDEFGHIJKLMNOPQRST").optional();
/// let mut plain = Plain::new();
/// assert_eq!(server.advance(&mut plain)?, Progress::NeedInput);
/// // The beginning of a HandshakeResponse, without CLIENT_SSL: the connection stands in front of it.
/// assert_eq!(plain.handle_input(b"\x50\0\0\x01\x85\xa6"), 6);
/// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
/// assert_eq!(plain.peek().len(), 6);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Server {
    version: String,
    connection_id: u32,
    scramble: [u8; 20],
    auth_plugin: String,
    capabilities: u32,
    mariadb_capabilities: u32,
    character_set: u8,
    dialogue: Dialogue<Requests>,
    request: Option<SslRequest>,
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
            capabilities: CLIENT_MYSQL | LONG_FLAG | CONNECT_WITH_DB | TRANSACTIONS,
            mariadb_capabilities: 0,
            character_set: UTF8MB4,
            dialogue: Dialogue::unbegun(Requests { optional: false }),
            request: None,
        }
    }

    /// The caller has greeted and has just consumed the SSLRequest. There is no go-ahead: nothing is left but the switch.
    pub fn at_command() -> Self {
        let done = Step::Done(Boundary::Pipelined);
        Self {
            dialogue: Dialogue::new(Requests { optional: false }, done),
            ..Self::new("", 0, [1; 20])
        }
    }

    /// TLS is offered and not demanded: a client that does not ask for it is [`Error::NotRequested`], and the connection stands in front of its
    /// HandshakeResponse.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.dialogue.messages().optional = true;
        self
    }

    /// The capability flags of the greeting; those that TLS and plugins need are added.
    #[must_use]
    pub fn capabilities(mut self, flags: u32) -> Self {
        self.capabilities = flags;
        self
    }

    /// Greets as MariaDB does: with these further capability flags, and without [`CLIENT_MYSQL`].
    #[must_use]
    pub fn mariadb_capabilities(mut self, flags: u32) -> Self {
        self.mariadb_capabilities = flags;
        self
    }

    /// The authentication plugin named in the greeting.
    #[must_use]
    pub fn auth_plugin(mut self, name: impl Into<String>) -> Self {
        self.auth_plugin = name.into();
        self
    }

    /// What the client asked with, once it has.
    pub fn request(&self) -> Option<Untrusted<SslRequest>> {
        self.request.map(Untrusted::new)
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
        let needed = CLIENT_SSL | PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH;
        let mut flags = self.capabilities | needed;
        if self.mariadb_capabilities != 0 {
            flags &= !CLIENT_MYSQL;
        }
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
            &[0; 6],
            &self.mariadb_capabilities.to_le_bytes(),
            second,
            &[0],
            self.auth_plugin.as_bytes(),
            &[0],
        ]
        .concat();
        Ok(packet(0, &payload))
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.dialogue.has_begun() {
            let greeting = self.greeting()?;
            self.dialogue.begin(Step::say(greeting, ()));
        }
        let asked = &mut self.request;
        self.dialogue.advance(plain, |(), request| match request {
            Some(request) => {
                *asked = Some(*request);
                Ok(Step::Done(Boundary::Pipelined))
            }
            None => Ok(Step::fail(
                secure_transport_required(),
                Refusal::new(None, b"").ending(),
            )),
        })
    }

    /// ER_HANDSHAKE_ERROR.
    fn farewell(&self, error: &Error) -> Vec<u8> {
        match is_broken_plaintext(error) {
            true => err_packet(2, 1043, "08S01", "Bad handshake"),
            false => Vec::new(),
        }
    }
}

/// ER_SECURE_TRANSPORT_REQUIRED.
fn secure_transport_required() -> Vec<u8> {
    let message = "Connections using insecure transport are prohibited";
    err_packet(2, 3159, "HY000", message)
}

/// The client's first packet: SSLRequest, or `None` for the HandshakeResponse of a client that does not want TLS.
#[derive(Debug)]
struct Requests {
    optional: bool,
}

impl ReadMessages for Requests {
    type Message = Option<SslRequest>;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Option<SslRequest>>, Error> {
        let Some((length, sequence)) = next_header(plain, "SSLRequest")? else {
            return Ok(None);
        };
        if sequence != 1 {
            return Err(wrong_sequence(plain));
        }
        if length < 2 {
            return Err(malformed("SSLRequest", b""));
        }
        // The lower flags, which the protocol before 4.1 has too.
        let Some(flags) = plain
            .peek()
            .get(HEADER..)
            .and_then(|unread| unread.first_chunk())
        else {
            return Ok(None);
        };
        let asks = u32::from(u16::from_le_bytes(*flags)) & CLIENT_SSL != 0;
        if !asks && self.optional {
            return Err(Error::NotRequested);
        }
        let Some(payload) = take_payload(plain, length) else {
            return Ok(None);
        };
        if !asks {
            return Ok(Some(None));
        }
        // No sample: a HandshakeResponse may have a password in it. With CLIENT_SSL in a longer one, where TLS begins would be a matter of opinion.
        match SslRequest::parse(&payload) {
            Some(request) => Ok(Some(Some(request))),
            None => Err(malformed("SSLRequest", b"")),
        }
    }
}
