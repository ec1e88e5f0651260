//! Every protocol of this crate by name, and what differs between them as data.
//!
//! ```
//! use starttls_protocols::registry::{AfterTls, ClientOptions, Protocol};
//!
//! let protocol: Protocol = "smtp".parse()?;
//! assert_eq!(protocol.facts().port, Some(25));
//! assert_eq!(protocol.facts().after_tls, AfterTls::HelloAgain);
//!
//! let options = ClientOptions::new("mail.example.org").own_name("me.example.net");
//! let negotiator = protocol.client(&options)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::str::FromStr;

use rustls::{ClientConnection, ServerConnection};
use serde_json::json;
use starttls_core::{Error, Misuse, Negotiator, rustls};

mod facts;
pub use facts::{AfterTls, Facts, First, Role};

mod options;
pub use options::{ClientOptions, ServerOptions};

mod protocol;
pub use protocol::Protocol;

mod services;
pub use services::{Begin, Service};

use crate::tunnel::{Credentials, Tunnel};
use crate::{
    connect, ftp, http_upgrade, imap, irc, ldap, managesieve, munin, mysql, nats, nbd, nntp, nut,
    pop3, postgres, proxy, rdp, rpc, smtp, socks, telnet, vencrypt, xmpp,
};

impl Protocol {
    /// The client's dialogue, from its beginning.
    ///
    /// What it has learnt when it is done is not to be had from here: who needs that (the greeting of MySQL, the subtype of VeNCrypt)
    /// takes the module of the protocol.
    ///
    /// # Errors
    /// [`Misuse::Configuration`] if the options lack what the protocol needs: the port, for a tunnel.
    pub fn client(
        self,
        options: &ClientOptions,
    ) -> Result<Box<dyn Negotiator<Tls = ClientConnection> + Send>, Error> {
        let host = &options.host;
        Ok(match self {
            Self::Smtp => Box::new(smtp::Client::new(options.own_name_or(ADDRESS_LITERAL))),
            Self::Lmtp => Box::new(smtp::Client::lmtp(options.own_name_or(ADDRESS_LITERAL))),
            Self::Imap => Box::new(imap::Client::new()),
            Self::Pop3 => Box::new(pop3::Client::new()),
            Self::Nntp => Box::new(nntp::Client::new()),
            Self::Sieve => Box::new(managesieve::Client::new()),
            Self::Ftp => Box::new(ftp::Client::new()),
            Self::Xmpp => Box::new(xmpp::Client::new(host)),
            Self::XmppServer => Box::new(xmpp::Client::s2s(options.own_name_or("localhost"), host)),
            Self::Ldap => Box::new(ldap::Client::new()),
            Self::Postgres => Box::new(postgres::Client::new()),
            Self::Mysql => Box::new(mysql::Client::new()),
            Self::Irc => Box::new(irc::Client::new()),
            Self::Telnet => Box::new(telnet::Client::new()),
            Self::HttpUpgrade => Box::new(http_upgrade::Client::new(host)),
            Self::Nbd => Box::new(nbd::Client::new()),
            Self::Rpc => {
                let (program, version) = options.program;
                Box::new(rpc::Client::new(program, version))
            }
            Self::Vencrypt => Box::new(vencrypt::Client::new(options.subtypes.iter().copied())),
            // The default of Windows takes CredSSP only.
            Self::Rdp => Box::new(rdp::Client::new(
                rdp::Protocols::TLS | rdp::Protocols::CREDSSP,
            )),
            Self::Nut => Box::new(nut::Client::new()),
            Self::Munin => Box::new(munin::Client::new()),
            Self::Nats => Box::new(nats::Client::new()),
            Self::Connect | Self::Socks4 | Self::Socks5 | Self::ProxyV1 | Self::ProxyV2 => {
                return self.tunnel(options).map(|tunnel| Box::new(tunnel) as _);
            }
        })
    }

