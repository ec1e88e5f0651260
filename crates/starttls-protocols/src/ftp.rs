//! FTP (RFC 4217 over RFC 2228 and RFC 959).
//!
//! After TLS the greeting is not said again and nobody is logged in. The data connections are not protected by this: the client says
//! `PBSZ 0` and `PROT P`, and they do handshakes of their own (RFC 4217 section 9), for which many servers demand the resumption of
//! this session. `AUTH SSL`, which is no standard, implies both commands. The way back to plaintext is `CCC` (RFC 4217 section 5).

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal};

use crate::line::{LineEnd, Lines, split_verb};
use crate::reply::{Continuation, Replies, Reply};

/// The client's part: greeting, AUTH TLS.
///
/// It does not ask what is offered: many servers that have AUTH TLS do not list it in FEAT, and the answer to AUTH says it as well.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::ftp;
///
/// let mut client = ftp::Client::new();
/// let mut plain = Plain::with_prefix(b"220 ready\r\n234 AUTH TLS successful\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    replies: Replies,
    or_ssl: bool,
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Greeting,
    Command,
    Answer,
    SslAnswer,
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

    /// If the server does not know `AUTH TLS` (500, 501, 502, 504), asks for `AUTH SSL`, as servers older than RFC 4217 have it. It is the
    /// same TLS; what they assume of the data connections afterwards is not.
    #[must_use]
    pub fn or_ssl(mut self) -> Self {
        self.or_ssl = true;
        self
    }

    fn starting(state: ClientState) -> Self {
        Self {
            replies: Replies::new(Continuation::Anything),
            or_ssl: false,
            state,
        }
    }

    fn react(&mut self, reply: &Reply, plain: &mut Plain) -> Result<Option<Progress>, Error> {
        match (self.state, reply.code) {
            // "This may be a reply to any command if the service knows it must shut down" (RFC 959 section 4.2.1).
            (_, 421) => Err(reply.goodbye()),
            // "Service ready in nnn minutes": the greeting is still to come.
            (ClientState::Greeting, 120) => Ok(None),
            (ClientState::Greeting, 220) => {
                self.state = ClientState::Command;
                Ok(None)
            }
            (ClientState::Answer | ClientState::SslAnswer, 234) => {
                Ok(Some(Progress::Done(Boundary::Exact)))
            }
            (ClientState::Answer, 500 | 501 | 502 | 504) if self.or_ssl => {
                plain.write_all(b"AUTH SSL\r\n")?;
                self.state = ClientState::SslAnswer;
                Ok(None)
            }
            (ClientState::Answer | ClientState::SslAnswer, 400..=599) => {
                Err(reply.refusal().into())
            }
            // 334 too, which asks for ADAT (RFC 2228 section 3): TLS has none.
            _ => Err(reply.unexpected()),
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
                plain.write_all(b"AUTH TLS\r\n")?;
                self.state = ClientState::Answer;
            }
            let Some(reply) = self.replies.next(plain)? else {
                return Ok(Progress::NeedInput);
            };
            if let Some(progress) = self.react(&reply, plain)? {
                return Ok(progress);
            }
        }
    }
}

/// The server's part: a greeting, FEAT with AUTH TLS, and "TLS first" to everything else.
#[derive(Debug)]
pub struct Server {
    lines: Lines,
    or_ssl: bool,
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

    /// The caller has a command loop and has just consumed a line that was `AUTH TLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(ServerState::GoAhead)
    }

    /// Takes `AUTH SSL` as well, for clients older than RFC 4217.
    #[must_use]
    pub fn or_ssl(mut self) -> Self {
        self.or_ssl = true;
        self
    }

    fn starting(state: ServerState) -> Self {
        Self {
            lines: Lines::new(LineEnd::CrLf),
            or_ssl: false,
            state,
        }
    }

    fn react(&mut self, line: &[u8], plain: &mut Plain) -> Result<(), Error> {
        let (verb, arguments) = split_verb(line);
        match &verb[..] {
            b"AUTH" => match &arguments.trim_ascii().to_ascii_uppercase()[..] {
                // A synonym of older clients.
                b"TLS" | b"TLS-C" => {
                    self.state = ServerState::GoAhead;
                    Ok(())
                }
                b"SSL" if self.or_ssl => {
                    self.state = ServerState::GoAhead;
                    Ok(())
                }
                // "If the server does not understand the named security mechanism, it should respond with reply code 504" (RFC 2228
                // section 3)
                _ => plain.write_all(b"504 Unknown security mechanism\r\n"),
            },
            b"FEAT" => plain.write_all(
                b"211-Extensions supported:\r\n AUTH TLS\r\n PBSZ\r\n PROT\r\n211 End\r\n",
            ),
            b"NOOP" => plain.write_all(b"200 OK\r\n"),
            b"QUIT" => {
                plain.write_all(b"221 Bye\r\n")?;
                Err(Misbehaviour::Goodbye(Refusal::new(None, line)).into())
            }
            // They come after a security exchange (RFC 2228 section 3).
            b"PBSZ" | b"PROT" | b"CCC" | b"ADAT" => plain.write_all(b"503 AUTH TLS first\r\n"),
            // "530 Not logged in": nobody can be, before TLS.
            _ => plain.write_all(b"530 AUTH TLS first\r\n"),
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
                    plain.write_all(b"220 FTP service ready\r\n")?;
                    self.state = ServerState::Commands;
                }
                ServerState::GoAhead => {
                    plain.write_all(b"234 Proceed with negotiation\r\n")?;
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
