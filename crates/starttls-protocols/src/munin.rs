//! Munin, the protocol between a master and its nodes (`Munin::Common::TLS` and `Munin::Node::Server` of Munin; there is no other
//! specification).
//!
//! After TLS there is no second greeting. The master says `cap` again, if it had.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal};

use crate::line::{LineEnd, Lines, has_line_end, malformed, split_verb};

/// The master's part: the node's greeting, STARTTLS.
///
/// Only `TLS OK` is taken. `TLS MAYBE` is a refusal: it is what a node says that has no key, and nobody can verify it then.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::munin;
///
/// let mut client = munin::Client::new();
/// let mut plain = Plain::with_prefix(b"# munin node at node.example.org\nTLS OK\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    lines: Lines,
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Greeting,
    Command,
    Answer,
}

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(ClientState::Greeting)
    }

    /// The caller has read the greeting: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(ClientState::Command)
    }

    fn starting(state: ClientState) -> Self {
        Self {
            lines: Lines::new(LineEnd::Lf),
            state,
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
        loop {
            if matches!(self.state, ClientState::Command) {
                plain.write_all(b"STARTTLS\n")?;
                self.state = ClientState::Answer;
            }
            let Some(line) = self.lines.next(plain)? else {
                return Ok(Progress::NeedInput);
            };
            match (self.state, &line[..]) {
                (ClientState::Greeting, line) if is_greeting(line) => {
                    self.state = ClientState::Command;
                }
                (ClientState::Greeting, line) => return Err(malformed("greeting", line)),
                (_, b"TLS OK") => return Ok(Progress::Done(Boundary::Exact)),
                // A comment is how a node says what is wrong: it does not know the command.
                (_, b"TLS MAYBE" | [b'#', ..]) => return Err(Refusal::new(None, &line).into()),
                _ => return Err(Misbehaviour::Unexpected(Refusal::new(None, &line)).into()),
            }
        }
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
    name: String,
    lines: Lines,
    state: ServerState,
}

#[derive(Debug, Clone, Copy)]
enum ServerState {
    Start,
    Commands,
    GoAhead,
}

impl Server {
    /// From the greeting on. `name` is the node's host name.
    pub fn new(name: impl Into<String>) -> Self {
        Self::starting(ServerState::Start, name.into())
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(ServerState::GoAhead, String::new())
    }

    fn starting(state: ServerState, name: String) -> Self {
        Self {
            name,
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
            // Neither is answered.
            b"QUIT" | b"." => Err(Misbehaviour::Goodbye(Refusal::new(None, line)).into()),
            _ => plain.write_all(b"# I require TLS: STARTTLS first\n"),
        }
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if has_line_end(&self.name) {
            return Err(Misuse::Configuration("the node's name has a line end").into());
        }
        loop {
            match self.state {
                ServerState::Start => {
                    plain.write_all(format!("# munin node at {}\n", self.name).as_bytes())?;
                    self.state = ServerState::Commands;
                }
                ServerState::GoAhead => {
                    plain.write_all(b"TLS OK\n")?;
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
