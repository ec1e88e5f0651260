//! Munin, the protocol between a master and its nodes (`Munin::Common::TLS` and `Munin::Node::Server` of Munin; there is no other
//! specification).
//!
//! After TLS there is no second greeting. The master says `cap` again, if it had.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::farewell;
use crate::read::line::{LineEnd, Lines, is_name, split_verb, text};
use crate::read::misbehaviour::malformed;

/// The master's part: the node's greeting, STARTTLS.
///
/// Only `TLS OK` is taken. `TLS MAYBE` is a refusal: it is what a node says that has no key, and nobody can verify it then. It begins TLS all the
/// same, so that there is no way on in plaintext ([`Refusal::ends_connection`]).
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::munin;
///
/// let mut client = munin::Client::new();
/// let mut plain = Plain::with_prefix(b"# munin node at node.example.org\nTLS OK\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// assert_eq!(client.node_name().map(|heard| heard.into_inner()), Some("node.example.org"));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    greeting: Option<String>,
    dialogue: Dialogue<Lines, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Answer,
}

const STARTTLS: &str = "STARTTLS\n";

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Awaited::Greeting))
    }

    /// The caller has read the greeting: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(Step::say(STARTTLS, Awaited::Answer))
    }

    fn starting(first: Step<Awaited>) -> Self {
        Self {
            greeting: None,
            dialogue: Dialogue::new(Lines::new(LineEnd::Lf), first),
        }
    }

    /// The greeting, a comment.
    pub fn greeting(&self) -> Option<Untrusted<&str>> {
        self.greeting.as_deref().map(Untrusted::new)
    }

    /// What the node calls itself in it.
    pub fn node_name(&self) -> Option<Untrusted<&str>> {
        let (_, name) = self.greeting.as_deref()?.rsplit_once(' ')?;
        Some(Untrusted::new(name))
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
        self.dialogue.advance(plain, |awaited, line| {
            let step = react(awaited, line)?;
            if matches!(awaited, Awaited::Greeting) {
                self.greeting = Some(text(line.trim_ascii()));
            }
            Ok(step)
        })
    }
}

fn react(awaited: Awaited, line: &[u8]) -> Result<Step<Awaited>, Error> {
    match (awaited, line) {
        (Awaited::Greeting, line) if is_greeting(line) => Ok(Step::say(STARTTLS, Awaited::Answer)),
        (Awaited::Greeting, line) => Err(malformed("greeting", line)),
        (Awaited::Answer, b"TLS OK") => Ok(Step::Done(Boundary::Exact)),
        (Awaited::Answer, b"TLS MAYBE") => Err(Refusal::new(None, line).ending().into()),
        // A comment is how a node says what is wrong: it does not know the command.
        (Awaited::Answer, [b'#', ..]) => Err(Refusal::new(None, line).into()),
        _ => Err(Misbehaviour::Unexpected(Refusal::new(None, line)).into()),
    }
}

/// `# munin node at NAME`, of which the master looks for "munin node at" or "munin client at" behind the `#`.
fn is_greeting(line: &[u8]) -> bool {
    let line = line.to_ascii_lowercase();
    line.starts_with(b"# munin node at ") || line.starts_with(b"# munin client at ")
}

/// The node's part: a greeting, and "TLS first" as a comment to everything else.
#[derive(Debug)]
pub struct Server {
    /// `None` if the caller has greeted.
    name: Option<String>,
    is_optional: bool,
    dialogue: Dialogue<Lines>,
}

const GO_AHEAD: &str = "TLS OK\n";

impl Server {
    /// From the greeting on. `name` is the node's host name. One that is not one word is [`Misuse::Configuration`].
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let greeting = format!("# munin node at {name}\n");
        Self::starting(Step::say(greeting, ()), Some(name))
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(Step::go_ahead(GO_AHEAD), None)
    }

    fn starting(first: Step, name: Option<String>) -> Self {
        Self {
            name,
            is_optional: false,
            dialogue: Dialogue::new(Lines::new(LineEnd::Lf), first),
        }
    }

    /// Offers TLS and does not demand it. STARTTLS and `quit` are answered here; at any other command the negotiation ends in
    /// [`Error::NotRequested`], with the command unread, and the session goes on in plaintext.
    ///
    /// ```
    /// use starttls_core::{Error, Negotiator, Plain};
    /// use starttls_protocols::munin;
    ///
    /// let mut server = munin::Server::new("node.example.org").optional();
    /// let mut plain = Plain::with_prefix(b"list\n");
    /// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
    /// assert_eq!(plain.peek(), b"list\n");
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if self.name.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(Misuse::Configuration("the node's name is not one word").into());
        }
        self.dialogue
            .advance(plain, |(), line| Ok(answer(line, self.is_optional)))
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        farewell::reason(error).map_or_else(Vec::new, |reason| format!("# {reason}\n").into_bytes())
    }
}

fn answer(line: &[u8], is_optional: bool) -> Step {
    let (verb, arguments) = split_verb(line);
    match &verb[..] {
        b"STARTTLS" if arguments.trim_ascii().is_empty() => Step::go_ahead(GO_AHEAD),
        // Neither is answered.
        b"QUIT" | b"." => Step::goodbye("", line),
        _ if is_optional => Step::Leave,
        _ => Step::answer("# I require TLS: STARTTLS first\n"),
    }
}
