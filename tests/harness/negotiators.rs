//! A negotiator of each protocol from its name, for the tests that run over all of them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Error, Negotiator, Plain, Progress};
use starttls_protocols::smtp;

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
        _ => panic!("no negotiator for {protocol} as {role:?} from {start:?}"),
    }
}