    /// The client's dialogue of a protocol that carries another one: [`Tunnel::then`] stacks them.
    ///
    /// ```
    /// use starttls_core::{Boundary, Negotiator, Plain, Progress};
    /// use starttls_protocols::registry::{ClientOptions, Protocol};
    /// use starttls_protocols::tunnel::Tunnel;
    ///
    /// let options = ClientOptions::new("pop.example.org").port(110);
    /// let proxy = Protocol::Socks5.tunnel(&options)?;
    /// let mut client = proxy.then(Protocol::Pop3.client(&options)?);
    /// let mut plain = Plain::with_prefix(
    ///     b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90+OK ready\r\n+OK\r\nSTLS\r\n.\r\n+OK begin\r\n",
    /// );
    /// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
    /// # Ok::<(), starttls_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Misuse::Configuration`] if the protocol is no tunnel ([`AfterTls::Inner`]), or if the options lack the port.
    pub fn tunnel(
        self,
        options: &ClientOptions,
    ) -> Result<Box<dyn Tunnel<Tls = ClientConnection> + Send>, Error> {
        let host = &options.host;
        let port = || {
            let missing = Misuse::Configuration("a tunnel needs the port that it leads to");
            options.port.ok_or(missing)
        };
        let credentials = options.credentials.clone();
        Ok(match self {
            Self::Connect => {
                let client = connect::Client::new(host, port()?);
                Box::new(match credentials {
                    Some(Credentials { user, password }) => client.basic_auth(user, password),
                    None => client,
                })
            }
            Self::Socks5 => {
                let client = socks::Client::new(host, port()?);
                Box::new(match credentials {
                    Some(Credentials { user, password }) => client.password(user, password),
                    None => client,
                })
            }
            Self::Socks4 => {
                let user = credentials.map_or_else(String::new, |login| login.user);
                Box::new(match host.parse() {
                    Ok(address) => socks::Client::v4(address, port()?, user),
                    Err(_) => socks::Client::v4a(host, port()?, user),
                })
            }
            Self::ProxyV1 => Box::new(match options.addresses {
                Some((source, destination)) => proxy::Writer::v1(source, destination),
                None => proxy::Writer::v1_unknown(),
            }),
            Self::ProxyV2 => Box::new(match options.addresses {
                Some((source, destination)) => proxy::Writer::v2(source, destination),
                None => proxy::Writer::v2_local(),
            }),
            _ => return Err(Misuse::Configuration("the protocol is not a tunnel").into()),
        })
    }

