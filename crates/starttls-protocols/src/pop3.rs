//! POP3 (RFC 2595 section 4 over RFC 1939 and RFC 2449).
//!
//! After TLS there is no second greeting. The client forgets the capabilities and asks for them again (RFC 2595 section 4), and an APOP
//! timestamp of the first greeting with them.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::line::{LineEnd, Lines, split_verb};
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
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    dialogue: Dialogue<Lines, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Capa,
    List { offered: bool },
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
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), first),
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
        self.dialogue
            .advance(plain, |awaited, line| react(awaited, line))
    }
}

fn react(awaited: Awaited, line: &[u8]) -> Result<Step<Awaited>, Error> {
    if let Awaited::List { offered } = awaited {
        return match line {
            b"." if offered => Ok(Step::say(STLS, Awaited::Answer)),
            b"." => Err(Error::NotOffered),
            _ => Ok(Step::Await(Awaited::List {
                offered: offered || line.trim_ascii_end().eq_ignore_ascii_case(b"STLS"),
            })),
        };
    }
    let (positive, text) = status(line).ok_or_else(|| malformed("reply", line))?;
    match (awaited, positive) {
        (Awaited::Greeting, true) => Ok(Step::say("CAPA\r\n", Awaited::Capa)),
        // Nothing was asked, so that nothing is refused: the server does not want to talk at all.
        (Awaited::Greeting, false) => Err(Error::Goodbye(Refusal::new(None, text))),
        (Awaited::Capa, true) => Ok(Step::Await(Awaited::List { offered: false })),
        (Awaited::Capa, false) => Ok(Step::say(STLS, Awaited::Answer)),
        (Awaited::Answer, true) => Ok(Step::Done(Boundary::Exact)),
        (Awaited::Answer, false) => Err(Refusal::new(None, text).into()),
        _ => Err(Misbehaviour::Unexpected(Refusal::new(None, line)).into()),
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
    dialogue: Dialogue<Lines>,
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
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), first),
        }
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
        self.dialogue.advance(plain, |(), line| Ok(answer(line)))
    }
}

fn answer(line: &[u8]) -> Step {
    let (verb, arguments) = split_verb(line);
    match &verb[..] {
        b"STLS" if arguments.trim_ascii().is_empty() => Step::go_ahead(GO_AHEAD),
        b"STLS" => Step::answer("-ERR STLS takes no argument\r\n"),
        b"CAPA" => Step::answer("+OK Capability list follows\r\nSTLS\r\n.\r\n"),
        b"QUIT" => Step::goodbye("+OK Bye\r\n", line),
        // NOOP too: it "may only be given in the TRANSACTION state" (RFC 1939 section 5).
        _ => Step::answer("-ERR TLS first: STLS\r\n"),
    }
}
