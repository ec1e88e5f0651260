//! NUT, the protocol of `upsd` (RFC 9271, and `docs/net-protocol.txt` of Network UPS Tools).
//!
//! After TLS nothing is said again. A user name and a password that a client may have sent before are known to whoever listened: it sends
//! them only now.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::line::{LineEnd, Lines, split_verb};

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

/// The server's part: STARTTLS, HELP, LOGOUT, and `ACCESS-DENIED` to everything else.
#[derive(Debug)]
pub struct Server {
    dialogue: Dialogue<Lines>,
}

const GO_AHEAD: &str = "OK STARTTLS\n";

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
            dialogue: Dialogue::new(Lines::new(LineEnd::Lf), first),
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
        b"STARTTLS" => Step::answer("ERR INVALID-ARGUMENT\n"),
        b"HELP" => Step::answer("Commands: HELP LOGOUT STARTTLS\n"),
        b"LOGOUT" => Step::goodbye("OK Goodbye\n", line),
        _ => Step::answer("ERR ACCESS-DENIED\n"),
    }
}
