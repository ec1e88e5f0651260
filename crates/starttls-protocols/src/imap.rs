//! IMAP (RFC 9051 section 6.2.1, RFC 3501 section 6.2.1).
//!
//! After TLS there is no second greeting. The client forgets every capability it was told and asks again (RFC 9051 section 6.2.1); the
//! server forgets nothing, since before TLS it let nothing be said that it could keep.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal};

use crate::line::{LineEnd, Lines, malformed, split_verb};
use crate::literal::{Message, Messages, announced};

/// The tags of the client's two commands. They are no tags that a counting client makes, so that `at_command` repeats none.
const CAPABILITY_TAG: &[u8] = b"tls1";
const STARTTLS_TAG: &[u8] = b"tls2";

/// The client's part: greeting, CAPABILITY where the greeting does not carry it, STARTTLS.
///
/// Its commands have the tags `tls1` and `tls2`. A greeting of `PREAUTH` is [`Misbehaviour::AlreadyAuthenticated`]: TLS can no longer
/// be started then, and whoever puts it there wants a client to go on without.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::imap;
///
/// let mut client = imap::Client::new();
/// let mut plain = Plain::with_prefix(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\ntls2 OK begin\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    messages: Messages,
    /// What the last list of capabilities said of STARTTLS.
    offered: Option<bool>,
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Greeting,
    Capability,
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
            messages: Messages::new(may_have_literals),
            offered: None,
            state,
        }
    }

    fn react(&mut self, message: &Message, plain: &mut Plain) -> Result<Option<Progress>, Error> {
        let line = message.first_line();
        let (tag, rest) = split_word(line);
        let status = Status::of(rest);
        if tag == b"*" {
            self.learn(rest);
            return match (self.state, status) {
                (_, Some(Status::Bye)) => Err(message.goodbye()),
                (_, Some(Status::PreAuth)) => Err(Misbehaviour::AlreadyAuthenticated.into()),
                (ClientState::Greeting, Some(Status::Ok)) => self.greeted(plain),
                (ClientState::Greeting, _) => Err(message.unexpected()),
                // Data and notices that nobody asked for may come at any time (RFC 9051 section 7).
                _ => Ok(None),
            };
        }
        match (self.state, status) {
            (ClientState::Greeting, _) => Err(malformed("greeting", line)),
            (ClientState::Capability, Some(Status::Ok)) if tag == CAPABILITY_TAG => {
                self.learn(rest);
                if self.offered.is_none() {
                    return Err(message.unexpected());
                }
                self.decide()
            }
            // A server that does not know CAPABILITY has none.
            (ClientState::Capability, Some(Status::Bad)) if tag == CAPABILITY_TAG => {
                Err(Error::NotOffered)
            }
            (ClientState::Answer, Some(Status::Ok)) if tag == STARTTLS_TAG => {
                Ok(Some(Progress::Done(Boundary::Exact)))
            }
            (ClientState::Answer, Some(Status::No | Status::Bad)) if tag == STARTTLS_TAG => {
                Err(Refusal::new(None, rest).into())
            }
            _ => Err(message.unexpected()),
        }
    }

    fn greeted(&mut self, plain: &mut Plain) -> Result<Option<Progress>, Error> {
        if self.offered.is_some() {
            return self.decide();
        }
        plain.write_all(&[CAPABILITY_TAG, b" CAPABILITY\r\n"].concat())?;
        self.state = ClientState::Capability;
        Ok(None)
    }

    fn decide(&mut self) -> Result<Option<Progress>, Error> {
        if self.offered != Some(true) {
            return Err(Error::NotOffered);
        }
        self.state = ClientState::Command;
        Ok(None)
    }

    /// Capabilities come as data, or as a code in a status response (RFC 9051 section 7.1).
    fn learn(&mut self, rest: &[u8]) {
        let (word, words) = split_word(rest);
        let list = if word.eq_ignore_ascii_case(b"CAPABILITY") {
            Some(words)
        } else {
            words
                .strip_prefix(b"[")
                .and_then(|code| code.split(|byte| *byte == b']').next())
                .map(split_word)
                .filter(|(name, _)| name.eq_ignore_ascii_case(b"CAPABILITY"))
                .map(|(_, words)| words)
        };
        if let Some(list) = list {
            let mut words = list.split(|byte| *byte == b' ');
            self.offered = Some(words.any(|word| word.eq_ignore_ascii_case(b"STARTTLS")));
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
                plain.write_all(&[STARTTLS_TAG, b" STARTTLS\r\n"].concat())?;
                self.state = ClientState::Answer;
            }
            let Some(message) = self.messages.next(plain)? else {
                return Ok(Progress::NeedInput);
            };
            if let Some(progress) = self.react(&message, plain)? {
                return Ok(progress);
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok,
    No,
    Bad,
    Bye,
    PreAuth,
}

impl Status {
    /// The status of what follows a tag (RFC 9051 section 7.1); `None` for data.
    fn of(rest: &[u8]) -> Option<Self> {
        let (word, _) = split_word(rest);
        match &word.to_ascii_uppercase()[..] {
            b"OK" => Some(Self::Ok),
            b"NO" => Some(Self::No),
            b"BAD" => Some(Self::Bad),
            b"BYE" => Some(Self::Bye),
            b"PREAUTH" => Some(Self::PreAuth),
            _ => None,
        }
    }
}

/// A status response ends in text for humans, which may look like the announcement of a literal and is none (RFC 9051 section 9,
/// `resp-text`); every tagged response and every continuation request is one.
fn may_have_literals(first_line: &[u8]) -> bool {
    let (tag, rest) = split_word(first_line);
    tag == b"*" && Status::of(rest).is_none()
}

/// Up to the first blank, and behind it.
fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = line.splitn(2, |byte| *byte == b' ');
    (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    )
}

