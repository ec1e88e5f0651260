use starttls_core::rustls::ClientConnection;
use starttls_core::{
    Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use super::split_word;
use crate::read::dialogue::{Dialogue, Step};
use crate::read::line::text;
use crate::read::literal::{Message, Messages};
use crate::read::misbehaviour::malformed;

/// The tags of the client's two commands. They are no tags that a counting client makes, so that `at_command` repeats none.
const CAPABILITY_TAG: &[u8] = b"tls1";
const STARTTLS_TAG: &[u8] = b"tls2";

/// The client's part: greeting, CAPABILITY where the greeting does not carry it, STARTTLS.
///
/// Its commands have the tags `tls1` and `tls2`. A greeting of `PREAUTH` is [`Misbehaviour::AlreadyAuthenticated`]: TLS can no longer
/// be started then, and whoever puts it there wants a client to go on without. A greeting of `BYE` or `NO` is [`Error::Goodbye`].
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::imap;
///
/// let mut client = imap::Client::new();
/// let mut plain = Plain::with_prefix(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\ntls2 OK begin\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// let capabilities = client.capabilities().map(|heard| heard.into_inner().join(" "));
/// assert_eq!(capabilities.as_deref(), Some("IMAP4rev1 STARTTLS"));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    heard: Heard,
    dialogue: Dialogue<Messages, Awaited>,
}

#[derive(Debug, Default)]
struct Heard {
    greeting: Option<String>,
    capabilities: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Capability,
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
            heard: Heard::default(),
            dialogue: Dialogue::new(Messages::new(may_have_literals), first),
        }
    }

    /// The greeting, without the `*` in front.
    pub fn greeting(&self) -> Option<Untrusted<&str>> {
        self.heard.greeting.as_deref().map(Untrusted::new)
    }

    /// The last list of capabilities, a word each. It does not count after TLS.
    pub fn capabilities(&self) -> Option<Untrusted<&[String]>> {
        self.heard.capabilities.as_deref().map(Untrusted::new)
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
        self.dialogue
            .advance(plain, |awaited, message| self.heard.react(awaited, message))
    }
}

fn starttls() -> Step<Awaited> {
    Step::say([STARTTLS_TAG, b" STARTTLS\r\n"].concat(), Awaited::Answer)
}

impl Heard {
    fn react(&mut self, awaited: Awaited, message: &Message) -> Result<Step<Awaited>, Error> {
        let line = message.first_line();
        let (tag, rest) = split_word(line);
        if let Some(capabilities) = capabilities(rest) {
            self.capabilities = Some(capabilities);
        }
        if tag == b"*" {
            return self.untagged(awaited, message, rest);
        }
        match (awaited, Status::of(rest)) {
            (Awaited::Greeting, _) => Err(malformed("greeting", line)),
            (Awaited::Capability, Some(Status::Ok)) if tag == CAPABILITY_TAG => self
                .offers_starttls()
                .unwrap_or_else(|| Err(message.unexpected())),
            (Awaited::Answer, Some(Status::Ok)) if tag == STARTTLS_TAG => {
                Ok(Step::Done(Boundary::Exact))
            }
            // A server that does not know CAPABILITY has none, and the session is where it was.
            (Awaited::Capability, Some(Status::No | Status::Bad)) if tag == CAPABILITY_TAG => {
                Err(Refusal::new(None, rest).into())
            }
            (Awaited::Answer, Some(Status::No | Status::Bad)) if tag == STARTTLS_TAG => {
                Err(Refusal::new(None, rest).into())
            }
            _ => Err(message.unexpected()),
        }
    }

    /// The greeting, and data and notices that nobody asked for, which may come at any time (RFC 9051 section 7).
    fn untagged(
        &mut self,
        awaited: Awaited,
        message: &Message,
        rest: &[u8],
    ) -> Result<Step<Awaited>, Error> {
        match (awaited, Status::of(rest)) {
            (_, Some(Status::Bye)) => Err(message.goodbye()),
            (_, Some(Status::PreAuth)) => Err(Misbehaviour::AlreadyAuthenticated.into()),
            (Awaited::Greeting, Some(Status::Ok)) => {
                self.greeting = Some(text(rest));
                self.offers_starttls().unwrap_or_else(|| {
                    let command = [CAPABILITY_TAG, b" CAPABILITY\r\n"].concat();
                    Ok(Step::say(command, Awaited::Capability))
                })
            }
            // Nothing was asked, so that nothing is refused: the server does not want to talk at all.
            (Awaited::Greeting, Some(Status::No | Status::Bad)) => Err(message.goodbye()),
            (Awaited::Greeting, None) => Err(message.unexpected()),
            (Awaited::Capability | Awaited::Answer, _) => Ok(Step::Await(awaited)),
        }
    }

    /// What follows from the list of capabilities, if there was one.
    fn offers_starttls(&self) -> Option<Result<Step<Awaited>, Error>> {
        let mut words = self.capabilities.as_ref()?.iter();
        Some(if words.any(|word| word.eq_ignore_ascii_case("STARTTLS")) {
            Ok(starttls())
        } else {
            Err(Error::NotOffered)
        })
    }
}

/// A list of capabilities, which comes as data or as a code in a status response (RFC 9051 section 7.1); `None` if this is none.
fn capabilities(rest: &[u8]) -> Option<Vec<String>> {
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
    let words = list.split(|byte| *byte == b' ');
    Some(words.filter(|word| !word.is_empty()).map(text).collect())
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
