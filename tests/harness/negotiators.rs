//! A negotiator of each protocol from its name, for the tests that run over all of them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Error, Negotiator, Plain, Progress};
use starttls_protocols::{
    ftp, imap, irc, managesieve, munin, nats, nbd, nntp, nut, pop3, rdp, rpc, smtp, telnet,
    vencrypt,
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

/// The negotiator of `protocol`: one arm a protocol, in the order of the alphabet.
///
/// # Panics
/// If the protocol has none in this role and with this start.
pub fn negotiator(protocol: &str, role: Role, start: Start, options: &Options) -> AnyNegotiator {
    use Role::{Client, Server};
    use Start::{Command, Full};

    match protocol {
        "ftp" => {
            let or_ssl = options.is("or-ssl", "yes");
            let client = |client: ftp::Client| {
                AnyNegotiator::client(if or_ssl { client.or_ssl() } else { client })
            };
            let server = |server: ftp::Server| {
                AnyNegotiator::server(if or_ssl { server.or_ssl() } else { server })
            };
            match (role, start) {
                (Client, Full) => client(ftp::Client::new()),
                (Client, Command) => client(ftp::Client::at_command()),
                (Server, Full) => server(ftp::Server::new()),
                (Server, Command) => server(ftp::Server::at_command()),
            }
        }
        "imap" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(imap::Client::new()),
            (Client, Command) => AnyNegotiator::client(imap::Client::at_command()),
            (Server, Full) => AnyNegotiator::server(imap::Server::new()),
            (Server, Command) => {
                AnyNegotiator::server(imap::Server::at_command(options.get_or("tag", "a1")))
            }
        },
        "irc" => {
            let name = options.get_or("name", "irc.example.org");
            match (role, start) {
                (Client, Full) => AnyNegotiator::client(irc::Client::new()),
                (Client, Command) => AnyNegotiator::client(irc::Client::at_command()),
                (Server, Full) => AnyNegotiator::server(irc::Server::new(name)),
                (Server, Command) => AnyNegotiator::server(irc::Server::at_command(name)),
            }
        }
        "managesieve" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(managesieve::Client::new()),
            (Client, Command) => AnyNegotiator::client(managesieve::Client::at_command()),
            (Server, Full) => {
                let name = options.get_or("name", "Example 1.0");
                AnyNegotiator::server(managesieve::Server::new(name))
            }
            (Server, Command) => AnyNegotiator::server(managesieve::Server::at_command()),
        },
        "munin" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(munin::Client::new()),
            (Client, Command) => AnyNegotiator::client(munin::Client::at_command()),
            (Server, Full) => {
                let name = options.get_or("name", "node.example.org");
                AnyNegotiator::server(munin::Server::new(name))
            }
            (Server, Command) => AnyNegotiator::server(munin::Server::at_command()),
        },
        "nats" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(nats::Client::new()),
            (Client, Command) => AnyNegotiator::client(nats::Client::at_command()),
            (Server, Full) => {
                let info = r#"{"server_id":"A","tls_required":true}"#;
                AnyNegotiator::server(nats::Server::new(options.get_or("info", info)))
            }
            (Server, Command) => AnyNegotiator::server(nats::Server::at_command()),
        },
        "nntp" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(nntp::Client::new()),
            (Client, Command) => AnyNegotiator::client(nntp::Client::at_command()),
            (Server, Full) => AnyNegotiator::server(nntp::Server::new()),
            (Server, Command) => AnyNegotiator::server(nntp::Server::at_command()),
        },
        "nut" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(nut::Client::new()),
            (Client, Command) => AnyNegotiator::client(nut::Client::at_command()),
            (Server, Full) => AnyNegotiator::server(nut::Server::new()),
            (Server, Command) => AnyNegotiator::server(nut::Server::at_command()),
        },
        "pop3" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(pop3::Client::new()),
            (Client, Command) => AnyNegotiator::client(pop3::Client::at_command()),
            (Server, Full) => AnyNegotiator::server(pop3::Server::new()),
            (Server, Command) => AnyNegotiator::server(pop3::Server::at_command()),
        },
        "nbd" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(nbd::Client::new()),
            (Client, Command) => AnyNegotiator::client(nbd::Client::at_command()),
            (Server, Full) => AnyNegotiator::server(nbd::Server::new()),
            (Server, Command) => AnyNegotiator::server(nbd::Server::at_command()),
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
                    AnyNegotiator::client(client)
                }
                (Server, Full) => AnyNegotiator::server(rdp::Server::new(protocols)),
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
            (Server, Full) => AnyNegotiator::server(rpc::Server::new()),
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
                (Server, Full, false) => AnyNegotiator::server(smtp::Server::new(server)),
                (Server, Full, true) => AnyNegotiator::server(smtp::Server::lmtp(server)),
                (Server, Command, _) => AnyNegotiator::server(smtp::Server::at_command()),
            }
        }
        "telnet" => match (role, start) {
            (Client, Full) => AnyNegotiator::client(telnet::Client::new()),
            (Client, Command) => AnyNegotiator::client(telnet::Client::at_command()),
            (Server, Full) => AnyNegotiator::server(telnet::Server::new()),
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
                (Server, Full) => AnyNegotiator::server(vencrypt::Server::new(subtypes)),
                (Server, Command) => AnyNegotiator::server(vencrypt::Server::at_command(subtypes)),
            }
        }
        _ => panic!("no negotiator for {protocol} as {role:?} from {start:?}"),
    }
}
