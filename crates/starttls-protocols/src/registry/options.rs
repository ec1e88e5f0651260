use std::fmt;
use std::net::SocketAddr;

use crate::tunnel::Credentials;
use crate::vencrypt::Subtype;

/// What the clients of [`Protocol::client`](crate::registry::Protocol::client) are to say. Each protocol takes of it what it needs.
///
/// `Debug` does not show the password.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) own_name: Option<String>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) addresses: Option<(SocketAddr, SocketAddr)>,
    pub(crate) program: (u32, u32),
    pub(crate) subtypes: Vec<Subtype>,
}

impl ClientOptions {
    /// To this host: the domain of XMPP, what the Host header of HTTP says, and where a tunnel shall lead to.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: None,
            own_name: None,
            credentials: None,
            addresses: None,
            // NFS version 4 (RFC 7530).
            program: (100_003, 4),
            subtypes: Subtype::ALL.to_vec(),
        }
    }

    /// The port of that host. Tunnels need it.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Our own name: what EHLO says, and the domain that a server of XMPP comes from. A host without one says the address that it comes from, in
    /// brackets (RFC 5321 section 4.1.4); if nothing is set, EHLO says `[127.0.0.1]`, and XMPP `localhost`.
    #[must_use]
    pub fn own_name(mut self, name: impl Into<String>) -> Self {
        self.own_name = Some(name.into());
        self
    }

    pub(crate) fn own_name_or<'a>(&'a self, otherwise: &'a str) -> &'a str {
        self.own_name.as_deref().unwrap_or(otherwise)
    }

    /// For the proxies in front: they are sent in plaintext there. No other protocol says them before TLS.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::new(user, password));
        self
    }

    /// Source and destination for a PROXY header; without them it says that they are not known.
    #[must_use]
    pub fn addresses(mut self, source: SocketAddr, destination: SocketAddr) -> Self {
        self.addresses = Some((source, destination));
        self
    }

    /// The program and the version that RPC calls: NFS version 4 if none is set.
    #[must_use]
    pub fn program(mut self, program: u32, version: u32) -> Self {
        self.program = (program, version);
        self
    }

    /// The subtypes of VeNCrypt, the best first: all that are possible if none are set.
    #[must_use]
    pub fn subtypes(mut self, subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        self.subtypes = subtypes.into_iter().collect();
        self
    }
}

/// What the servers of [`Protocol::server`](crate::registry::Protocol::server) are to say. Each protocol takes of it what it needs.
///
/// `Debug` shows neither the password nor the random bytes.
#[derive(Clone)]
pub struct ServerOptions {
    pub(crate) own_name: String,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) random: Option<[u8; 20]>,
    pub(crate) optional: bool,
    pub(crate) subtypes: Vec<Subtype>,
}

impl ServerOptions {
    /// This server's own name, as greetings have it, and the domain of XMPP.
    pub fn new(own_name: impl Into<String>) -> Self {
        Self {
            own_name: own_name.into(),
            credentials: None,
            random: None,
            optional: false,
            subtypes: Subtype::ALL.to_vec(),
        }
    }

    /// What the clients of a tunnel must know.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::new(user, password));
        self
    }

    /// TLS is offered and not demanded: a client that goes on without is [`NotRequested`](starttls_core::Error::NotRequested), and the
    /// connection stands in front of what it says instead. Anybody on the path can make a client look so.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Random bytes of this connection, which MySQL and XMPP need: the scramble that a client of MySQL proves its password with, and
    /// the id of the stream. Nothing here makes them, and nobody must be able to guess them.
    #[must_use]
    pub fn random(mut self, bytes: [u8; 20]) -> Self {
        self.random = Some(bytes);
        self
    }

    /// The subtypes of VeNCrypt, the best first: all that are possible if none are set.
    #[must_use]
    pub fn subtypes(mut self, subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        self.subtypes = subtypes.into_iter().collect();
        self
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("own_name", &self.own_name)
            .field("credentials", &self.credentials)
            .field("optional", &self.optional)
            .field("subtypes", &self.subtypes)
            .finish_non_exhaustive()
    }
}