/// The server's part: a greeting and capabilities with STARTTLS and LOGINDISABLED, and "TLS first" to everything else.
#[derive(Debug)]
pub struct Server {
    lines: Lines,
    state: ServerState,
}

#[derive(Debug, Clone)]
enum ServerState {
    Start,
    Commands,
    GoAhead(String),
}

/// What can be done before TLS. What can be done in it is another list, which the client asks for again.
const CAPABILITIES: &str = "CAPABILITY IMAP4rev1 IMAP4rev2 STARTTLS LOGINDISABLED";

impl Server {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(ServerState::Start)
    }

    /// The caller has a command loop and has just consumed a line that was `<tag> STARTTLS`: only the go-ahead is left.
    pub fn at_command(tag: impl Into<String>) -> Self {
        Self::starting(ServerState::GoAhead(tag.into()))
    }

    fn starting(state: ServerState) -> Self {
        Self {
            lines: Lines::new(LineEnd::CrLf),
            state,
        }
    }

    fn react(&mut self, line: &[u8], plain: &mut Plain) -> Result<(), Error> {
        let (tag, rest) = split_word(line);
        let Some(tag) = std::str::from_utf8(tag).ok().filter(|tag| is_tag(tag)) else {
            return plain.write_all(b"* BAD a command begins with a tag\r\n");
        };
        if announced(rest).is_some() {
            return refuse_literal(tag, rest, plain);
        }
        let (verb, arguments) = split_verb(rest);
        let answer = match &verb[..] {
            b"STARTTLS" if arguments.is_empty() => {
                self.state = ServerState::GoAhead(tag.to_owned());
                return Ok(());
            }
            b"STARTTLS" => format!("{tag} BAD STARTTLS takes no argument\r\n"),
            b"CAPABILITY" => format!("* {CAPABILITIES}\r\n{tag} OK CAPABILITY completed\r\n"),
            b"NOOP" => format!("{tag} OK NOOP completed\r\n"),
            b"LOGOUT" => {
                let answer = format!("* BYE logging out\r\n{tag} OK LOGOUT completed\r\n");
                plain.write_all(answer.as_bytes())?;
                return Err(Misbehaviour::Goodbye(Refusal::new(None, rest)).into());
            }
            // "The operation is not permitted due to a lack of data confidentiality" (RFC 9051 section 7.1)
            _ => format!("{tag} NO [PRIVACYREQUIRED] STARTTLS first\r\n"),
        };
        plain.write_all(answer.as_bytes())
    }
}

/// A client waits for permission to send a literal (RFC 9051 section 4.3), which it does not get. One that does not wait has not read
/// that there is no LITERAL+ here, and what it sends must not be taken for commands.
fn refuse_literal(tag: &str, command: &[u8], plain: &mut Plain) -> Result<(), Error> {
    if command.ends_with(b"+}") {
        plain.write_all(b"* BYE no literals before TLS\r\n")?;
        return Err(malformed("command", command));
    }
    plain.write_all(format!("{tag} BAD no literals before TLS\r\n").as_bytes())
}

/// RFC 9051 section 9: `1*<any ASTRING-CHAR except "+">`.
fn is_tag(tag: &str) -> bool {
    !tag.is_empty()
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"(){%*\"\\+".contains(&byte))
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
            match &self.state {
                ServerState::Start => {
                    plain.write_all(format!("* OK [{CAPABILITIES}] ready\r\n").as_bytes())?;
                    self.state = ServerState::Commands;
                }
                ServerState::GoAhead(tag) if !is_tag(tag) => {
                    return Err(Misuse::Configuration("this is no tag of IMAP").into());
                }
                ServerState::GoAhead(tag) => {
                    let answer = format!("{tag} OK Begin TLS negotiation now\r\n");
                    plain.write_all(answer.as_bytes())?;
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
