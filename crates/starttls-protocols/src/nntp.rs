//! NNTP (RFC 4642 over RFC 3977).
//!
//! After TLS there is no second greeting. Both sides forget what was said, the client asks for CAPABILITIES again (RFC 4642 section 2.2.2).

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Untrusted};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::farewell;
use crate::read::line::{LineEnd, Lines, is_text, split_verb, text};
use crate::read::reply::Reply;

/// The client's part: greeting, CAPABILITIES, STARTTLS.
///
/// A server that refuses CAPABILITIES (it is older than RFC 3977) is asked for STARTTLS all the same, and its answer counts. One that has
/// readers served by another program (RFC 3977 section 3.4.2) does not list STARTTLS until that is there: it is told `MODE READER`, and asked again.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::nntp;
///
/// let mut client = nntp::Client::new();
/// let mut plain = Plain::with_prefix(b"200 ready\r\n101 list:\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n382 go\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    heard: Heard,
    dialogue: Dialogue<Lines, Awaited>,
}

#[derive(Debug, Default)]
struct Heard {
    greeting: Option<String>,
    capabilities: Option<Vec<String>>,
    has_switched: bool,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Capabilities,
    List,
    Mode,
    Answer,
}

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Awaited::Greeting))
    }

    /// The caller has had the dialogue up to capabilities with STARTTLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(starttls())
    }

    fn starting(first: Step<Awaited>) -> Self {
        Self {
            heard: Heard::default(),
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), first),
        }
    }

    /// The greeting, without its code.
    pub fn greeting(&self) -> Option<Untrusted<&str>> {
        self.heard.greeting.as_deref().map(Untrusted::new)
    }

    /// What the server can do, a line of its last answer to CAPABILITIES each; `None` if it does not know that. It does not count after TLS.
    pub fn capabilities(&self) -> Option<Untrusted<&[String]>> {
        self.heard.capabilities.as_deref().map(Untrusted::new)
    }

    /// The server was told `MODE READER`, and is what readers speak to from there on, with TLS or without.
    pub fn has_switched_mode(&self) -> bool {
        self.heard.has_switched
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
        self.dialogue
            .advance(plain, |awaited, line| self.heard.react(awaited, line))
    }
}

impl Heard {
    fn react(&mut self, awaited: Awaited, line: &[u8]) -> Result<Step<Awaited>, Error> {
        if matches!(awaited, Awaited::List) {
            return self.list(line);
        }
        let reply = Reply::of_one_line(line)?;
        match (awaited, reply.code) {
            // The server closes (RFC 3977 section 3.2.1), which is possible at any time.
            (_, 400) => Err(reply.goodbye()),
            // Posting allowed or prohibited (RFC 3977 section 5.1.1).
            (Awaited::Greeting, 200 | 201) => {
                self.greeting = Some(reply.text().join(""));
                Ok(capabilities())
            }
            // Nothing was asked, so that nothing is refused: the server does not want to talk at all.
            (Awaited::Greeting, _) if reply.is_negative() => Err(reply.goodbye()),
            (Awaited::Capabilities, 101) => {
                self.capabilities = Some(Vec::new());
                Ok(Step::Await(Awaited::List))
            }
            (Awaited::Capabilities, _) if reply.is_negative() => Ok(starttls()),
            (Awaited::Mode, 200 | 201) => {
                self.has_switched = true;
                Ok(capabilities())
            }
            // "Following this response the server MUST close the connection" (RFC 3977 section 5.3.2).
            (Awaited::Mode, 502) => Err(reply.goodbye()),
            (Awaited::Answer, 382) => Ok(Step::Done(Boundary::Exact)),
            (Awaited::Mode | Awaited::Answer, _) if reply.is_negative() => {
                Err(reply.refusal().into())
            }
            _ => Err(reply.unexpected()),
        }
    }

