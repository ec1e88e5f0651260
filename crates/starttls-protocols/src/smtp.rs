//! SMTP (RFC 3207 over RFC 5321) and LMTP (RFC 2033), which differs in the name of its greeting.
//!
//! After TLS both sides forget what was said: the client sends EHLO again (RFC 3207 section 4.2).

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, rustls};

use crate::line::{LineEnd, Lines, has_line_end};
use crate::reply::{Continuation, Replies, Reply};

/// The client's part: greeting, EHLO, STARTTLS.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Phase, Plain, Progress};
/// use starttls_protocols::smtp;
///
/// let mut client = smtp::Client::new("me.example.net");
/// let mut plain = Plain::with_prefix(b"220 mail.example.org\r\n250-mail.example.org\r\n250 STARTTLS\r\n220 go\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    greeting: &'static str,
    name: String,
    replies: Replies,
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Start,
    Greeting,
    Hello,
    Command,
    Answer,
}

impl Client {
    /// SMTP from the greeting on. `name` is what EHLO says: the client's own host name or address literal.
    pub fn new(name: impl Into<String>) -> Self {
        Self::starting(ClientState::Start, "EHLO", name.into())
    }

    /// LMTP from the greeting on.
    pub fn lmtp(name: impl Into<String>) -> Self {
        Self::starting(ClientState::Start, "LHLO", name.into())
    }

    /// The caller has had the dialogue up to an EHLO or LHLO answer that offers STARTTLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(ClientState::Command, "EHLO", String::new())
    }

    fn starting(state: ClientState, greeting: &'static str, name: String) -> Self {
        Self {
            greeting,
            name,
            replies: Replies::new(Continuation::SameCode),
            state,
        }
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if has_line_end(&self.name) {
            return Err(Misuse::Configuration("the name for EHLO has a line end").into());
        }
        loop {
            match self.state {
                ClientState::Start => self.state = ClientState::Greeting,
                ClientState::Command => {
                    plain.write_all(b"STARTTLS\r\n")?;
                    self.state = ClientState::Answer;
                }
                ClientState::Greeting | ClientState::Hello | ClientState::Answer => {
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

impl Client {
    fn react(&mut self, reply: &Reply, plain: &mut Plain) -> Result<Option<Progress>, Error> {
        match (self.state, reply.code) {
            // "421 Service not available, closing transmission channel" (RFC 5321 section 3.8) is possible at any time.
            (_, 421) => Err(reply.goodbye()),
            (ClientState::Greeting, 220) => {
                let Self { greeting, name, .. } = &*self;
                plain.write_all(format!("{greeting} {name}\r\n").as_bytes())?;
                self.state = ClientState::Hello;
                Ok(None)
            }
            (ClientState::Hello, 250) if offers(reply) => {
                self.state = ClientState::Command;
                Ok(None)
            }
            (ClientState::Hello, 250) => Err(Error::NotOffered),
            // A server that does not know EHLO has no extensions.
            (ClientState::Hello, 500 | 502) => Err(Error::NotOffered),
            (ClientState::Answer, 220) => Ok(Some(Progress::Done(Boundary::Exact))),
            // Only 4xx and 5xx are refusals; a 250 to STARTTLS means that the two sides do not speak of the same thing.
            (ClientState::Answer, 400..=599) => Err(reply.refusal().into()),
            (ClientState::Greeting, 554) => Err(reply.goodbye()),
            _ => Err(reply.unexpected()),
        }
    }
}

/// The first line of an EHLO answer is the server's name, whatever it says; an extension is a whole word.
fn offers(reply: &Reply) -> bool {
    reply
        .lines
        .iter()
        .skip(1)
        .any(|line| line.trim_ascii().eq_ignore_ascii_case(b"STARTTLS"))
}

/// The server's part: a greeting, an EHLO answer with STARTTLS, and "TLS first" to everything else.
#[derive(Debug)]
pub struct Server {
    greeting: &'static str,
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
    /// SMTP from the greeting on. `name` is this server's host name.
    pub fn new(name: impl Into<String>) -> Self {
        Self::starting(ServerState::Start, "EHLO", name.into())
    }

    /// LMTP from the greeting on.
    pub fn lmtp(name: impl Into<String>) -> Self {
        Self::starting(ServerState::Start, "LHLO", name.into())
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(ServerState::GoAhead, "EHLO", String::new())
    }

    fn starting(state: ServerState, greeting: &'static str, name: String) -> Self {
        Self {
            greeting,
            name,
            lines: Lines::new(LineEnd::CrLf),
            state,
        }
    }

    fn react(&mut self, line: &[u8], plain: &mut Plain) -> Result<(), Error> {
        let (verb, rest) = match line.iter().position(|byte| *byte == b' ') {
            Some(space) => line.split_at(space),
            None => (line, &[][..]),
        };
        let verb = verb.to_ascii_uppercase();
        let name = &self.name;
        match &verb[..] {
            b"STARTTLS" if rest.trim_ascii().is_empty() => {
                self.state = ServerState::GoAhead;
                Ok(())
            }
            // "501 Syntax error (no parameters allowed)" (RFC 3207 section 4)
            b"STARTTLS" => plain.write_all(b"501 5.5.4 STARTTLS takes no parameter\r\n"),
            verb if verb == self.greeting.as_bytes() => {
                plain.write_all(format!("250-{name}\r\n250-PIPELINING\r\n250 STARTTLS\r\n").as_bytes())
            }
            b"HELO" if self.greeting == "EHLO" => plain.write_all(format!("250 {name}\r\n").as_bytes()),
            b"NOOP" | b"RSET" => plain.write_all(b"250 2.0.0 OK\r\n"),
            b"QUIT" => {
                plain.write_all(b"221 2.0.0 Bye\r\n")?;
                Err(Misbehaviour::Goodbye(Refusal::new(None, line)).into())
            }
            // "530 Must issue a STARTTLS command first" (RFC 3207 section 4)
            _ => plain.write_all(b"530 5.7.0 Must issue a STARTTLS command first\r\n"),
        }
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if has_line_end(&self.name) {
            return Err(Misuse::Configuration("the server's name has a line end").into());
        }
        loop {
            match self.state {
                ServerState::Start => {
                    let protocol = if self.greeting == "EHLO" { "ESMTP" } else { "LMTP" };
                    plain.write_all(format!("220 {} {protocol}\r\n", self.name).as_bytes())?;
                    self.state = ServerState::Commands;
                }
                ServerState::GoAhead => {
                    plain.write_all(b"220 2.0.0 Ready to start TLS\r\n")?;
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
