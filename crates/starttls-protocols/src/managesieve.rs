//! ManageSieve (RFC 5804).
//!
//! After TLS the server speaks first: it sends its capabilities again, with an `OK` behind them, and the client must read them before it
//! says anything (RFC 5804 section 2.2). What either side learnt before is forgotten.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress};

use crate::line::{has_line_end, malformed, split_verb};
use crate::literal::{Message, Messages};

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
    messages: Messages,
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Greeting { offered: bool },
    Command,
    Answer,
}

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(ClientState::Greeting { offered: false })
    }

    /// The caller has read capabilities with STARTTLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(ClientState::Command)
    }

    fn starting(state: ClientState) -> Self {
        Self {
            messages: Messages::new(|_| true),
            state,
        }
    }

    fn react(&mut self, message: &Message) -> Result<Option<Progress>, Error> {
        let response =
            Response::of(message).ok_or_else(|| malformed("response", message.first_line()))?;
        match (self.state, response) {
            // The server closes the connection (RFC 5804 section 1.3).
            (_, Response::Bye) => Err(message.goodbye()),
            (ClientState::Greeting { offered }, Response::Capability(name)) => {
                let offered = offered || name.eq_ignore_ascii_case(b"STARTTLS");
                self.state = ClientState::Greeting { offered };
                Ok(None)
            }
            (ClientState::Greeting { offered: true }, Response::Ok) => {
                self.state = ClientState::Command;
                Ok(None)
            }
            (ClientState::Greeting { offered: false }, Response::Ok) => Err(Error::NotOffered),
            (ClientState::Answer, Response::Ok) => Ok(Some(Progress::Done(Boundary::Exact))),
            (ClientState::Answer, Response::No) => Err(message.refusal().into()),
            _ => Err(message.unexpected()),
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
                plain.write_all(b"STARTTLS\r\n")?;
                self.state = ClientState::Answer;
            }
            let Some(message) = self.messages.next(plain)? else {
                return Ok(Progress::NeedInput);
            };
            if let Some(progress) = self.react(&message)? {
                return Ok(progress);
            }
        }
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
    messages: Messages,
    state: ServerState,
}

#[derive(Debug, Clone, Copy)]
enum ServerState {
    Start,
    Commands,
    GoAhead,
}

impl Server {
    /// From the greeting on. `implementation` is the name of the server and its version.
    pub fn new(implementation: impl Into<String>) -> Self {
        Self::starting(ServerState::Start, implementation.into())
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(ServerState::GoAhead, String::new())
    }

    fn starting(state: ServerState, implementation: String) -> Self {
        Self {
            implementation,
            messages: Messages::new(|_| true),
            state,
        }
    }

    /// The capabilities that there must be (RFC 5804 section 1.7), and STARTTLS. An empty SASL list means that nobody can log in yet. OK has
    /// a text, since GnuTLS' client waits for one.
    fn say_capabilities(&self, plain: &mut Plain) -> Result<(), Error> {
        let lines = [
            &format!("\"IMPLEMENTATION\" \"{}\"", self.implementation),
            "\"SASL\" \"\"",
            "\"SIEVE\" \"\"",
            "\"STARTTLS\"",
            "\"VERSION\" \"1.0\"",
            "OK \"STARTTLS is possible\"",
            "",
        ];
        plain.write_all(lines.join("\r\n").as_bytes())
    }

    /// Literals are read with the command that they belong to, and the whole is answered once: a client of ManageSieve does not wait before
    /// it sends one (RFC 5804 section 4, `literal-c2s`).
    fn react(&mut self, message: &Message, plain: &mut Plain) -> Result<(), Error> {
        let (verb, arguments) = split_verb(message.first_line());
        match &verb[..] {
            b"STARTTLS" if arguments.is_empty() => {
                self.state = ServerState::GoAhead;
                Ok(())
            }
            b"STARTTLS" => plain.write_all(b"NO \"STARTTLS takes no argument\"\r\n"),
            b"CAPABILITY" if arguments.is_empty() => self.say_capabilities(plain),
            b"NOOP" => match quoted(arguments) {
                // It comes back in a code (RFC 5804 section 2.13).
                Some(tag) => plain.write_all(&[b"OK (TAG ", tag, b") \"Done\"\r\n"].concat()),
                None if arguments.is_empty() => plain.write_all(b"OK \"Done\"\r\n"),
                None => plain.write_all(b"NO \"NOOP takes a quoted string\"\r\n"),
            },
            b"LOGOUT" => {
                plain.write_all(b"OK \"Bye\"\r\n")?;
                Err(message.goodbye())
            }
            // RFC 5804 section 1.3
            _ => plain.write_all(b"NO (ENCRYPT-NEEDED) \"STARTTLS first\"\r\n"),
        }
    }
}

/// The only argument, with its quotation marks, if that is a string without escapes.
fn quoted(arguments: &[u8]) -> Option<&[u8]> {
    let string = arguments.strip_prefix(b" ")?;
    let inner = string.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0);
    inner.iter().all(plain).then_some(string)
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if has_line_end(&self.implementation) || self.implementation.contains(['"', '\\']) {
            return Err(Misuse::Configuration("the implementation is no quoted string").into());
        }
        loop {
            match self.state {
                ServerState::Start => {
                    self.say_capabilities(plain)?;
                    self.state = ServerState::Commands;
                }
                ServerState::GoAhead => {
                    plain.write_all(b"OK \"Begin TLS negotiation now\"\r\n")?;
                    return Ok(Progress::Done(Boundary::Exact));
                }
                ServerState::Commands => match self.messages.next(plain) {
                    Ok(Some(message)) => self.react(&message, plain)?,
                    Ok(None) => return Ok(Progress::NeedInput),
                    // A literal that is not read cannot be told from commands.
                    Err(error @ Error::Misbehaved(Misbehaviour::TooLong { .. })) => {
                        plain.write_all(b"BYE \"Too much before TLS\"\r\n")?;
                        return Err(error);
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }
}
