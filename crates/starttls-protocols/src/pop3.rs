//! POP3 (RFC 2595 section 4 over RFC 1939 and RFC 2449).
//!
//! After TLS there is no second greeting. The client forgets the capabilities and asks for them again (RFC 2595 section 4), and an APOP
//! timestamp of the first greeting with them.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal};

use crate::line::{LineEnd, Lines, malformed, split_verb};

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
    lines: Lines,
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Greeting,
    Capa,
    List { offered: bool },
    Command,
    Answer,
}

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(ClientState::Greeting)
    }

    /// The caller has had the dialogue up to a CAPA answer with STLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(ClientState::Command)
    }

    fn starting(state: ClientState) -> Self {
        Self {
            lines: Lines::new(LineEnd::CrLf),
            state,
        }
    }

    fn react(&mut self, line: &[u8], plain: &mut Plain) -> Result<Option<Progress>, Error> {
        if let ClientState::List { offered } = self.state {
            self.state = match line {
                b"." if offered => ClientState::Command,
                b"." => return Err(Error::NotOffered),
                _ => ClientState::List {
                    offered: offered || line.trim_ascii_end().eq_ignore_ascii_case(b"STLS"),
                },
            };
            return Ok(None);
        }
        let (positive, text) = status(line).ok_or_else(|| malformed("reply", line))?;
        match (self.state, positive) {
            (ClientState::Greeting, true) => {
                plain.write_all(b"CAPA\r\n")?;
                self.state = ClientState::Capa;
                Ok(None)
            }
            // Nothing was asked, so that nothing is refused: the server does not want to talk at all.
            (ClientState::Greeting, false) => {
                Err(Misbehaviour::Goodbye(Refusal::new(None, text)).into())
            }
            (ClientState::Capa, true) => {
                self.state = ClientState::List { offered: false };
                Ok(None)
            }
            (ClientState::Capa, false) => {
                self.state = ClientState::Command;
                Ok(None)
            }
            (ClientState::Answer, true) => Ok(Some(Progress::Done(Boundary::Exact))),
            (ClientState::Answer, false) => Err(Refusal::new(None, text).into()),
            _ => Err(Misbehaviour::Unexpected(Refusal::new(None, line)).into()),
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
                plain.write_all(b"STLS\r\n")?;
                self.state = ClientState::Answer;
            }
            let Some(line) = self.lines.next(plain)? else {
                return Ok(Progress::NeedInput);
            };
            if let Some(progress) = self.react(&line, plain)? {
                return Ok(progress);
            }
        }
    }
}

/// The server's part: a greeting, a CAPA answer with STLS, and "TLS first" to everything else.
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

    /// The caller has a command loop and has just consumed a line that was `STLS`: only the go-ahead is left.
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
            b"STLS" if arguments.trim_ascii().is_empty() => {
                self.state = ServerState::GoAhead;
                Ok(())
            }
            b"STLS" => plain.write_all(b"-ERR STLS takes no argument\r\n"),
            b"CAPA" => plain.write_all(b"+OK Capability list follows\r\nSTLS\r\n.\r\n"),
            b"QUIT" => {
                plain.write_all(b"+OK Bye\r\n")?;
                Err(Misbehaviour::Goodbye(Refusal::new(None, line)).into())
            }
            // NOOP too: it "may only be given in the TRANSACTION state" (RFC 1939 section 5).
            _ => plain.write_all(b"-ERR TLS first: STLS\r\n"),
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
                    plain.write_all(b"+OK POP3 server ready\r\n")?;
                    self.state = ServerState::Commands;
                }
                ServerState::GoAhead => {
                    plain.write_all(b"+OK Begin TLS negotiation\r\n")?;
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
