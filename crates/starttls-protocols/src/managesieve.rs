//! ManageSieve (RFC 5804).
//!
//! After TLS the server speaks first: it sends its capabilities again, with an `OK` behind them, and the client must read them before it
//! says anything (RFC 5804 section 2.2). What either side learnt before is forgotten.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::line::{has_line_end, split_verb};
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
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    dialogue: Dialogue<Messages, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting { offered: bool },
    Answer,
}

const STARTTLS: &str = "STARTTLS\r\n";

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Awaited::Greeting { offered: false }))
    }

    /// The caller has read capabilities with STARTTLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(Step::say(STARTTLS, Awaited::Answer))
    }

    fn starting(first: Step<Awaited>) -> Self {
        Self {
            dialogue: Dialogue::new(Messages::new(|_| true), first),
        }
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
        self.dialogue.advance(plain, react)
    }
}

fn react(awaited: Awaited, message: &Message) -> Result<Step<Awaited>, Error> {
    let response =
        Response::of(message).ok_or_else(|| malformed("response", message.first_line()))?;
    match (awaited, response) {
        // The server closes the connection (RFC 5804 section 1.3).
        (_, Response::Bye) => Err(message.goodbye()),
        (Awaited::Greeting { offered }, Response::Capability(name)) => {
            let offered = offered || name.eq_ignore_ascii_case(b"STARTTLS");
            Ok(Step::Await(Awaited::Greeting { offered }))
        }
        (Awaited::Greeting { offered: true }, Response::Ok) => {
            Ok(Step::say(STARTTLS, Awaited::Answer))
        }
        (Awaited::Greeting { offered: false }, Response::Ok) => Err(Error::NotOffered),
        (Awaited::Answer, Response::Ok) => Ok(Step::Done(Boundary::Exact)),
        (Awaited::Answer, Response::No) => Err(message.refusal().into()),
        _ => Err(message.unexpected()),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Response<'a> {
    Ok,
    No,
    Bye,
    /// A string in front: the name of a capability.
    Capability(&'a [u8]),
}

impl<'a> Response<'a> {
    fn of(message: &'a Message) -> Option<Self> {
        let line = message.first_line();
        match line {
            [b'"', quoted @ ..] => {
                let end = quoted.iter().position(|byte| *byte == b'"')?;
                return quoted.get(..end).map(Self::Capability);
            }
            [b'{', ..] => return message.literals.first().map(|name| Self::Capability(name)),
            _ => {}
        }
        match &split_verb(line).0[..] {
            b"OK" => Some(Self::Ok),
            b"NO" => Some(Self::No),
            b"BYE" => Some(Self::Bye),
            _ => None,
        }
    }
}

/// The server's part: capabilities with STARTTLS and without any way to log in, and "TLS first" to everything else.
///
/// After TLS the caller sends the capabilities again, which are others then.
#[derive(Debug)]
pub struct Server {
    implementation: String,
    dialogue: Dialogue<Messages>,
}

const GO_AHEAD: &str = "OK \"Begin TLS negotiation now\"\r\n";

impl Server {
    /// From the greeting on. `implementation` is the name of the server and its version.
    pub fn new(implementation: impl Into<String>) -> Self {
        let implementation = implementation.into();
        let greeting = capabilities(&implementation);
        Self::starting(Step::say(greeting, ()), implementation)
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(Step::go_ahead(GO_AHEAD), String::new())
    }

    fn starting(first: Step, implementation: String) -> Self {
        Self {
            implementation,
            dialogue: Dialogue::new(Messages::new(|_| true), first),
        }
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if has_line_end(&self.implementation) || self.implementation.contains(['"', '\\']) {
            return Err(Misuse::Configuration("the implementation is no quoted string").into());
        }
        self.dialogue.advance(plain, |(), message| {
            Ok(answer(message, &self.implementation))
        })
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        match error {
            // A literal that is not read cannot be told from commands.
            Error::Misbehaved(Misbehaviour::TooLong { .. }) => {
                b"BYE \"Too much before TLS\"\r\n".to_vec()
            }
            _ => Vec::new(),
        }
    }
}

/// Literals are read with the command that they belong to, and the whole is answered once: a client of ManageSieve does not wait before
/// it sends one (RFC 5804 section 4, `literal-c2s`).
fn answer(message: &Message, implementation: &str) -> Step {
    let (verb, arguments) = split_verb(message.first_line());
    match &verb[..] {
        b"STARTTLS" if arguments.is_empty() => Step::go_ahead(GO_AHEAD),
        b"STARTTLS" => Step::answer("NO \"STARTTLS takes no argument\"\r\n"),
        b"CAPABILITY" if arguments.is_empty() => Step::answer(capabilities(implementation)),
        b"NOOP" => match quoted(arguments) {
            // It comes back in a code (RFC 5804 section 2.13).
            Some(tag) => Step::answer([b"OK (TAG ", tag, b") \"Done\"\r\n"].concat()),
            None if arguments.is_empty() => Step::answer("OK \"Done\"\r\n"),
            None => Step::answer("NO \"NOOP takes a quoted string\"\r\n"),
        },
        b"LOGOUT" => Step::fail("OK \"Bye\"\r\n", message.goodbye()),
        // RFC 5804 section 1.3
        _ => Step::answer("NO (ENCRYPT-NEEDED) \"STARTTLS first\"\r\n"),
    }
}

/// The capabilities that there must be (RFC 5804 section 1.7), and STARTTLS. An empty SASL list means that nobody can log in yet. OK has
/// a text, since GnuTLS' client waits for one.
fn capabilities(implementation: &str) -> String {
    let lines = [
        &format!("\"IMPLEMENTATION\" \"{implementation}\""),
        "\"SASL\" \"\"",
        "\"SIEVE\" \"\"",
        "\"STARTTLS\"",
        "\"VERSION\" \"1.0\"",
        "OK \"STARTTLS is possible\"",
        "",
    ];
    lines.join("\r\n")
}

/// The only argument, with its quotation marks, if that is a string without escapes.
fn quoted(arguments: &[u8]) -> Option<&[u8]> {
    let string = arguments.strip_prefix(b" ")?;
    let inner = string.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0);
    inner.iter().all(plain).then_some(string)
}
