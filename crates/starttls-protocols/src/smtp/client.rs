use starttls_core::rustls::ClientConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Untrusted};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::line::is_name;
use crate::read::reply::{Continuation, Replies, Reply};

/// The client's part: greeting, EHLO, STARTTLS.
///
/// A greeting of 4xx or 5xx is [`Error::Goodbye`]. A refused EHLO is [`Error::Refused`] with its code, since the session is where it was (RFC 5321
/// section 4.1.1.1): a caller that goes on in plaintext may say HELO.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::smtp;
///
/// let mut client = smtp::Client::new("me.example.net");
/// let mut plain = Plain::with_prefix(b"220 mail.example.org\r\n250-mail.example.org\r\n250 STARTTLS\r\n220 go\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// assert_eq!(client.capabilities().map(|heard| heard.into_inner()), Some(&["STARTTLS".to_owned()][..]));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    verb: &'static str,
    /// What EHLO says; `None` if the caller has said it.
    name: Option<String>,
    heard: Heard,
    dialogue: Dialogue<Replies, Awaited>,
}

#[derive(Debug, Default)]
struct Heard {
    greeting: Option<Vec<String>>,
    hello: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Hello,
    Answer,
}

const STARTTLS: &str = "STARTTLS\r\n";

impl Client {
    /// SMTP from the greeting on. `name` is what EHLO says: the client's own host name, or the address it comes from in brackets (RFC 5321
    /// section 4.1.3). A name that is not one word is [`Misuse::Configuration`].
    pub fn new(name: impl Into<String>) -> Self {
        Self::starting(Step::Await(Awaited::Greeting), "EHLO", Some(name.into()))
    }

    /// LMTP from the greeting on.
    pub fn lmtp(name: impl Into<String>) -> Self {
        Self::starting(Step::Await(Awaited::Greeting), "LHLO", Some(name.into()))
    }

    /// The caller has had the dialogue up to an EHLO or LHLO answer that offers STARTTLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(Step::say(STARTTLS, Awaited::Answer), "EHLO", None)
    }

    fn starting(first: Step<Awaited>, verb: &'static str, name: Option<String>) -> Self {
        Self {
            verb,
            name,
            heard: Heard::default(),
            dialogue: Dialogue::new(Replies::new(Continuation::SameCode), first),
        }
    }

    /// The lines of the greeting, without their code.
    pub fn greeting(&self) -> Option<Untrusted<&[String]>> {
        self.heard.greeting.as_deref().map(Untrusted::new)
    }

    /// The lines of the positive answer to EHLO, without their code: the server's name, and its capabilities.
    pub fn hello(&self) -> Option<Untrusted<&[String]>> {
        self.heard.hello.as_deref().map(Untrusted::new)
    }

    /// What the server can do, as its answer to EHLO says it: a keyword and its parameters each. It does not count after TLS.
    pub fn capabilities(&self) -> Option<Untrusted<&[String]>> {
        self.hello()
            .map(|hello| hello.map(|lines| lines.get(1..).unwrap_or_default()))
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let name = self.name.as_deref();
        if name.is_some_and(|name| !is_name(name)) {
            return Err(Misuse::Configuration("the name for EHLO is not one word").into());
        }
        let hello = format!("{} {}\r\n", self.verb, name.unwrap_or_default());
        self.dialogue.advance(plain, |awaited, reply| {
            react(awaited, reply, &hello, &mut self.heard)
        })
    }
}

fn react(
    awaited: Awaited,
    reply: &Reply,
    hello: &str,
    heard: &mut Heard,
) -> Result<Step<Awaited>, Error> {
    match (awaited, reply.code) {
        // "421 Service not available, closing transmission channel" (RFC 5321 section 3.8) is possible at any time.
        (_, 421) => Err(reply.goodbye()),
        _ if reply.broken_off => Err(reply.goodbye()),
        (Awaited::Greeting, 220) => {
            heard.greeting = Some(reply.text());
            Ok(Step::say(hello, Awaited::Hello))
        }
        // Nothing was asked, so that nothing is refused: there is no session (RFC 5321 section 3.1, RFC 7504).
        (Awaited::Greeting, _) if reply.is_negative() => Err(reply.goodbye()),
        (Awaited::Hello, 250) => {
            heard.hello = Some(reply.text());
            if offers(reply) {
                Ok(Step::say(STARTTLS, Awaited::Answer))
            } else {
                Err(Error::NotOffered)
            }
        }
        (Awaited::Answer, 220) => Ok(Step::Done(Boundary::Exact)),
        // Only 4xx and 5xx are refusals; a 250 to STARTTLS means that the two sides do not speak of the same thing.
        (Awaited::Hello | Awaited::Answer, _) if reply.is_negative() => Err(reply.refusal().into()),
        _ => Err(reply.unexpected()),
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