    fn list(&mut self, line: &[u8]) -> Result<Step<Awaited>, Error> {
        let capabilities = self.capabilities.get_or_insert_default();
        if line != b"." {
            capabilities.push(text(line.trim_ascii_end()));
            return Ok(Step::Await(Awaited::List));
        }
        // The first word of a line is a capability (RFC 3977 section 3.3.1).
        let has = |name: &[u8]| {
            let mut lines = capabilities.iter();
            lines.any(|line| split_verb(line.as_bytes()).0 == name)
        };
        if has(b"STARTTLS") {
            Ok(starttls())
        } else if has(b"MODE-READER") && !self.has_switched {
            Ok(Step::say("MODE READER\r\n", Awaited::Mode))
        } else {
            Err(Error::NotOffered)
        }
    }
}

fn capabilities() -> Step<Awaited> {
    Step::say("CAPABILITIES\r\n", Awaited::Capabilities)
}

fn starttls() -> Step<Awaited> {
    Step::say("STARTTLS\r\n", Awaited::Answer)
}

/// The server's part: a greeting, capabilities with STARTTLS, and "TLS first" to everything else.
#[derive(Debug)]
pub struct Server {
    session: Session,
    dialogue: Dialogue<Lines>,
}

#[derive(Debug, Default)]
struct Session {
    capabilities: Vec<String>,
    is_optional: bool,
}

const GO_AHEAD: &str = "382 Continue with TLS negotiation\r\n";

impl Server {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::say("200 NNTP service ready\r\n", ()))
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(Step::go_ahead(GO_AHEAD))
    }

    fn starting(first: Step) -> Self {
        Self {
            session: Session::default(),
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), first),
        }
    }

    /// Offers TLS and does not demand it. CAPABILITIES, `MODE READER`, STARTTLS and QUIT are answered here; at any other command the negotiation
    /// ends in [`Error::NotRequested`], with the command unread, and the session goes on in plaintext.
    ///
    /// ```
    /// use starttls_core::{Error, Negotiator, Plain};
    /// use starttls_protocols::nntp;
    ///
    /// let mut server = nntp::Server::new().optional().capability("READER");
    /// let mut plain = Plain::with_prefix(b"CAPABILITIES\r\nGROUP misc.test\r\n");
    /// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
    /// assert_eq!(plain.peek(), b"GROUP misc.test\r\n");
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.session.is_optional = true;
        self
    }

    /// One more line in the answer to CAPABILITIES, beside VERSION and STARTTLS: `READER`, `LIST ACTIVE`.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.session.capabilities.push(capability.into());
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
        let mut capabilities = self.session.capabilities.iter();
        if !capabilities.all(|line| is_text(line) && !line.starts_with('.')) {
            return Err(Misuse::Configuration("a capability is not one line").into());
        }
        self.dialogue
            .advance(plain, |(), line| Ok(self.session.answer(line)))
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        farewell::line("400 ", error)
    }
}

impl Session {
    fn answer(&self, line: &[u8]) -> Step {
        let (verb, arguments) = split_verb(line);
        let arguments = arguments.trim_ascii();
        match &verb[..] {
            b"STARTTLS" if arguments.is_empty() => Step::go_ahead(GO_AHEAD),
            b"STARTTLS" => Step::answer("501 STARTTLS takes no argument\r\n"),
            b"CAPABILITIES" => {
                let others = self.capabilities.iter().flat_map(|line| [line, "\r\n"]);
                let others: String = others.collect();
                Step::answer(format!(
                    "101 Capability list:\r\nVERSION 2\r\nSTARTTLS\r\n{others}.\r\n"
                ))
            }
            // Readers say it before anything else. Nothing comes of it where there is no other mode (RFC 3977 section 5.3.2).
            b"MODE" if arguments.eq_ignore_ascii_case(b"READER") => {
                Step::answer("200 This is for readers\r\n")
            }
            b"QUIT" => Step::goodbye("205 Bye\r\n", line),
            _ if self.is_optional => Step::Leave,
            // "Command unavailable until suitable privacy has been arranged" (RFC 3977 section 3.2.1)
            _ => Step::answer("483 STARTTLS first\r\n"),
        }
    }
}
