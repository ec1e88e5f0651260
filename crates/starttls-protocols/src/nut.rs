//! NUT, the protocol of `upsd` (RFC 9271, and `docs/net-protocol.txt` of Network UPS Tools).
//!
//! After TLS nothing is said again. A user name and a password that a client may have sent before are known to whoever listened: it sends
//! them only now.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal};

use crate::line::{LineEnd, Lines, split_verb};

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
    lines: Lines,
    asked: bool,
}

impl Client {
    /// On a connection on which nothing was said yet.
    pub fn new() -> Self {
        Self {
            lines: Lines::new(LineEnd::Lf),
            asked: false,
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
        if !self.asked {
            plain.write_all(b"STARTTLS\n")?;
            self.asked = true;
        }
        let Some(line) = self.lines.next(plain)? else {
            return Ok(Progress::NeedInput);
        };
        match &line[..] {
            b"OK STARTTLS" => Ok(Progress::Done(Boundary::Exact)),
            // FEATURE-NOT-SUPPORTED, FEATURE-NOT-CONFIGURED, UNKNOWN-COMMAND, ...
            [b'E', b'R', b'R', b' ', error @ ..] => Err(Refusal::new(None, error).into()),
            _ => Err(Misbehaviour::Unexpected(Refusal::new(None, &line)).into()),
        }
    }
}

/// The server's part: STARTTLS, HELP, LOGOUT, and `ACCESS-DENIED` to everything else.
#[derive(Debug)]
pub struct Server {
    lines: Lines,
    state: ServerState,
}

#[derive(Debug, Clone, Copy)]
enum ServerState {
    Commands,
    GoAhead,
}

impl Server {
    /// On a connection on which nothing was said yet.
    pub fn new() -> Self {
        Self::starting(ServerState::Commands)
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(ServerState::GoAhead)
    }

    fn starting(state: ServerState) -> Self {
        Self {
            lines: Lines::new(LineEnd::Lf),
            state,
        }
    }

    fn react(&mut self, line: &[u8], plain: &mut Plain) -> Result<(), Error> {
        let (verb, arguments) = split_verb(line);
        match &verb[..] {
            b"STARTTLS" if arguments.trim_ascii().is_empty() => {
                self.state = ServerState::GoAhead;
                Ok(())
            }
            b"STARTTLS" => plain.write_all(b"ERR INVALID-ARGUMENT\n"),
            b"HELP" => plain.write_all(b"Commands: HELP LOGOUT STARTTLS\n"),
            b"LOGOUT" => {
                plain.write_all(b"OK Goodbye\n")?;
                Err(Misbehaviour::Goodbye(Refusal::new(None, line)).into())
            }
            _ => plain.write_all(b"ERR ACCESS-DENIED\n"),
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
        loop {
            match self.state {
                ServerState::GoAhead => {
                    plain.write_all(b"OK STARTTLS\n")?;
                    return Ok(Progress::Done(Boundary::Exact));
                }
                ServerState::Commands => match self.lines.next(plain)? {
                    Some(line) => self.react(&line, plain)?,
                    None => return Ok(Progress::NeedInput),
                },
            }
        }
    }
}
