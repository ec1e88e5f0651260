//! NNTP (RFC 4642 over RFC 3977).
//!
//! After TLS there is no second greeting. Both sides forget what was said, the client asks for CAPABILITIES again (RFC 4642 section 2.2.2).

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Negotiator, Plain, Progress};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::line::{LineEnd, Lines, split_verb};
use crate::read::reply::Reply;

/// The client's part: greeting, CAPABILITIES, STARTTLS.
///
/// A server that does not know CAPABILITIES (it is older than RFC 3977) is asked for STARTTLS all the same, and its answer counts.
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
    dialogue: Dialogue<Lines, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Capabilities,
    List { offered: bool },
    Answer,
}

const STARTTLS: &str = "STARTTLS\r\n";

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Awaited::Greeting))
    }

    /// The caller has had the dialogue up to capabilities with STARTTLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(Step::say(STARTTLS, Awaited::Answer))
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
            b"." if offered => Ok(Step::say(STARTTLS, Awaited::Answer)),
            b"." => Err(Error::NotOffered),
            // The first word of a line is a capability (RFC 3977 section 3.3.1).
            _ => Ok(Step::Await(Awaited::List {
                offered: offered || split_verb(line).0 == b"STARTTLS",
            })),
        };
    }
    let reply = Reply::of_one_line(line)?;
    match (awaited, reply.code) {
        // The server closes (RFC 3977 section 3.2.1), which is possible at any time.
        (_, 400) => Err(reply.goodbye()),
        // Posting allowed or prohibited (RFC 3977 section 5.1.1).
        (Awaited::Greeting, 200 | 201) => Ok(Step::say("CAPABILITIES\r\n", Awaited::Capabilities)),
        (Awaited::Greeting, 502) => Err(reply.goodbye()),
        (Awaited::Capabilities, 101) => Ok(Step::Await(Awaited::List { offered: false })),
        (Awaited::Capabilities, 500) => Ok(Step::say(STARTTLS, Awaited::Answer)),
        (Awaited::Answer, 382) => Ok(Step::Done(Boundary::Exact)),
        (Awaited::Answer, 401..=599) => Err(reply.refusal().into()),
        _ => Err(reply.unexpected()),
    }
}

/// The server's part: a greeting, capabilities with STARTTLS, and "TLS first" to everything else.
#[derive(Debug)]
pub struct Server {
    dialogue: Dialogue<Lines>,
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
        b"STARTTLS" if arguments.trim_ascii().is_empty() => Step::go_ahead(GO_AHEAD),
        b"STARTTLS" => Step::answer("501 STARTTLS takes no argument\r\n"),
        b"CAPABILITIES" => Step::answer("101 Capability list:\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n"),
        b"QUIT" => Step::goodbye("205 Bye\r\n", line),
        // "Command unavailable until suitable privacy has been arranged" (RFC 3977 section 3.2.1)
        _ => Step::answer("483 STARTTLS first\r\n"),
    }
}
