use starttls_core::rustls::ServerConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Refusal};

use super::{
    CLIENT_SSL, CONNECT_WITH_DB, LONG_FLAG, LONG_PASSWORD, PLUGIN_AUTH, PROTOCOL_41,
    SECURE_CONNECTION, SslRequest, TRANSACTIONS, UTF8MB4, next_packet, packet,
};
use crate::read::misbehaviour::malformed;

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
