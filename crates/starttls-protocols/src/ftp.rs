//! FTP (RFC 4217 over RFC 2228 and RFC 959).
//!
//! After TLS the greeting is not said again and nobody is logged in. The data connections are not protected by this: the client says
//! `PBSZ 0` and `PROT P`, and they do handshakes of their own (RFC 4217 section 9), for which many servers demand the resumption of
//! this session. `AUTH SSL`, which is no standard, implies both commands. The way back to plaintext is `CCC` (RFC 4217 section 5).

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Untrusted,
};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::farewell;
use crate::read::line::{LineEnd, Lines, is_text, split_verb};
use crate::read::reply::{Continuation, Replies, Reply};

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
    or_ssl: bool,
    greeting: Option<Vec<String>>,
    dialogue: Dialogue<Replies, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Answer,
    SslAnswer,
}

const AUTH_TLS: &str = "AUTH TLS\r\n";

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Awaited::Greeting))
    }

    /// The caller has read the greeting: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(Step::say(AUTH_TLS, Awaited::Answer))
    }

    /// If the server does not know `AUTH TLS` (500, 501, 502, 504), asks for `AUTH SSL`, as servers older than RFC 4217 have it. It is the
    /// same TLS; what they assume of the data connections afterwards is not.
    #[must_use]
    pub fn or_ssl(mut self) -> Self {
        self.or_ssl = true;
        self
    }

    /// The lines of the greeting, without their code.
    pub fn greeting(&self) -> Option<Untrusted<&[String]>> {
        self.greeting.as_deref().map(Untrusted::new)
    }

    fn starting(first: Step<Awaited>) -> Self {
        Self {
            or_ssl: false,
            greeting: None,
            dialogue: Dialogue::new(Replies::new(Continuation::Anything), first),
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
        self.dialogue.advance(plain, |awaited, reply| {
            if matches!(awaited, Awaited::Greeting) && reply.code == 220 {
                self.greeting = Some(reply.text());
            }
            react(awaited, reply, self.or_ssl)
        })
    }
}

fn react(awaited: Awaited, reply: &Reply, or_ssl: bool) -> Result<Step<Awaited>, Error> {
    match (awaited, reply.code) {
        // "This may be a reply to any command if the service knows it must shut down" (RFC 959 section 4.2.1).
        (_, 421) => Err(reply.goodbye()),
        _ if reply.broken_off => Err(reply.goodbye()),
        // "Service ready in nnn minutes": the greeting is still to come.
        (Awaited::Greeting, 120) => Ok(Step::Await(Awaited::Greeting)),
        (Awaited::Greeting, 220) => Ok(Step::say(AUTH_TLS, Awaited::Answer)),
        // Nothing was asked, so that nothing is refused: the server does not want to talk at all.
        (Awaited::Greeting, _) if reply.is_negative() => Err(reply.goodbye()),
        (Awaited::Answer | Awaited::SslAnswer, 234) => Ok(Step::Done(Boundary::Exact)),
        (Awaited::Answer, 500 | 501 | 502 | 504) if or_ssl => {
            Ok(Step::say("AUTH SSL\r\n", Awaited::SslAnswer))
        }
        (Awaited::Answer | Awaited::SslAnswer, _) if reply.is_negative() => {
            Err(reply.refusal().into())
        }
        // 334 too, which asks for ADAT (RFC 2228 section 3): TLS has none.
        _ => Err(reply.unexpected()),
    }
}

/// The server's part: a greeting, FEAT with AUTH TLS, and "TLS first" to everything else.
#[derive(Debug)]
pub struct Server {
    session: Session,
    dialogue: Dialogue<Lines>,
}

#[derive(Debug, Default)]
struct Session {
    or_ssl: bool,
    capabilities: Vec<String>,
    is_optional: bool,
}

const GO_AHEAD: &str = "234 Proceed with negotiation\r\n";

impl Server {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::say("220 FTP service ready\r\n", ()))
    }

    /// The caller has a command loop and has just consumed a line that was `AUTH TLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(Step::go_ahead(GO_AHEAD))
    }

    /// Takes `AUTH SSL` as well, for clients older than RFC 4217.
    #[must_use]
    pub fn or_ssl(mut self) -> Self {
        self.session.or_ssl = true;
        self
    }

    /// Offers TLS and does not demand it. AUTH and what belongs to it, FEAT, NOOP and QUIT are answered here; at any other command the negotiation
    /// ends in [`Error::NotRequested`], with the command unread, and the session goes on in plaintext.
    ///
    /// ```
    /// use starttls_core::{Error, Negotiator, Plain};
    /// use starttls_protocols::ftp;
    ///
    /// let mut server = ftp::Server::new().optional().capability("UTF8");
    /// let mut plain = Plain::with_prefix(b"FEAT\r\nUSER anonymous\r\n");
    /// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
    /// assert_eq!(plain.peek(), b"USER anonymous\r\n");
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.session.is_optional = true;
        self
    }

    /// One more line in the answer to FEAT, beside `AUTH TLS`, PBSZ and PROT: `UTF8`, `MLST type*;size*;`.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.session.capabilities.push(capability.into());
        self
    }

    fn starting(first: Step) -> Self {
        Self {
            session: Session::default(),
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
        if !self.session.capabilities.iter().all(|line| is_text(line)) {
            return Err(Misuse::Configuration("a capability is not one line").into());
        }
        self.dialogue
            .advance(plain, |(), line| Ok(self.session.answer(line)))
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        let code = match error {
            // "This may include errors such as command line too long" (RFC 959 section 4.2.1).
            Error::Misbehaved(Misbehaviour::TooLong { what: "line", .. }) => "500 ",
            _ => "421 ",
        };
        farewell::line(code, error)
    }
}

impl Session {
    fn answer(&self, line: &[u8]) -> Step {
        let (verb, arguments) = split_verb(line);
        match &verb[..] {
            b"AUTH" => match &arguments.trim_ascii().to_ascii_uppercase()[..] {
                // The second is a synonym of older clients.
                b"TLS" | b"TLS-C" => Step::go_ahead(GO_AHEAD),
                b"SSL" if self.or_ssl => Step::go_ahead(GO_AHEAD),
                b"" => Step::answer("501 AUTH takes a security mechanism\r\n"),
                // "If the server does not understand the named security mechanism, it should respond with reply code 504" (RFC 2228
                // section 3)
                _ => Step::answer("504 Unknown security mechanism\r\n"),
            },
            b"FEAT" => {
                let others = self
                    .capabilities
                    .iter()
                    .flat_map(|line| [" ", line, "\r\n"]);
                let others: String = others.collect();
                Step::answer(format!(
                    "211-Extensions supported:\r\n AUTH TLS\r\n PBSZ\r\n PROT\r\n{others}211 End\r\n"
                ))
            }
            b"NOOP" => Step::answer("200 OK\r\n"),
            b"QUIT" => Step::goodbye("221 Bye\r\n", line),
            // They come after a security exchange (RFC 2228 section 3).
            b"PBSZ" | b"PROT" | b"CCC" | b"ADAT" => Step::answer("503 AUTH TLS first\r\n"),
            _ if self.is_optional => Step::Leave,
            // "530 Not logged in": nobody can be, before TLS.
            _ => Step::answer("530 AUTH TLS first\r\n"),
        }
    }
}
