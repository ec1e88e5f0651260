//! IRC (the `tls` extension of IRCv3, version 3.1; messages as in RFC 1459 section 2.3).
//!
//! It comes before registration, and the extension is deprecated: networks prefer a port of TLS. After TLS the client begins with CAP and
//! registration; what was said of capabilities before counts no more.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::farewell;
use crate::read::line::{LineEnd, Lines, is_name, text};
use crate::read::misbehaviour::malformed;

/// The client's part: STARTTLS, and what else a server says before it answers.
///
/// A server that does not know the command may say nothing at all: the end of that is the caller's deadline. `new` and `at_command` are the
/// same, since nothing comes before the command.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::irc;
///
/// let mut client = irc::Client::new();
/// let mut plain = Plain::with_prefix(b":irc.example.org 670 * :STARTTLS successful\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    notices: Vec<String>,
    dialogue: Dialogue<Lines>,
}

impl Client {
    /// On a connection on which nothing was said yet.
    pub fn new() -> Self {
        let command = Step::say("STARTTLS\r\n", ());
        Self {
            notices: Vec::new(),
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), command),
        }
    }

    /// The caller has said something before, a CAP LS, and has read what was answered.
    pub fn at_command() -> Self {
        Self::new()
    }

    /// What the server has said that was no answer to STARTTLS, a line each.
    pub fn notices(&self) -> Untrusted<&[String]> {
        Untrusted::new(&self.notices)
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
        self.dialogue.advance(plain, |(), line| {
            let step = react(line)?;
            if matches!(step, Step::Await(())) {
                self.notices.push(text(line));
            }
            Ok(step)
        })
    }
}

fn react(line: &[u8]) -> Result<Step, Error> {
    // "Empty messages are silently ignored" (RFC 1459 section 2.3.1).
    if line.trim_ascii().is_empty() {
        return Ok(Step::Await(()));
    }
    let message = Message::parse(line).ok_or_else(|| malformed("message", line))?;
    let said = || {
        let code = std::str::from_utf8(message.command).ok();
        let code: Option<u32> = code.and_then(|code| code.parse().ok());
        Refusal::new(code, message.parameters.last().copied().unwrap_or_default())
    };
    let names_starttls = || {
        let mut parameters = message.parameters.iter();
        parameters.any(|parameter| parameter.eq_ignore_ascii_case(b"STARTTLS"))
    };
    match &message.command.to_ascii_uppercase()[..] {
        // RPL_STARTTLS
        b"670" => Ok(Step::Done(Boundary::Exact)),
        // ERR_STARTTLS
        b"691" => Err(said().into()),
        // ERR_UNKNOWNCOMMAND, ERR_NOTREGISTERED: an answer to another command is none to this one. Where 451 names none (RFC 1459 section
        // 6.1 has it so), it can only be meant for the one that was said.
        b"421" if names_starttls() => Err(said().into()),
        b"451" if names_starttls() || message.parameters.len() <= 2 => Err(said().into()),
        b"ERROR" => Err(Error::Goodbye(said())),
        b"PING" => {
            let token = message.parameters.first().copied().unwrap_or_default();
            Ok(Step::answer([b"PONG :", echo(token), b"\r\n"].concat()))
        }
        // Notices of a connection that is being looked up, numerics that nobody asked for.
        _ => Ok(Step::Await(())),
    }
}

/// A message without its tags and its source.
#[derive(Debug)]
struct Message<'a> {
    command: &'a [u8],
    parameters: Vec<&'a [u8]>,
}

impl<'a> Message<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut rest = line;
        for mark in [b'@', b':'] {
            if rest.first() == Some(&mark) {
                (_, rest) = split_word(rest);
            }
        }
        let (command, mut rest) = split_word(rest);
        if command.is_empty() || !command.iter().all(u8::is_ascii_alphanumeric) {
            return None;
        }
        let mut parameters = Vec::new();
        while !rest.is_empty() {
            if let Some(trailing) = rest.strip_prefix(b":") {
                parameters.push(trailing);
                break;
            }
            let (parameter, behind) = split_word(rest);
            parameters.push(parameter);
            rest = behind;
        }
        Some(Self {
            command,
            parameters,
        })
    }
}

/// Up to the first blank, and what comes behind all the blanks there.
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
    (word, rest.get(blanks..).unwrap_or_default())
}

/// The server's part: `tls` in its capabilities, an answer to PING, and "TLS first" to everything else.
#[derive(Debug)]
pub struct Server {
    session: Session,
    dialogue: Dialogue<Lines>,
}

#[derive(Debug)]
struct Session {
    name: String,
    capabilities: Vec<String>,
    is_optional: bool,
    cap_version: Option<u32>,
}

/// The longest name of a server (RFC 2812 section 1.1).
const MAX_NAME: usize = 63;
/// The most of a peer's words that comes back to it: half of a message (RFC 1459 section 2.3).
const MAX_ECHO: usize = 256;

