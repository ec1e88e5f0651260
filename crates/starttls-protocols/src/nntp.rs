//! NNTP (RFC 4642 over RFC 3977).
//!
//! After TLS there is no second greeting. Both sides forget what was said, the client asks for CAPABILITIES again (RFC 4642 section 2.2.2).

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal};

use crate::line::{LineEnd, Lines, split_verb};
use crate::reply::{Continuation, Replies, Reply};

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
    replies: Replies,
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Greeting,
    Capabilities,
    List { offered: bool },
    Command,
    Answer,
}

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(ClientState::Greeting)
    }

    /// The caller has had the dialogue up to capabilities with STARTTLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(ClientState::Command)
    }

    fn starting(state: ClientState) -> Self {
        Self {
            replies: Replies::new(Continuation::None),
            state,
        }
    }

    fn react(&mut self, reply: &Reply, plain: &mut Plain) -> Result<Option<Progress>, Error> {
        match (self.state, reply.code) {
            // The server closes (RFC 3977 section 3.2.1), which is possible at any time.
            (_, 400) => Err(reply.goodbye()),
            // Posting allowed or prohibited (RFC 3977 section 5.1.1).
            (ClientState::Greeting, 200 | 201) => {
                plain.write_all(b"CAPABILITIES\r\n")?;
                self.state = ClientState::Capabilities;
                Ok(None)
            }
            (ClientState::Greeting, 502) => Err(reply.goodbye()),
            (ClientState::Capabilities, 101) => {
                self.state = ClientState::List { offered: false };
                Ok(None)
            }
            (ClientState::Capabilities, 500) => {
                self.state = ClientState::Command;
                Ok(None)
            }
            (ClientState::Answer, 382) => Ok(Some(Progress::Done(Boundary::Exact))),
            (ClientState::Answer, 401..=599) => Err(reply.refusal().into()),
            _ => Err(reply.unexpected()),
        }
    }

    /// A line of the list, whose first word is a capability (RFC 3977 section 3.3.1).
    fn learn(&mut self, offered: bool, line: &[u8]) -> Result<(), Error> {
        self.state = match line {
            b"." if offered => ClientState::Command,
            b"." => return Err(Error::NotOffered),
            _ => ClientState::List {
                offered: offered || split_verb(line).0 == b"STARTTLS",
            },
        };
        Ok(())
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
            match self.state {
                ClientState::Command => {
                    plain.write_all(b"STARTTLS\r\n")?;
                    self.state = ClientState::Answer;
                }
                ClientState::List { offered } => match self.replies.next_line(plain)? {
                    Some(line) => self.learn(offered, &line)?,
                    None => return Ok(Progress::NeedInput),
                },
                ClientState::Greeting | ClientState::Capabilities | ClientState::Answer => {
                    let Some(reply) = self.replies.next(plain)? else {
                        return Ok(Progress::NeedInput);
                    };
                    if let Some(progress) = self.react(&reply, plain)? {
                        return Ok(progress);
                    }
                }
            }
        }
    }
}

/// The server's part: a greeting, capabilities with STARTTLS, and "TLS first" to everything else.
#[derive(Debug)]
pub struct Server {
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
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(ServerState::Start)
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(ServerState::GoAhead)
    }

    fn starting(state: ServerState) -> Self {
        Self {
            lines: Lines::new(LineEnd::CrLf),
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
            b"STARTTLS" => plain.write_all(b"501 STARTTLS takes no argument\r\n"),
            b"CAPABILITIES" => {
                plain.write_all(b"101 Capability list:\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n")
            }
            b"QUIT" => {
                plain.write_all(b"205 Bye\r\n")?;
                Err(Misbehaviour::Goodbye(Refusal::new(None, line)).into())
            }
            // "Command unavailable until suitable privacy has been arranged" (RFC 3977 section 3.2.1)
            _ => plain.write_all(b"483 STARTTLS first\r\n"),
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
                ServerState::Start => {
                    plain.write_all(b"200 NNTP service ready\r\n")?;
                    self.state = ServerState::Commands;
                }
                ServerState::GoAhead => {
                    plain.write_all(b"382 Continue with TLS negotiation\r\n")?;
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
