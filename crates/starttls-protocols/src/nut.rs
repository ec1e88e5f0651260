//! NUT, the protocol of `upsd` (RFC 9271, and `docs/net-protocol.txt` of Network UPS Tools).
//!
//! After TLS nothing is said again. A user name and a password that a client may have sent before are known to whoever listened: it sends
//! them only now.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::line::{LineEnd, Lines, is_text, split_verb};

/// The client's part: STARTTLS. There is no greeting and no list of what is offered, so that `new` and `at_command` are the same.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::nut;
///
/// let mut client = nut::Client::new();
/// let mut plain = Plain::with_prefix(b"OK STARTTLS\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    dialogue: Dialogue<Lines>,
}

impl Client {
    /// On a connection on which nothing was said yet.
    pub fn new() -> Self {
        let command = Step::say("STARTTLS\n", ());
        Self {
            dialogue: Dialogue::new(Lines::new(LineEnd::Lf), command),
        }
    }

    /// The caller has said something before and has read what was answered.
    pub fn at_command() -> Self {
        Self::new()
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
        self.dialogue.advance(plain, |(), line| match &line[..] {
            b"OK STARTTLS" => Ok(Step::Done(Boundary::Exact)),
            // FEATURE-NOT-SUPPORTED, FEATURE-NOT-CONFIGURED, UNKNOWN-COMMAND, ...
            [b'E', b'R', b'R', b' ', error @ ..] => Err(Refusal::new(None, error).into()),
            _ => Err(Misbehaviour::Unexpected(Refusal::new(None, line)).into()),
        })
    }
}

/// The server's part: STARTTLS, HELP, VER, NETVER, LOGOUT, and `ACCESS-DENIED` to everything else.
#[derive(Debug)]
pub struct Server {
    session: Session,
    dialogue: Dialogue<Lines>,
}

#[derive(Debug)]
struct Session {
    version: String,
    is_optional: bool,
}

const GO_AHEAD: &str = "OK STARTTLS\n";

/// The protocol's version that RFC 9271 describes.
const NETVER: &str = "1.3\n";

impl Server {
    /// On a connection on which nothing was said yet.
    pub fn new() -> Self {
        Self::starting(Step::Await(()))
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(Step::go_ahead(GO_AHEAD))
    }

    fn starting(first: Step) -> Self {
        Self {
            session: Session {
                version: concat!("starttls-protocols ", env!("CARGO_PKG_VERSION")).to_owned(),
                is_optional: false,
            },
            dialogue: Dialogue::new(Lines::new(LineEnd::Lf), first),
        }
    }

    /// What VER says: the server's name and version. This crate's if it is not set.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.session.version = version.into();
        self
    }

    /// Offers TLS and does not demand it. STARTTLS, HELP, VER, NETVER and LOGOUT are answered here; at any other command the negotiation ends in
    /// [`Error::NotRequested`], with the command unread, and the session goes on in plaintext.
    ///
    /// ```
    /// use starttls_core::{Error, Negotiator, Plain};
    /// use starttls_protocols::nut;
    ///
    /// let mut server = nut::Server::new().version("Example 1.0").optional();
    /// let mut plain = Plain::with_prefix(b"VER\nLIST UPS\n");
    /// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
    /// assert_eq!(plain.peek(), b"LIST UPS\n");
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.session.is_optional = true;
        self
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !is_text(&self.session.version) {
            return Err(Misuse::Configuration("the version is not one line").into());
        }
        self.dialogue
            .advance(plain, |(), line| Ok(self.session.answer(line)))
    }

    /// The protocol has no words for closing, but for what is wrong with a command.
    fn farewell(&self, error: &Error) -> Vec<u8> {
        match error {
            Error::Misbehaved(Misbehaviour::TooLong { .. }) => b"ERR TOO-LONG\n".to_vec(),
            Error::UnreadPlaintext { .. } => b"ERR INVALID-ARGUMENT\n".to_vec(),
            _ => Vec::new(),
        }
    }
}

impl Session {
    fn answer(&self, line: &[u8]) -> Step {
        let (verb, arguments) = split_verb(line);
        match &verb[..] {
            b"STARTTLS" if arguments.trim_ascii().is_empty() => Step::go_ahead(GO_AHEAD),
            b"STARTTLS" => Step::answer("ERR INVALID-ARGUMENT\n"),
            b"HELP" => Step::answer("Commands: HELP VER NETVER LOGOUT STARTTLS\n"),
            b"VER" => Step::answer(format!("{}\n", self.version)),
            b"NETVER" | b"PROTVER" => Step::answer(NETVER),
            b"LOGOUT" => Step::goodbye("OK Goodbye\n", line),
            _ if self.is_optional => Step::Leave,
            _ => Step::answer("ERR ACCESS-DENIED\n"),
        }
    }
}