    /// The server's dialogue, from its beginning. The PROXY readers take both versions.
    ///
    /// As with [`client`](Self::client), what it has learnt is to be had from the module only: where a tunnel shall lead to, where a
    /// PROXY header says that the connection came from.
    ///
    /// # Errors
    /// [`Misuse::Configuration`] if the options lack what the protocol needs: random bytes, for MySQL and XMPP; or if TLS shall be
    /// optional in a tunnel, where it is not the matter, or in VNC, whose [`optional`](vencrypt::Server::optional) needs to know more.
    pub fn server(
        self,
        options: &ServerOptions,
    ) -> Result<Box<dyn Negotiator<Tls = ServerConnection> + Send>, Error> {
        let name = &options.own_name;
        let random = || {
            let missing = Misuse::Configuration("the servers of MySQL and XMPP need random bytes");
            options.random.ok_or(missing)
        };
        let credentials = options.credentials.clone();
        // Each is of a type of its own.
        macro_rules! offer {
            ($server:expr) => {{
                let server = $server;
                Box::new(if options.optional {
                    server.optional()
                } else {
                    server
                })
            }};
        }
        Ok(match self {
            Self::Connect
            | Self::Socks4
            | Self::Socks5
            | Self::ProxyV1
            | Self::ProxyV2
            | Self::Vencrypt
                if options.optional =>
            {
                return Err(Misuse::Configuration(
                    "a tunnel is made or not, and VNC has to know what there is beside TLS",
                )
                .into());
            }
            Self::Smtp => offer!(smtp::Server::new(name)),
            Self::Lmtp => offer!(smtp::Server::lmtp(name)),
            Self::Imap => offer!(imap::Server::new()),
            Self::Pop3 => offer!(pop3::Server::new()),
            Self::Nntp => offer!(nntp::Server::new()),
            Self::Sieve => offer!(managesieve::Server::new(name)),
            Self::Ftp => offer!(ftp::Server::new()),
            Self::Xmpp => offer!(xmpp::Server::new(name, hex(&random()?))),
            Self::XmppServer => offer!(xmpp::Server::s2s(name, hex(&random()?))),
            Self::Ldap => offer!(ldap::Server::new()),
            Self::Postgres => offer!(postgres::Server::new()),
            Self::Mysql => offer!(mysql_server(name, random()?)),
            Self::Irc => offer!(irc::Server::new(name)),
            Self::Telnet => offer!(telnet::Server::new()),
            Self::Connect => {
                let server = connect::Server::new();
                Box::new(match credentials {
                    Some(Credentials { user, password }) => server.basic_auth(user, password),
                    None => server,
                })
            }
            Self::HttpUpgrade => offer!(http_upgrade::Server::new()),
            Self::Socks4 | Self::Socks5 => {
                let server = socks::Server::new();
                Box::new(match credentials {
                    Some(Credentials { user, password }) => server.password(user, password),
                    None => server,
                })
            }
            Self::ProxyV1 | Self::ProxyV2 => Box::new(proxy::Reader::new()),
            Self::Nbd => offer!(nbd::Server::new()),
            Self::Rpc => offer!(rpc::Server::new()),
            Self::Vencrypt => Box::new(vencrypt::Server::new(options.subtypes.iter().copied())),
            Self::Rdp => offer!(rdp::Server::new(rdp::Protocols::TLS)),
            Self::Nut => offer!(nut::Server::new()),
            Self::Munin => offer!(munin::Server::new(name)),
            Self::Nats => offer!(nats::Server::new(nats_info(name, options.optional))),
        })
    }

    /// Its name, as `Display` shows it and `FromStr` takes it.
    pub fn name(self) -> &'static str {
        self.facts().name
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    /// Case does not matter, nor whether there is `-` or `_` between words. [`Facts::aliases`] are taken, too.
    fn from_str(name: &str) -> Result<Self, UnknownProtocol> {
        let wanted = name.to_ascii_lowercase().replace('_', "-");
        Self::ALL
            .into_iter()
            .find(|protocol| {
                let facts = protocol.facts();
                facts.name == wanted || facts.aliases.contains(&&wanted[..])
            })
            .ok_or_else(|| UnknownProtocol {
                name: name.to_owned(),
            })
    }
}

/// A name that no [`Protocol`] has. The message lists the names there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProtocol {
    /// The name.
    pub name: String,
}

impl fmt::Display for UnknownProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown protocol {:?}; known are", self.name)?;
        for (index, protocol) in Protocol::ALL.iter().enumerate() {
            write!(f, "{} {protocol}", if index == 0 { "" } else { "," })?;
            for alias in protocol.facts().aliases {
                write!(f, " ({alias})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for UnknownProtocol {}

/// What EHLO says without a name. `localhost` is none that a server accepts from elsewhere.
const ADDRESS_LITERAL: &str = "[127.0.0.1]";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The scramble must not have a NUL: it ends with one on the wire.
fn mysql_server(name: &str, random: [u8; 20]) -> mysql::Server {
    let [a, b, c, d, ..] = random;
    let connection_id = u32::from_be_bytes([a, b, c, d]);
    // Seven bits, as the servers make it, and one for what would be NUL.
    let scramble = random.map(|byte| (byte & 0x7f).max(1));
    mysql::Server::new(format!("8.0.0-{name}"), connection_id, scramble)
}

/// The fields without which the clients that exist do not begin.
fn nats_info(name: &str, optional: bool) -> String {
    json!({
        "server_id": name,
        "version": "2.10.0",
        "proto": 1,
        "headers": true,
        "max_payload": 1_048_576,
        "tls_required": !optional,
        "tls_available": true,
    })
    .to_string()
}
