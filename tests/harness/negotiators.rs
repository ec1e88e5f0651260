//! A negotiator of each protocol from its name, for the tests that run over all of them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Error, Negotiator, Plain, Progress};
use starttls_protocols::{
    connect, ftp, http_upgrade, imap, irc, ldap, managesieve, munin, mysql, nats, nbd, nntp, nut,
    pop3, postgres, proxy, rdp, rpc, smtp, socks, telnet, vencrypt, xmpp,
};

/// Which side of the dialogue is under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Ours is the one that asks for TLS.
    Client,
    /// Ours is the one that is asked.
    Server,
}

/// Where the negotiator begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the greeting: the constructor `new` or its like.
    Full,
    /// With the command: `at_command`.
    Command,
}

/// A negotiator of either role.
pub enum AnyNegotiator {
    /// A client's.
    Client(Box<dyn Negotiator<Tls = ClientConnection>>),
    /// A server's.
    Server(Box<dyn Negotiator<Tls = ServerConnection>>),
}

impl AnyNegotiator {
    /// Any client negotiator.
    pub fn client(negotiator: impl Negotiator<Tls = ClientConnection> + 'static) -> Self {
        Self::Client(Box::new(negotiator))
    }

    /// Any server negotiator.
    pub fn server(negotiator: impl Negotiator<Tls = ServerConnection> + 'static) -> Self {
        Self::Server(Box::new(negotiator))
    }

    /// One step in a loop of one's own.
    pub fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        match self {
            Self::Client(negotiator) => negotiator.advance(plain),
            Self::Server(negotiator) => negotiator.advance(plain),
        }
    }

    /// One step, as `Upgrade` takes it.
    pub fn negotiate(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        match self {
            Self::Client(negotiator) => plain.negotiate(negotiator),
            Self::Server(negotiator) => plain.negotiate(negotiator),
        }
    }
}

/// The `option: key=value` lines of a transcript.
#[derive(Clone, Debug, Default)]
pub struct Options {
    values: Vec<(String, String)>,
    asked: RefCell<BTreeSet<String>>,
}

impl Options {
    /// One more.
    pub fn push(&mut self, key: &str, value: &str) {
        self.values.push((key.to_owned(), value.to_owned()));
    }

    /// The value of a key, if it is there.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.asked.borrow_mut().insert(key.to_owned());
        self.values
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// The value, or the one that the transcripts of a protocol agree on.
    pub fn get_or<'a>(&'a self, key: &str, default: &'a str) -> &'a str {
        self.get(key).unwrap_or(default)
    }

    /// The key has this value.
    pub fn is(&self, key: &str, value: &str) -> bool {
        self.get(key) == Some(value)
    }

    /// A key that no negotiator asked for: it is misspelt, and the transcript does not test what it says.
    pub fn unused(&self) -> Option<&str> {
        let asked = self.asked.borrow();
        self.values
            .iter()
            .map(|(key, _)| key.as_str())
            .find(|key| !asked.contains(*key))
    }
}

/// A server, or one that offers TLS without demanding it, and stands in front of what is not for it.
macro_rules! optional {
    ($server:expr, $options:ident) => {
        AnyNegotiator::server(match $options.is("optional", "yes") {
            true => $server.optional(),
            false => $server,
        })
    };
}

/// A server with the options of those that tell what they can do.
macro_rules! offering {
    ($server:expr, $options:ident) => {{
        let mut server = $server;
        if let Some(capability) = $options.get("capability") {
            server = server.capability(capability);
        }
        if $options.is("optional", "yes") {
            server = server.optional();
        }
        server
    }};
}

