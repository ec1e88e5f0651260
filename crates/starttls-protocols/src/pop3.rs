//! POP3 (RFC 2595 section 4 over RFC 1939 and RFC 2449).
//!
//! After TLS there is no second greeting. The client forgets the capabilities and asks for them again (RFC 2595 section 4), and an APOP
//! timestamp of the first greeting with them.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::farewell;
use crate::read::line::{LineEnd, Lines, is_text, split_verb, text};
use crate::read::misbehaviour::malformed;

/// The client's part: greeting, CAPA, STLS.
///
/// A server without CAPA (it is an extension of its own) is asked for STLS all the same, and its answer counts.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::pop3;
///
/// let mut client = pop3::Client::new();
/// let mut plain = Plain::with_prefix(b"+OK ready\r\n+OK\r\nSTLS\r\nUIDL\r\n.\r\n+OK begin\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// let capabilities = client.capabilities().map(|heard| heard.into_inner().join(", "));
/// assert_eq!(capabilities.as_deref(), Some("STLS, UIDL"));
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
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Capa,
    List,
    Answer,
}

const STLS: &str = "STLS\r\n";

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Awaited::Greeting))
    }

    /// The caller has had the dialogue up to a CAPA answer with STLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(Step::say(STLS, Awaited::Answer))
    }

    fn starting(first: Step<Awaited>) -> Self {
        Self {
            heard: Heard::default(),
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), first),
        }
    }

    /// The greeting, without the `+OK` in front.
    pub fn greeting(&self) -> Option<Untrusted<&str>> {
        self.heard.greeting.as_deref().map(Untrusted::new)
    }

    /// The timestamp in the greeting, with its angle brackets, if the server has APOP (RFC 1939 section 7).
    pub fn timestamp(&self) -> Option<Untrusted<&str>> {
        let greeting = self.heard.greeting.as_deref()?;
        let (_, behind) = greeting.split_once('<')?;
        let (inner, _) = behind.split_once('>')?;
        let from = greeting.len().checked_sub(behind.len())?.checked_sub(1)?;
        let length = inner.len().checked_add(2)?;
        greeting.get(from..)?.get(..length).map(Untrusted::new)
    }

    /// What the server can do, a line of its answer to CAPA each; `None` if it does not know CAPA. It does not count after TLS.
    pub fn capabilities(&self) -> Option<Untrusted<&[String]>> {
        self.heard.capabilities.as_deref().map(Untrusted::new)
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
        let (positive, words) = status(line).ok_or_else(|| malformed("reply", line))?;
        match (awaited, positive) {
            (Awaited::Greeting, true) => {
                self.greeting = Some(text(words));
                Ok(Step::say("CAPA\r\n", Awaited::Capa))
            }
            // Nothing was asked, so that nothing is refused: the server does not want to talk at all.
            (Awaited::Greeting, false) => Err(Error::Goodbye(Refusal::new(None, words))),
            (Awaited::Capa, true) => {
                self.capabilities = Some(Vec::new());
                Ok(Step::Await(Awaited::List))
            }
            (Awaited::Capa, false) => Ok(Step::say(STLS, Awaited::Answer)),
            (Awaited::Answer, true) => Ok(Step::Done(Boundary::Exact)),
            (Awaited::Answer, false) => Err(Refusal::new(None, words).into()),
            _ => Err(Misbehaviour::Unexpected(Refusal::new(None, line)).into()),
        }
    }

    fn list(&mut self, line: &[u8]) -> Result<Step<Awaited>, Error> {
        let capabilities = self.capabilities.get_or_insert_default();
        if line != b"." {
            capabilities.push(text(line.trim_ascii_end()));
            return Ok(Step::Await(Awaited::List));
        }
        let mut capabilities = capabilities.iter();
        if capabilities.any(|line| line.eq_ignore_ascii_case("STLS")) {
            Ok(Step::say(STLS, Awaited::Answer))
        } else {
            Err(Error::NotOffered)
        }
    }
}

/// Positive or not, and the text. "Servers MUST send the "+OK" and "-ERR" in upper case." (RFC 1939 section 3)
fn status(line: &[u8]) -> Option<(bool, &[u8])> {
    let (positive, rest) = match line {
        [b'+', b'O', b'K', rest @ ..] => (true, rest),
        [b'-', b'E', b'R', b'R', rest @ ..] => (false, rest),
        _ => return None,
    };
    match rest {
        [] => Some((positive, rest)),
        [b' ', text @ ..] => Some((positive, text)),
        _ => None,
    }
}

/// The server's part: a greeting, a CAPA answer with STLS, and "TLS first" to everything else.
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

const GO_AHEAD: &str = "+OK Begin TLS negotiation\r\n";

impl Server {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::say("+OK POP3 server ready\r\n", ()))
    }

    /// The caller has a command loop and has just consumed a line that was `STLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(Step::go_ahead(GO_AHEAD))
    }

    fn starting(first: Step) -> Self {
        Self {
            session: Session::default(),
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), first),
        }
    }

    /// Offers TLS and does not demand it. CAPA, STLS and QUIT are answered here; at any other command the negotiation ends in
    /// [`Error::NotRequested`], with the command unread, and the session goes on in plaintext.
    ///
    /// ```
    /// use starttls_core::{Error, Negotiator, Plain};
    /// use starttls_protocols::pop3;
    ///
    /// let mut server = pop3::Server::new().optional().capability("USER");
    /// let mut plain = Plain::with_prefix(b"CAPA\r\nUSER me\r\n");
    /// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
    /// assert_eq!(plain.peek(), b"USER me\r\n");
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.session.is_optional = true;
        self
    }

    /// One more line in the answer to CAPA, beside STLS: `USER`, `SASL PLAIN`.
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
        farewell::line("-ERR ", error)
    }
}

impl Session {
    fn answer(&self, line: &[u8]) -> Step {
        let (verb, arguments) = split_verb(line);
        match &verb[..] {
            b"STLS" if arguments.trim_ascii().is_empty() => Step::go_ahead(GO_AHEAD),
            b"STLS" => Step::answer("-ERR STLS takes no argument\r\n"),
            b"CAPA" => {
                let others: String = self
                    .capabilities
                    .iter()
                    .flat_map(|line| [line, "\r\n"])
                    .collect();
                Step::answer(format!(
                    "+OK Capability list follows\r\nSTLS\r\n{others}.\r\n"
                ))
            }
            b"QUIT" => Step::goodbye("+OK Bye\r\n", line),
            _ if self.is_optional => Step::Leave,
            // NOOP too: it "may only be given in the TRANSACTION state" (RFC 1939 section 5).
            _ => Step::answer("-ERR TLS first: STLS\r\n"),
        }
    }
}