impl Server {
    /// On a connection on which nothing was said yet. `name` is this server's name, of up to 63 bytes.
    pub fn new(name: impl Into<String>) -> Self {
        Self::starting(Step::Await(()), name.into())
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command(name: impl Into<String>) -> Self {
        let name = name.into();
        Self::starting(go_ahead(&name), name)
    }

    fn starting(first: Step, name: String) -> Self {
        Self {
            session: Session {
                name,
                capabilities: Vec::new(),
                is_optional: false,
                cap_version: None,
            },
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), first),
        }
    }

    /// Offers TLS and does not demand it. STARTTLS, `CAP LS`, `CAP LIST`, `CAP REQ :tls`, PING and QUIT are answered here; at any other command the
    /// negotiation ends in [`Error::NotRequested`], with the command unread, and the session goes on in plaintext.
    ///
    /// ```
    /// use starttls_core::{Error, Negotiator, Plain};
    /// use starttls_protocols::irc;
    ///
    /// let mut server = irc::Server::new("irc.example.org").optional().capability("sasl");
    /// let mut plain = Plain::with_prefix(b"CAP LS 302\r\nNICK me\r\n");
    /// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
    /// assert_eq!(server.cap_version().map(|heard| heard.into_inner()), Some(302));
    /// assert_eq!(plain.peek(), b"NICK me\r\n");
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.session.is_optional = true;
        self
    }

    /// One more capability in the answer to `CAP LS`, beside `tls`.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.session.capabilities.push(capability.into());
        self
    }

    /// The version with which the client has asked `CAP LS`, 301 if it named none: its registration waits for `CAP END` then.
    pub fn cap_version(&self) -> Option<Untrusted<u32>> {
        self.session.cap_version.map(Untrusted::new)
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let Session {
            name, capabilities, ..
        } = &self.session;
        if !is_name(name) || name.len() > MAX_NAME || name.starts_with(':') {
            return Err(Misuse::Configuration("this is no name of a server").into());
        }
        if !capabilities.iter().all(|word| is_name(word)) {
            return Err(Misuse::Configuration("a capability is not one word").into());
        }
        self.dialogue
            .advance(plain, |(), line| self.session.answer(line))
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        farewell::line("ERROR :", error)
    }
}

impl Session {
    fn answer(&mut self, line: &[u8]) -> Result<Step, Error> {
        if line.trim_ascii().is_empty() {
            return Ok(Step::Await(()));
        }
        let message = Message::parse(line).ok_or_else(|| malformed("message", line))?;
        let command = message.command.to_ascii_uppercase();
        let first = echo(message.parameters.first().copied().unwrap_or_default());
        let name = self.name.as_bytes();
        Ok(match &command[..] {
            b"STARTTLS" => go_ahead(&self.name),
            b"CAP" => self.capability_command(&message),
            b"PING" => self.say(&[b"PONG ", name, b" :", first]),
            b"QUIT" => Step::goodbye("ERROR :Bye\r\n", line),
            _ if self.is_optional => Step::Leave,
            // ERR_NOTREGISTERED: nobody can register before TLS.
            _ => self.say(&[b"451 * ", echo(&command), b" :STARTTLS first"]),
        })
    }

    fn capability_command(&mut self, message: &Message<'_>) -> Step {
        let parameter = |at| message.parameters.get(at).copied().unwrap_or_default();
        let (subcommand, wanted) = (parameter(0), parameter(1));
        match &subcommand.to_ascii_uppercase()[..] {
            b"LS" => {
                let version = std::str::from_utf8(wanted).ok();
                self.cap_version = Some(version.and_then(|it| it.parse().ok()).unwrap_or(301));
                let others = self.capabilities.iter().flat_map(|word| [" ", word]);
                let others: String = others.collect();
                self.say(&[b"CAP * LS :tls", others.as_bytes()])
            }
            // None is switched on.
            b"LIST" => self.say(&[b"CAP * LIST :"]),
            // `tls` is not a capability that is switched on, but one that says that STARTTLS is there.
            b"REQ" if wanted.trim_ascii().eq_ignore_ascii_case(b"tls") => {
                self.say(&[b"CAP * ACK :", wanted])
            }
            _ if self.is_optional => Step::Leave,
            b"REQ" => self.say(&[b"CAP * NAK :", echo(wanted)]),
            b"END" => Step::Await(()),
            // ERR_INVALIDCAPCMD
            _ => self.say(&[b"410 * ", echo(subcommand), b" :Invalid CAP command"]),
        }
    }

    /// A message from this server.
    fn say(&self, parts: &[&[u8]]) -> Step {
        let source = [b":", self.name.as_bytes(), b" "].concat();
        Step::answer([&source[..], &parts.concat(), b"\r\n"].concat())
    }
}

fn echo(words: &[u8]) -> &[u8] {
    words.get(..MAX_ECHO).unwrap_or(words)
}

fn go_ahead(name: &str) -> Step {
    Step::go_ahead(format!(
        ":{name} 670 * :STARTTLS successful, proceed with TLS handshake\r\n"
    ))
}
