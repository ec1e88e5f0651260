//! IMAP (RFC 9051 section 6.2.1, RFC 3501 section 6.2.1).
//!
//! After TLS there is no second greeting. The client forgets every capability it was told and asks again (RFC 9051 section 6.2.1); the
//! server forgets nothing, since before TLS it let nothing be said that it could keep.

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::line::{LineEnd, Lines, split_verb};
use crate::read::literal::{Message, Messages, announced};
use crate::read::misbehaviour::malformed;

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
    dialogue: Dialogue<Messages, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    /// With what the last list of capabilities said of STARTTLS.
    Capability {
        offered: Option<bool>,
    },
    Answer,
}

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Awaited::Greeting))
    }

    /// The caller has had the dialogue up to capabilities with STARTTLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(starttls())
    }

    fn starting(first: Step<Awaited>) -> Self {
        Self {
            dialogue: Dialogue::new(Messages::new(may_have_literals), first),
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
        self.dialogue.advance(plain, react)
    }
}

fn starttls() -> Step<Awaited> {
    Step::say([STARTTLS_TAG, b" STARTTLS\r\n"].concat(), Awaited::Answer)
}

fn react(awaited: Awaited, message: &Message) -> Result<Step<Awaited>, Error> {
    let line = message.first_line();
    let (tag, rest) = split_word(line);
    if tag == b"*" {
        return untagged(awaited, message, rest);
    }
    match (awaited, Status::of(rest)) {
        (Awaited::Greeting, _) => Err(malformed("greeting", line)),
        (Awaited::Capability { offered }, Some(Status::Ok)) if tag == CAPABILITY_TAG => {
            match offers_starttls(rest).or(offered) {
                Some(true) => Ok(starttls()),
                Some(false) => Err(Error::NotOffered),
                None => Err(message.unexpected()),
            }
        }
        // A server that does not know CAPABILITY has none.
        (Awaited::Capability { .. }, Some(Status::Bad)) if tag == CAPABILITY_TAG => {
            Err(Error::NotOffered)
        }
        (Awaited::Answer, Some(Status::Ok)) if tag == STARTTLS_TAG => {
            Ok(Step::Done(Boundary::Exact))
        }
        (Awaited::Answer, Some(Status::No | Status::Bad)) if tag == STARTTLS_TAG => {
            Err(Refusal::new(None, rest).into())
        }
        _ => Err(message.unexpected()),
    }
}

/// The greeting, and data and notices that nobody asked for, which may come at any time (RFC 9051 section 7).
fn untagged(awaited: Awaited, message: &Message, rest: &[u8]) -> Result<Step<Awaited>, Error> {
    match (awaited, Status::of(rest)) {
        (_, Some(Status::Bye)) => Err(message.goodbye()),
        (_, Some(Status::PreAuth)) => Err(Misbehaviour::AlreadyAuthenticated.into()),
        (Awaited::Greeting, Some(Status::Ok)) => match offers_starttls(rest) {
            Some(true) => Ok(starttls()),
            Some(false) => Err(Error::NotOffered),
            None => Ok(Step::say(
                [CAPABILITY_TAG, b" CAPABILITY\r\n"].concat(),
                Awaited::Capability { offered: None },
            )),
        },
        (Awaited::Greeting, _) => Err(message.unexpected()),
        (Awaited::Capability { offered }, _) => Ok(Step::Await(Awaited::Capability {
            offered: offers_starttls(rest).or(offered),
        })),
        (Awaited::Answer, _) => Ok(Step::Await(Awaited::Answer)),
    }
}

/// What a list of capabilities says of STARTTLS; `None` if this is no such list. It comes as data, or as a code in a status response
/// (RFC 9051 section 7.1).
fn offers_starttls(rest: &[u8]) -> Option<bool> {
    let (word, words) = split_word(rest);
    let list = if word.eq_ignore_ascii_case(b"CAPABILITY") {
        words
    } else {
        let code = words
            .strip_prefix(b"[")?
            .split(|byte| *byte == b']')
            .next()?;
        let (name, words) = split_word(code);
        if !name.eq_ignore_ascii_case(b"CAPABILITY") {
            return None;
        }
        words
    };
    let mut words = list.split(|byte| *byte == b' ');
    Some(words.any(|word| word.eq_ignore_ascii_case(b"STARTTLS")))
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
    /// What the caller says that the tag of its command was.
    tag: Option<String>,
    dialogue: Dialogue<Lines>,
}

/// What can be done before TLS. What can be done in it is another list, which the client asks for again.
const CAPABILITIES: &str = "CAPABILITY IMAP4rev1 IMAP4rev2 STARTTLS LOGINDISABLED";

impl Server {
    /// From the greeting on.
    pub fn new() -> Self {
        let greeting = format!("* OK [{CAPABILITIES}] ready\r\n");
        Self::starting(Step::say(greeting, ()), None)
    }

    /// The caller has a command loop and has just consumed a line that was `<tag> STARTTLS`: only the go-ahead is left.
    pub fn at_command(tag: impl Into<String>) -> Self {
        let tag = tag.into();
        Self::starting(go_ahead(&tag), Some(tag))
    }

    fn starting(first: Step, tag: Option<String>) -> Self {
        Self {
            tag,
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
        if self.tag.as_ref().is_some_and(|tag| !is_tag(tag)) {
            return Err(Misuse::Configuration("this is no tag of IMAP").into());
        }
        self.dialogue.advance(plain, |(), line| Ok(answer(line)))
    }
}

fn answer(line: &[u8]) -> Step {
    let (tag, rest) = split_word(line);
    let Some(tag) = std::str::from_utf8(tag).ok().filter(|tag| is_tag(tag)) else {
        return Step::answer("* BAD a command begins with a tag\r\n");
    };
    if announced(rest).is_some() {
        return refuse_literal(tag, rest);
    }
    let (verb, arguments) = split_verb(rest);
    match &verb[..] {
        b"STARTTLS" if arguments.is_empty() => go_ahead(tag),
        b"STARTTLS" => Step::answer(format!("{tag} BAD STARTTLS takes no argument\r\n")),
        b"CAPABILITY" => Step::answer(format!(
            "* {CAPABILITIES}\r\n{tag} OK CAPABILITY completed\r\n"
        )),
        b"NOOP" => Step::answer(format!("{tag} OK NOOP completed\r\n")),
        b"LOGOUT" => {
            let words = format!("* BYE logging out\r\n{tag} OK LOGOUT completed\r\n");
            Step::goodbye(words, rest)
        }
        // "The operation is not permitted due to a lack of data confidentiality" (RFC 9051 section 7.1)
        _ => Step::answer(format!("{tag} NO [PRIVACYREQUIRED] STARTTLS first\r\n")),
    }
}

fn go_ahead(tag: &str) -> Step {
    Step::go_ahead(format!("{tag} OK Begin TLS negotiation now\r\n"))
}

/// A client waits for permission to send a literal (RFC 9051 section 4.3), which it does not get. One that does not wait has not read
/// that there is no LITERAL+ here, and what it sends must not be taken for commands.
fn refuse_literal(tag: &str, command: &[u8]) -> Step {
    if command.ends_with(b"+}") {
        return Step::fail(
            "* BYE no literals before TLS\r\n",
            malformed("command", command),
        );
    }
    Step::answer(format!("{tag} BAD no literals before TLS\r\n"))
}

/// RFC 9051 section 9: `1*<any ASTRING-CHAR except "+">`.
fn is_tag(tag: &str) -> bool {
    !tag.is_empty()
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"(){%*\"\\+".contains(&byte))
}
