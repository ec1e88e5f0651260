//! ManageSieve (RFC 5804).
//!
//! After TLS the server speaks first: it sends its capabilities again, with an `OK` behind them, and the client must read them before it
//! says anything (RFC 5804 section 2.2). What either side learnt before is forgotten.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Untrusted};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::farewell;
use crate::read::line::{split_verb, text};
use crate::read::literal::{Message, Messages};
use crate::read::misbehaviour::malformed;

/// The client's part: the server's capabilities, STARTTLS.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::managesieve;
///
/// let mut client = managesieve::Client::new();
/// let mut plain = Plain::with_prefix(b"\"STARTTLS\"\r\nOK\r\nOK \"Begin TLS negotiation now\"\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// assert_eq!(client.capabilities().map(|heard| heard.into_inner()), Some(&["STARTTLS".to_owned()][..]));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    capabilities: Option<Vec<String>>,
    dialogue: Dialogue<Messages, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Answer,
}

const STARTTLS: &str = "STARTTLS\r\n";

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Awaited::Greeting))
    }

    /// The caller has read capabilities with STARTTLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(Step::say(STARTTLS, Awaited::Answer))
    }

    fn starting(first: Step<Awaited>) -> Self {
        Self {
            capabilities: None,
            dialogue: Dialogue::new(Messages::new(|_| true), first),
        }
    }

    /// What the server can do, as its greeting says it: a name each, and behind a blank its value. It does not count after TLS.
    pub fn capabilities(&self) -> Option<Untrusted<&[String]>> {
        self.capabilities.as_deref().map(Untrusted::new)
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
        self.dialogue.advance(plain, |awaited, message| {
            react(awaited, message, &mut self.capabilities)
        })
    }
}

fn react(
    awaited: Awaited,
    message: &Message,
    capabilities: &mut Option<Vec<String>>,
) -> Result<Step<Awaited>, Error> {
    let response =
        Response::of(message).ok_or_else(|| malformed("response", message.first_line()))?;
    match (awaited, response) {
        // The server closes the connection (RFC 5804 section 1.3).
        (_, Response::Bye) => Err(message.goodbye()),
        (Awaited::Greeting, Response::Strings(strings)) => {
            let capabilities = capabilities.get_or_insert_default();
            capabilities.push(text(&strings.join(&b' ')));
            Ok(Step::Await(Awaited::Greeting))
        }
        (Awaited::Greeting, Response::Ok) => {
            let is_starttls = |line: &&String| {
                let (name, _) = split_verb(line.as_bytes());
                name == b"STARTTLS"
            };
            let offered = capabilities
                .get_or_insert_default()
                .iter()
                .find(is_starttls);
            if offered.is_some() {
                Ok(Step::say(STARTTLS, Awaited::Answer))
            } else {
                Err(Error::NotOffered)
            }
        }
        // Nothing was asked, so that nothing is refused: the server does not want to talk at all.
        (Awaited::Greeting, Response::No) => Err(message.goodbye()),
        (Awaited::Answer, Response::Ok) => Ok(Step::Done(Boundary::Exact)),
        (Awaited::Answer, Response::No) => Err(message.refusal().into()),
        (Awaited::Answer, Response::Strings(_)) => Err(message.unexpected()),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Response {
    Ok,
    No,
    Bye,
    /// A capability: its name, and its value if it has one.
    Strings(Vec<Vec<u8>>),
}

impl Response {
    fn of(message: &Message) -> Option<Self> {
        let line = message.first_line();
        if let [b'"' | b'{', ..] = line {
            return strings(message).map(Self::Strings);
        }
        match &split_verb(line).0[..] {
            b"OK" => Some(Self::Ok),
            b"NO" => Some(Self::No),
            b"BYE" => Some(Self::Bye),
            _ => None,
        }
    }
}

/// The strings of a message that is nothing else, quoted or literal.
fn strings(message: &Message) -> Option<Vec<Vec<u8>>> {
    let mut strings = Vec::new();
    let mut literals = message.literals.iter();
    for line in &message.lines {
        let mut rest = &line[..];
        loop {
            rest = rest.trim_ascii();
            match rest {
                [] => break,
                [b'"', quoted @ ..] => {
                    let (string, behind) = unquote(quoted)?;
                    strings.push(string);
                    rest = behind;
                }
                // It announces the literal behind this line.
                [b'{', ..] => {
                    strings.push(literals.next()?.clone());
                    break;
                }
                _ => return None,
            }
        }
    }
    Some(strings)
}

/// What a quoted string says, from behind its first quotation mark, and what is behind its last one (RFC 5804 section 4, `quoted`).
fn unquote(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut string = Vec::new();
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((string, quoted.get(at..)?.get(1..)?)),
            b'\\' => string.push(*bytes.next()?.1),
            byte => string.push(*byte),
        }
    }
    None
}

