//! IRC (the `tls` extension of IRCv3, version 3.1; messages as in RFC 1459 section 2.3).
//!
//! It comes before registration, and the extension is deprecated: networks prefer a port of TLS. After TLS the client begins with CAP and
//! registration; what was said of capabilities before counts no more.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Refusal};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::line::{LineEnd, Lines, has_line_end};
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
    dialogue: Dialogue<Lines>,
}

impl Client {
    /// On a connection on which nothing was said yet.
    pub fn new() -> Self {
        let command = Step::say("STARTTLS\r\n", ());
        Self {
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), command),
        }
    }

    /// The caller has said something before, a CAP LS, and has read what was answered.
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
        self.dialogue.advance(plain, |(), line| react(line))
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
            Ok(Step::answer([b"PONG :", token, b"\r\n"].concat()))
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
    name: String,
    dialogue: Dialogue<Lines>,
}

impl Server {
    /// On a connection on which nothing was said yet. `name` is this server's name.
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
            name,
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), first),
        }
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if has_line_end(&self.name) || self.name.contains(' ') {
            return Err(
                Misuse::Configuration("the server's name has a blank or a line end").into(),
            );
        }
        self.dialogue
            .advance(plain, |(), line| answer(line, &self.name))
    }
}

fn answer(line: &[u8], name: &str) -> Result<Step, Error> {
    if line.trim_ascii().is_empty() {
        return Ok(Step::Await(()));
    }
    let message = Message::parse(line).ok_or_else(|| malformed("message", line))?;
    let command = message.command.to_ascii_uppercase();
    let first = message.parameters.first().copied().unwrap_or_default();
    let source = name.as_bytes();
    Ok(match &command[..] {
        b"STARTTLS" => go_ahead(name),
        b"CAP" if first.eq_ignore_ascii_case(b"LS") => {
            Step::answer([b":", source, b" CAP * LS :tls\r\n"].concat())
        }
        // `tls` is not a capability that is switched on, but one that says that STARTTLS is there.
        b"CAP" if first.eq_ignore_ascii_case(b"REQ") => {
            let wanted = message.parameters.get(1).copied().unwrap_or_default();
            let verdict: &[u8] = if wanted.trim_ascii().eq_ignore_ascii_case(b"tls") {
                b" CAP * ACK :"
            } else {
                b" CAP * NAK :"
            };
            Step::answer([b":", source, verdict, wanted, b"\r\n"].concat())
        }
        b"CAP" => Step::Await(()),
        b"PING" => Step::answer([b":", source, b" PONG ", source, b" :", first, b"\r\n"].concat()),
        b"QUIT" => Step::goodbye("ERROR :Bye\r\n", line),
        // ERR_NOTREGISTERED: nobody can register before TLS.
        _ => Step::answer([b":", source, b" 451 * ", &command, b" :STARTTLS first\r\n"].concat()),
    })
}

fn go_ahead(name: &str) -> Step {
    Step::go_ahead(format!(
        ":{name} 670 * :STARTTLS successful, proceed with TLS handshake\r\n"
    ))
}
