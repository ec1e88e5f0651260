use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Misuse, Negotiator, Plain, Progress};

use super::split_word;
use crate::read::dialogue::{Dialogue, Step};
use crate::read::farewell;
use crate::read::line::{is_name, split_verb};
use crate::read::literal::{Message, Messages};

/// The server's part: a greeting and capabilities with STARTTLS and LOGINDISABLED, and "TLS first" to everything else.
///
/// What it announces it understands: with IMAP4rev2 come literals for which the client does not wait (`LITERAL-`), of up to 4,096 bytes.
#[derive(Debug)]
pub struct Server {
    /// What the caller says that the tag of its command was.
    tag: Option<String>,
    session: Session,
    dialogue: Dialogue<Messages>,
}

#[derive(Debug, Default)]
struct Session {
    capabilities: Vec<String>,
    is_optional: bool,
}

/// The longest tag that is answered. RFC 9051 has no limit; clients make tags of up to 20 bytes.
const MAX_TAG: usize = 128;

impl Server {
    /// From the greeting on.
    pub fn new() -> Self {
        let session = Session::default();
        Self {
            tag: None,
            dialogue: session.dialogue(),
            session,
        }
    }

    /// The caller has a command loop and has just consumed a line that was `<tag> STARTTLS`: only the go-ahead is left.
    pub fn at_command(tag: impl Into<String>) -> Self {
        let tag = tag.into();
        Self {
            dialogue: Dialogue::new(Messages::of_waiting(|_| true), go_ahead(&tag)),
            tag: Some(tag),
            session: Session::default(),
        }
    }

    /// Offers TLS and does not demand it: IMAP4rev1 and STARTTLS are announced, with what [`capability`](Self::capability) adds. CAPABILITY, NOOP,
    /// LOGOUT and STARTTLS are answered here; at any other command the negotiation ends in [`Error::NotRequested`], with the command unread, and
    /// the session goes on in plaintext.
    ///
    /// ```
    /// use starttls_core::{Error, Negotiator, Plain};
    /// use starttls_protocols::imap;
    ///
    /// let mut server = imap::Server::new().optional().capability("AUTH=PLAIN");
    /// let mut plain = Plain::with_prefix(b"a CAPABILITY\r\nb LOGIN me secret\r\n");
    /// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
    /// assert_eq!(plain.peek(), b"b LOGIN me secret\r\n");
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.session.is_optional = true;
        self.greet_again()
    }

    /// One more capability: `AUTH=PLAIN`, `ID`. Nothing but the caller's own loop understands it.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.session.capabilities.push(capability.into());
        self.greet_again()
    }

    /// The greeting has the capabilities in it.
    fn greet_again(mut self) -> Self {
        if self.tag.is_none() {
            self.dialogue = self.session.dialogue();
        }
        self
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
        let mut capabilities = self.session.capabilities.iter();
        if !capabilities.all(|word| is_name(word) && !word.contains(']')) {
            return Err(Misuse::Configuration("a capability is not one word").into());
        }
        self.dialogue
            .advance(plain, |(), message| Ok(self.session.answer(message)))
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        farewell::line("* BYE ", error)
    }
}

impl Session {
    fn dialogue(&self) -> Dialogue<Messages> {
        // What is left to the caller is left with its literals.
        let messages = Messages::of_waiting(if self.is_optional {
            |_| false
        } else {
            |_| true
        });
        let greeting = format!("* OK [{}] ready\r\n", self.capabilities());
        Dialogue::new(messages, Step::say(greeting, ()))
    }

    /// What can be done before TLS. What can be done in it is another list, which the client asks for again.
    fn capabilities(&self) -> String {
        let own = if self.is_optional {
            "CAPABILITY IMAP4rev1 STARTTLS"
        } else {
            "CAPABILITY IMAP4rev1 IMAP4rev2 STARTTLS LOGINDISABLED"
        };
        let others = self.capabilities.iter().map(String::as_str);
        std::iter::once(own)
            .chain(others)
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn answer(&self, message: &Message) -> Step {
        let (tag, rest) = split_word(message.first_line());
        let Some(tag) = std::str::from_utf8(tag).ok().filter(|tag| is_tag(tag)) else {
            return Step::answer("* BAD a command begins with a tag\r\n");
        };
        let (verb, arguments) = split_verb(rest);
        let completed = |verb| Step::answer(format!("{tag} OK {verb} completed\r\n"));
        match &verb[..] {
            b"STARTTLS" if arguments.is_empty() => go_ahead(tag),
            b"CAPABILITY" if arguments.is_empty() => Step::answer(format!(
                "* {}\r\n{tag} OK CAPABILITY completed\r\n",
                self.capabilities()
            )),
            b"NOOP" if arguments.is_empty() => completed("NOOP"),
            b"LOGOUT" if arguments.is_empty() => {
                let words = format!("* BYE logging out\r\n{tag} OK LOGOUT completed\r\n");
                Step::goodbye(words, rest)
            }
            _ if self.is_optional => Step::Leave,
            b"STARTTLS" | b"CAPABILITY" | b"NOOP" | b"LOGOUT" => {
                Step::answer(format!("{tag} BAD no arguments here\r\n"))
            }
            verb if is_command(verb) => {
                // "The operation is not permitted due to a lack of data confidentiality" (RFC 9051 section 7.1). A client that waits for
                // permission to send a literal (section 4.3) does not get it by that.
                Step::answer(format!("{tag} NO [PRIVACYREQUIRED] STARTTLS first\r\n"))
            }
            _ => Step::answer(format!("{tag} BAD unknown command\r\n")),
        }
    }
}

fn go_ahead(tag: &str) -> Step {
    Step::go_ahead(format!("{tag} OK Begin TLS negotiation now\r\n"))
}

/// A command that is there, and not before TLS: those of RFC 9051 section 6, and of RFC 3501 what the former has no more.
fn is_command(verb: &[u8]) -> bool {
    matches!(
        verb,
        b"AUTHENTICATE"
            | b"LOGIN"
            | b"ENABLE"
            | b"SELECT"
            | b"EXAMINE"
            | b"CREATE"
            | b"DELETE"
            | b"RENAME"
            | b"SUBSCRIBE"
            | b"UNSUBSCRIBE"
            | b"LIST"
            | b"LSUB"
            | b"NAMESPACE"
            | b"STATUS"
            | b"APPEND"
            | b"IDLE"
            | b"CHECK"
            | b"CLOSE"
            | b"UNSELECT"
            | b"EXPUNGE"
            | b"SEARCH"
            | b"STORE"
            | b"FETCH"
            | b"COPY"
            | b"MOVE"
            | b"UID"
    )
}

/// RFC 9051 section 9: `1*<any ASTRING-CHAR except "+">`.
fn is_tag(tag: &str) -> bool {
    (1..=MAX_TAG).contains(&tag.len())
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"(){%*\"\\+".contains(&byte))
}