/// The server's part: capabilities with STARTTLS and without any way to log in, and "TLS first" to everything else.
///
/// After TLS the caller sends the capabilities again, which are others then.
#[derive(Debug)]
pub struct Server {
    /// `None` if the caller has greeted.
    session: Option<Session>,
    dialogue: Dialogue<Messages>,
}

#[derive(Debug)]
struct Session {
    implementation: String,
    capabilities: Vec<(String, String)>,
    is_optional: bool,
}

const GO_AHEAD: &str = "OK \"Begin TLS negotiation now\"\r\n";

/// The longest quoted string (RFC 5804 section 4), and so the longest tag of NOOP.
const MAX_TAG: usize = 1024;

impl Server {
    /// From the greeting on. `implementation` is the name of the server and its version.
    pub fn new(implementation: impl Into<String>) -> Self {
        let session = Session {
            implementation: implementation.into(),
            capabilities: Vec::new(),
            is_optional: false,
        };
        Self {
            dialogue: session.dialogue(),
            session: Some(session),
        }
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self {
            session: None,
            dialogue: Dialogue::new(Messages::new(|_| true), Step::go_ahead(GO_AHEAD)),
        }
    }

    /// Offers TLS and does not demand it. CAPABILITY, NOOP, STARTTLS and LOGOUT are answered here; at any other command the negotiation ends in
    /// [`Error::NotRequested`], with the command and its literals unread, and the session goes on in plaintext.
    ///
    /// ```
    /// use starttls_core::{Error, Negotiator, Plain};
    /// use starttls_protocols::managesieve;
    ///
    /// let server = managesieve::Server::new("Example 1.0").optional();
    /// let mut server = server.capability("SASL", "SCRAM-SHA-256").capability("SIEVE", "fileinto");
    /// let mut plain = Plain::with_prefix(b"AUTHENTICATE \"SCRAM-SHA-256\" {12+}\r\n");
    /// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
    /// assert_eq!(plain.peek(), b"AUTHENTICATE \"SCRAM-SHA-256\" {12+}\r\n");
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        if let Some(session) = &mut self.session {
            session.is_optional = true;
            self.dialogue = session.dialogue();
        }
        self
    }

    /// One more capability before TLS, beside IMPLEMENTATION, STARTTLS and VERSION. SASL, the ways to log in, and SIEVE, the extensions, are empty
    /// unless they are set.
    #[must_use]
    pub fn capability(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        if let Some(session) = &mut self.session {
            session.capabilities.push((name.into(), value.into()));
            self.dialogue = session.dialogue();
        }
        self
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if let Some(session) = &self.session {
            session.check_configuration()?;
        }
        let session = self.session.as_ref();
        self.dialogue.advance(plain, |(), message| {
            Ok(session.map_or(Step::Await(()), |session| session.answer(message)))
        })
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        farewell::reason(error).map_or_else(Vec::new, |reason| {
            format!("BYE \"{reason}\"\r\n").into_bytes()
        })
    }
}