/// The negotiator of `protocol`: one arm a protocol, in the order of the alphabet.
///
/// # Panics
/// If the protocol has none in this role and with this start.
pub fn negotiator(protocol: &str, role: Role, start: Start, options: &Options) -> AnyNegotiator {
    use Role::{Client, Server};
    use Start::{Command, Full};

    match protocol {
        "connect" => {
            let host = options.get_or("host", "mail.example.org").to_owned();
            let credentials = options
                .get("user")
                .map(|user| (user, options.get_or("password", "")));
            match (role, start) {
                (Client, Full) => {
                    let mut client = connect::Client::new(host, 25);
                    if let Some((user, password)) = credentials {
                        client = client.basic_auth(user, password);
                    }
                    if let Some(token) = options.get("bearer") {
                        client = client.bearer_auth(token);
                    }
                    if let Some((name, value)) = header(options) {
                        client = client.header(name, value);
                    }
                    AnyNegotiator::client(client)
                }
                (Server, Full) => {
                    let permit = !options.is("permit", "no");
                    let mut server = connect::Server::new().permit(move |_| permit);
                    if let Some((user, password)) = credentials {
                        server = server.basic_auth(user, password);
                    }
                    AnyNegotiator::server(server)
                }
                (Server, Command) => AnyNegotiator::server(connect::Server::at_command()),
                (Client, Command) => panic!("connect has nothing but the command"),
            }
        }
        "ftp" => {
            let or_ssl = options.is("or-ssl", "yes");
            let client = |client: ftp::Client| {
                AnyNegotiator::client(if or_ssl { client.or_ssl() } else { client })
            };
            let server = |server: ftp::Server| {
                let server = if or_ssl { server.or_ssl() } else { server };
                AnyNegotiator::server(offering!(server, options))
            };
            match (role, start) {
                (Client, Full) => client(ftp::Client::new()),
                (Client, Command) => client(ftp::Client::at_command()),
                (Server, Full) => server(ftp::Server::new()),
                (Server, Command) => server(ftp::Server::at_command()),
            }
        }
        "http_upgrade" => {
            let server = |server: http_upgrade::Server| {
                let optional = options.is("optional", "yes");
                AnyNegotiator::server(if optional { server.optional() } else { server })
            };
            match (role, start) {
                (Client, Full) => {
                    let host = options.get_or("host", "printer.example.org:631");
                    let client = http_upgrade::Client::new(host);
                    AnyNegotiator::client(match header(options) {
                        Some((name, value)) => client.header(name, value),
                        None => client,
                    })
                }
                (Client, Command) => AnyNegotiator::client(http_upgrade::Client::at_command()),
                (Server, Full) => server(http_upgrade::Server::new()),
                (Server, Command) => server(http_upgrade::Server::at_command()),
            }
        }
        "imap" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(imap::Client::new()),
            (Client, Command) => AnyNegotiator::client(imap::Client::at_command()),
            (Server, Full) => AnyNegotiator::server(offering!(imap::Server::new(), options)),
            (Server, Command) => {
                AnyNegotiator::server(imap::Server::at_command(options.get_or("tag", "a1")))
            }
        },
        "irc" => {
            let name = options.get_or("name", "irc.example.org");
            match (role, start) {
                (Client, Full) => AnyNegotiator::client(irc::Client::new()),
                (Client, Command) => AnyNegotiator::client(irc::Client::at_command()),
                (Server, Full) => AnyNegotiator::server(offering!(irc::Server::new(name), options)),
                (Server, Command) => AnyNegotiator::server(irc::Server::at_command(name)),
            }
        }
        "ldap" => {
            let id = options.get_or("id", "1").parse().expect("id is a number");
            match (role, start) {
                (Client, Full) => AnyNegotiator::client(ldap::Client::new()),
                (Client, Command) => AnyNegotiator::client(ldap::Client::at_command(id)),
                (Server, Full) => optional!(ldap::Server::new(), options),
                (Server, Command) => AnyNegotiator::server(ldap::Server::at_command(id)),
            }
        }
        "managesieve" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(managesieve::Client::new()),
            (Client, Command) => AnyNegotiator::client(managesieve::Client::at_command()),
            (Server, Full) => {
                let name = options.get_or("name", "Example 1.0");
                let mut server = managesieve::Server::new(name);
                if let Some(capability) = options.get("capability") {
                    let (name, value) = capability.split_once(' ').unwrap_or((capability, ""));
                    server = server.capability(name, value);
                }
                AnyNegotiator::server(if options.is("optional", "yes") {
                    server.optional()
                } else {
                    server
                })
            }
            (Server, Command) => AnyNegotiator::server(managesieve::Server::at_command()),
        },
        "munin" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(munin::Client::new()),
            (Client, Command) => AnyNegotiator::client(munin::Client::at_command()),
            (Server, Full) => {
                let name = options.get_or("name", "node.example.org");
                let server = munin::Server::new(name);
                AnyNegotiator::server(if options.is("optional", "yes") {
                    server.optional()
                } else {
                    server
                })
            }
            (Server, Command) => AnyNegotiator::server(munin::Server::at_command()),
        },
        "mysql" => match (role, start) {
            (Client, Full) => {
                let mut client = mysql::Client::new();
                if let Some(flags) = options.get("capabilities") {
                    client = client.capabilities(flags.parse().expect("capabilities are a number"));
                }
                if let Some(flags) = options.get("mariadb") {
                    let flags = flags.parse().expect("capabilities are a number");
                    client = client.mariadb_capabilities(flags);
                }
                AnyNegotiator::client(client)
            }
            (Client, Command) => AnyNegotiator::client(mysql::Client::at_command()),
            (Server, Full) => {
                let scramble = options.get_or("scramble", "ABCDEFGHIJKLMNOPQRST");
                let scramble = scramble.as_bytes().try_into().expect("20 bytes");
                let mut server = mysql::Server::new("8.0.0-test", 7, scramble);
                if let Some(flags) = options.get("mariadb") {
                    let flags = flags.parse().expect("capabilities are a number");
                    server = server.mariadb_capabilities(flags);
                }
                optional!(server, options)
            }
            (Server, Command) => AnyNegotiator::server(mysql::Server::at_command()),
        },
        "nats" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(nats::Client::new()),
            (Client, Command) => AnyNegotiator::client(nats::Client::at_command()),
            (Server, Full) => {
                let info = r#"{"server_id":"A","tls_required":true}"#;
                let server = nats::Server::new(options.get_or("info", info));
                optional!(server, options)
            }
            (Server, Command) => AnyNegotiator::server(nats::Server::at_command()),
        },
        "nbd" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(nbd::Client::new()),
            (Client, Command) => AnyNegotiator::client(nbd::Client::at_command()),
            (Server, Full) => optional!(nbd::Server::new(), options),
            (Server, Command) => AnyNegotiator::server(nbd::Server::at_command()),
        },
        "nntp" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(nntp::Client::new()),
            (Client, Command) => AnyNegotiator::client(nntp::Client::at_command()),
            (Server, Full) => AnyNegotiator::server(offering!(nntp::Server::new(), options)),
            (Server, Command) => AnyNegotiator::server(nntp::Server::at_command()),
        },
        "nut" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(nut::Client::new()),
            (Client, Command) => AnyNegotiator::client(nut::Client::at_command()),
            (Server, Full) => {
                let mut server = nut::Server::new();
                if let Some(version) = options.get("version") {
                    server = server.version(version);
                }
                AnyNegotiator::server(if options.is("optional", "yes") {
                    server.optional()
                } else {
                    server
                })
            }
            (Server, Command) => AnyNegotiator::server(nut::Server::at_command()),
        },
        "pop3" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(pop3::Client::new()),
            (Client, Command) => AnyNegotiator::client(pop3::Client::at_command()),
            (Server, Full) => AnyNegotiator::server(offering!(pop3::Server::new(), options)),
            (Server, Command) => AnyNegotiator::server(pop3::Server::at_command()),
        },
        "postgres" => match (role, start, options.is("gss", "yes")) {
            (Client, Full, false) => AnyNegotiator::client(postgres::Client::new()),
            (Client, Full, true) => AnyNegotiator::client(postgres::Client::with_gss()),
            (Client, Command, _) => AnyNegotiator::client(postgres::Client::at_command()),
            (Server, Full, _) => optional!(postgres::Server::new(), options),
            (Server, Command, _) => AnyNegotiator::server(postgres::Server::at_command()),
        },
        "proxy" => match (role, start) {
            (Client, Full) => {
                let address = |key, default| {
                    let address = options.get_or(key, default).parse();
                    address.expect("an address and a port")
                };
                let source = address("source", "192.0.2.1:50000");
                let destination = address("destination", "192.0.2.2:25");
                let mut writer = match options.get_or("version", "1") {
                    "1" => proxy::Writer::v1(source, destination),
                    "1-unknown" => proxy::Writer::v1_unknown(),
                    "2" => proxy::Writer::v2(source, destination),
                    "2-local" => proxy::Writer::v2_local(),
                    other => panic!("no version {other}"),
                };
                if let Some(authority) = options.get("authority") {
                    writer = writer.authority(authority);
                }
                if options.is("crc32c", "yes") {
                    writer = writer.crc32c();
                }
                AnyNegotiator::client(writer)
            }
            (Server, Full) => AnyNegotiator::server(proxy::Reader::new()),
            (_, Command) => panic!("proxy has nothing but the header"),
        },
        "rdp" => {
            let bits = options.get_or("protocols", "1").parse();
            let protocols = rdp::Protocols::from_bits(bits.expect("protocols is a number"));
            match (role, start) {
                (Client, Full) => {
                    let mut client = rdp::Client::new(protocols);
                    if let Some(user) = options.get("cookie") {
                        client = client.cookie(user);
                    }
                    if let Some(token) = options.get("token") {
                        client = client.routing_token(token);
                    }
                    if let Some(flags) = options.get("flags") {
                        client = client.flags(flags.parse().expect("flags are a number"));
                    }
                    if let Some(id) = options.get("correlation") {
                        client = client.correlation_id(id.as_bytes().try_into().expect("16 bytes"));
                    }
                    AnyNegotiator::client(client)
                }
                (Server, Full) => {
                    let flags = options.get_or("flags", "0").parse();
                    let flags = flags.expect("flags are a number");
                    optional!(rdp::Server::new(protocols).flags(flags), options)
                }
                (Server, Command) => AnyNegotiator::server(rdp::Server::at_command(protocols)),
                (Client, Command) => panic!("rdp has nothing but the command"),
            }
        }
        "rpc" => match (role, start) {
            (Client, Full) => {
                let xid = options.get_or("xid", "1").parse();
                let xid = xid.expect("xid is a number");
                // NFS version 4
                AnyNegotiator::client(rpc::Client::with_xid(100_003, 4, xid))
            }
            (Server, Full) => optional!(rpc::Server::new(), options),
            (Server, Command) => AnyNegotiator::server(rpc::Server::at_command(1)),
            (Client, Command) => panic!("rpc has nothing but the command"),
        },
        "smtp" => {
            let client = options.get_or("name", "me.example.net").to_owned();
            let server = options.get_or("name", "mail.example.org").to_owned();
            match (role, start, options.is("variant", "lmtp")) {
                (Client, Full, false) => AnyNegotiator::client(smtp::Client::new(client)),
                (Client, Full, true) => AnyNegotiator::client(smtp::Client::lmtp(client)),
                (Client, Command, _) => AnyNegotiator::client(smtp::Client::at_command()),
                (Server, Full, false) => {
                    AnyNegotiator::server(offering!(smtp::Server::new(server), options))
                }
                (Server, Full, true) => {
                    AnyNegotiator::server(offering!(smtp::Server::lmtp(server), options))
                }
                (Server, Command, _) => AnyNegotiator::server(smtp::Server::at_command()),
            }
        }
        "socks" => {
            let host = options.get_or("host", "mail.example.org");
            let user = options.get("user");
            let password = options.get("password");
            match (role, start) {
                (Client, Full) => {
                    let mut client = match options.get_or("version", "5") {
                        "4" => {
                            let address = host.parse().expect("an IPv4 address");
                            socks::Client::v4(address, 25, user.unwrap_or_default())
                        }
                        "4a" => socks::Client::v4a(host, 25, user.unwrap_or_default()),
                        "5" => socks::Client::new(host, 25),
                        other => panic!("no version {other}"),
                    };
                    if let (Some(user), Some(password)) = (user, password) {
                        client = client.password(user, password);
                    }
                    AnyNegotiator::client(client)
                }
                (Server, Full) => {
                    let permit = !options.is("permit", "no");
                    let mut server = socks::Server::new().permit(move |_| permit);
                    if let (Some(user), Some(password)) = (user, password) {
                        server = server.password(user, password);
                    }
                    AnyNegotiator::server(server)
                }
                (Server, Command) => AnyNegotiator::server(socks::Server::at_command()),
                (Client, Command) => panic!("socks has nothing but the command"),
            }
        }
        "telnet" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(telnet::Client::new()),
            (Client, Command) => AnyNegotiator::client(telnet::Client::at_command()),
            (Server, Full) => optional!(telnet::Server::new(), options),
            (Server, Command) => AnyNegotiator::server(telnet::Server::at_command()),
        },
        "vencrypt" => {
            let subtypes: Vec<vencrypt::Subtype> = options
                .get_or("subtypes", "260")
                .split(',')
                .filter(|number| !number.is_empty())
                .map(|number| number.parse::<u32>().expect("subtypes are numbers"))
                .map(|number| number.try_into().expect("subtypes are possible"))
                .collect();
            match (role, start) {
                (Client, Full) => AnyNegotiator::client(vencrypt::Client::new(subtypes)),
                (Client, Command) => AnyNegotiator::client(vencrypt::Client::at_command(subtypes)),
                (Server, Full) => {
                    let others = options.get_or("optional", "");
                    let others = others.split(',').filter(|number| !number.is_empty());
                    let others = others.map(|number| number.parse().expect("types are numbers"));
                    let server = vencrypt::Server::new(subtypes);
                    AnyNegotiator::server(server.optional(others.collect::<Vec<u8>>()))
                }
                (Server, Command) => AnyNegotiator::server(vencrypt::Server::at_command(subtypes)),
            }
        }
        "xmpp" => {
            let s2s = options.is("variant", "s2s");
            let server = |mut server: xmpp::Server| {
                if options.is("optional", "yes") {
                    server = server.optional();
                }
                if let Some(domain) = options.get("serves").map(str::to_owned) {
                    server = server.serves(move |wanted| wanted == domain);
                }
                AnyNegotiator::server(server)
            };
            match (role, start) {
                (Client, Full) if s2s => {
                    AnyNegotiator::client(xmpp::Client::s2s("example.net", "example.org"))
                }
                (Client, Full) => AnyNegotiator::client(xmpp::Client::new("example.org")),
                (Client, Command) => AnyNegotiator::client(xmpp::Client::at_command()),
                (Server, Full) if s2s => server(xmpp::Server::s2s("example.org", "stream-1")),
                (Server, Full) => server(xmpp::Server::new("example.org", "stream-1")),
                (Server, Command) => server(xmpp::Server::at_command()),
            }
        }
        _ => panic!("no negotiator for {protocol} as {role:?} from {start:?}"),
    }
}

/// `header=Name: value`.
fn header(options: &Options) -> Option<(String, String)> {
    let header = options.get("header")?;
    let (name, value) = header.split_once(": ").expect("a name and a value");
    Some((name.to_owned(), value.to_owned()))
}