impl Session {
    fn dialogue(&self) -> Dialogue<Messages> {
        // What is left to the caller is left with its literals.
        let messages = Messages::new(if self.is_optional {
            |line| split_verb(line).0 == b"NOOP"
        } else {
            |_| true
        });
        Dialogue::new(messages, Step::say(self.capabilities(), ()))
    }

    fn check_configuration(&self) -> Result<(), Misuse> {
        let is_quoted = |string: &str| {
            !string
                .chars()
                .any(|char| char.is_control() || matches!(char, '"' | '\\'))
        };
        if self.implementation.is_empty() || !is_quoted(&self.implementation) {
            return Err(Misuse::Configuration(
                "the implementation is no quoted string",
            ));
        }
        let mut capabilities = self.capabilities.iter();
        if !capabilities
            .all(|(name, value)| !name.is_empty() && is_quoted(name) && is_quoted(value))
        {
            return Err(Misuse::Configuration("a capability is no quoted string"));
        }
        Ok(())
    }

    /// Literals are read with the command that they belong to, and the whole is answered once: a client of ManageSieve does not wait before
    /// it sends one (RFC 5804 section 4, `literal-c2s`).
    fn answer(&self, message: &Message) -> Step {
        let (verb, arguments) = split_verb(message.first_line());
        match &verb[..] {
            b"STARTTLS" if arguments.is_empty() => Step::go_ahead(GO_AHEAD),
            b"STARTTLS" => Step::answer("NO \"STARTTLS takes no argument\"\r\n"),
            b"CAPABILITY" if arguments.is_empty() => Step::answer(self.capabilities()),
            b"NOOP" if arguments.is_empty() => Step::answer("OK \"Done\"\r\n"),
            b"NOOP" => Step::answer(echo(message)),
            b"LOGOUT" => Step::fail("OK \"Bye\"\r\n", message.goodbye()),
            _ if self.is_optional => Step::Leave,
            // RFC 5804 section 1.3
            _ => Step::answer("NO (ENCRYPT-NEEDED) \"STARTTLS first\"\r\n"),
        }
    }

    /// The capabilities that there must be (RFC 5804 section 1.7), and STARTTLS. An empty SASL list means that nobody can log in yet. OK has
    /// a text, since GnuTLS' client waits for one.
    fn capabilities(&self) -> String {
        let mut lines = vec![format!("\"IMPLEMENTATION\" \"{}\"", self.implementation)];
        for name in ["SASL", "SIEVE"] {
            let mut set = self.capabilities.iter();
            if !set.any(|(set, _)| set.eq_ignore_ascii_case(name)) {
                lines.push(format!("\"{name}\" \"\""));
            }
        }
        for (name, value) in &self.capabilities {
            lines.push(format!("\"{name}\" \"{value}\""));
        }
        lines.extend(["\"STARTTLS\"", "\"VERSION\" \"1.0\""].map(str::to_owned));
        lines.extend(["OK \"STARTTLS is possible\"", ""].map(str::to_owned));
        lines.join("\r\n")
    }
}

/// The only argument of NOOP, a string of either form, comes back in a code (RFC 5804 section 2.13). A literal of ours has no `+`.
fn echo(message: &Message) -> Vec<u8> {
    let (_, arguments) = split_verb(message.first_line());
    let tag = match (
        arguments.trim_ascii(),
        &message.literals[..],
        &message.lines[..],
    ) {
        ([b'"', quoted @ ..], [], _) => match unquote(quoted) {
            Some((_, [])) => Some(arguments.trim_ascii().to_vec()),
            _ => None,
        },
        ([b'{', ..], [literal], [_, last]) if last.is_empty() => {
            let announced = format!("{{{}}}\r\n", literal.len());
            Some([announced.as_bytes(), literal].concat())
        }
        _ => None,
    };
    match tag {
        Some(tag) if tag.len() <= MAX_TAG => [b"OK (TAG ", &tag[..], b") \"Done\"\r\n"].concat(),
        Some(_) => b"NO \"The tag is too long\"\r\n".to_vec(),
        None => b"NO \"NOOP takes one string\"\r\n".to_vec(),
    }
}
