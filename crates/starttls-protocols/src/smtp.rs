//! SMTP (RFC 3207 over RFC 5321) and LMTP (RFC 2033), which differs in the name of its greeting.
//!
//! After TLS both sides forget what was said: the client sends EHLO again (RFC 3207 section 4.2).

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::line::{LineEnd, Lines, has_line_end, split_verb};
use crate::read::reply::{Continuation, Replies, Reply};

/// The client's part: greeting, EHLO, STARTTLS.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Phase, Plain, Progress};
/// use starttls_protocols::smtp;
///
/// let mut client = smtp::Client::new("me.example.net");
/// let mut plain = Plain::with_prefix(b"220 mail.example.org\r\n250-mail.example.org\r\n250 STARTTLS\r\n220 go\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    hello: String,
    dialogue: Dialogue<Replies, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Hello,
    Answer,
}

const STARTTLS: &str = "STARTTLS\r\n";

impl Client {
    /// SMTP from the greeting on. `name` is what EHLO says: the client's own host name or address literal.
    pub fn new(name: impl Into<String>) -> Self {
        let hello = format!("EHLO {}", name.into());
        Self::starting(Step::Await(Awaited::Greeting), hello)
    }

    /// LMTP from the greeting on.
    pub fn lmtp(name: impl Into<String>) -> Self {
        let hello = format!("LHLO {}", name.into());
        Self::starting(Step::Await(Awaited::Greeting), hello)
    }

    /// The caller has had the dialogue up to an EHLO or LHLO answer that offers STARTTLS: only the command and its answer are left.
    pub fn at_command() -> Self {
        Self::starting(Step::say(STARTTLS, Awaited::Answer), String::new())
    }

    fn starting(first: Step<Awaited>, hello: String) -> Self {
        Self {
            hello,
            dialogue: Dialogue::new(Replies::new(Continuation::SameCode), first),
        }
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if has_line_end(&self.hello) {
            return Err(Misuse::Configuration("the name for EHLO has a line end").into());
        }
        self.dialogue
            .advance(plain, |awaited, reply| react(awaited, reply, &self.hello))
    }
}

fn react(awaited: Awaited, reply: &Reply, hello: &str) -> Result<Step<Awaited>, Error> {
    match (awaited, reply.code) {
        // "421 Service not available, closing transmission channel" (RFC 5321 section 3.8) is possible at any time.
        (_, 421) => Err(reply.goodbye()),
        (Awaited::Greeting, 220) => Ok(Step::say(format!("{hello}\r\n"), Awaited::Hello)),
        (Awaited::Greeting, 554) => Err(reply.goodbye()),
        (Awaited::Hello, 250) if offers(reply) => Ok(Step::say(STARTTLS, Awaited::Answer)),
        (Awaited::Hello, 250) => Err(Error::NotOffered),
        // A server that does not know EHLO has no extensions.
        (Awaited::Hello, 500 | 502) => Err(Error::NotOffered),
        (Awaited::Answer, 220) => Ok(Step::Done(Boundary::Exact)),
        // Only 4xx and 5xx are refusals; a 250 to STARTTLS means that the two sides do not speak of the same thing.
        (Awaited::Answer, 400..=599) => Err(reply.refusal().into()),
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

/// The server's part: a greeting, an EHLO answer with STARTTLS, and "TLS first" to everything else.
#[derive(Debug)]
pub struct Server {
    hello: &'static str,
    name: String,
    dialogue: Dialogue<Lines>,
}

const GO_AHEAD: &str = "220 2.0.0 Ready to start TLS\r\n";

impl Server {
    /// SMTP from the greeting on. `name` is this server's host name.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let greeting = format!("220 {name} ESMTP\r\n");
        Self::starting(Step::say(greeting, ()), "EHLO", name)
    }

    /// LMTP from the greeting on.
    pub fn lmtp(name: impl Into<String>) -> Self {
        let name = name.into();
        let greeting = format!("220 {name} LMTP\r\n");
        Self::starting(Step::say(greeting, ()), "LHLO", name)
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(Step::go_ahead(GO_AHEAD), "EHLO", String::new())
    }

    fn starting(first: Step, hello: &'static str, name: String) -> Self {
        Self {
            hello,
            name,
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), first),
        }
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if has_line_end(&self.name) {
            return Err(Misuse::Configuration("the server's name has a line end").into());
        }
        self.dialogue
            .advance(plain, |(), line| Ok(answer(line, self.hello, &self.name)))
    }
}

fn answer(line: &[u8], hello: &str, name: &str) -> Step {
    let (verb, arguments) = split_verb(line);
    match &verb[..] {
        b"STARTTLS" if arguments.trim_ascii().is_empty() => Step::go_ahead(GO_AHEAD),
        // "501 Syntax error (no parameters allowed)" (RFC 3207 section 4)
        b"STARTTLS" => Step::answer("501 5.5.4 STARTTLS takes no parameter\r\n"),
        verb if verb == hello.as_bytes() => {
            let extensions = format!("250-{name}\r\n250-PIPELINING\r\n250 STARTTLS\r\n");
            Step::answer(extensions)
        }
        b"HELO" if hello == "EHLO" => Step::answer(format!("250 {name}\r\n")),
        b"NOOP" | b"RSET" => Step::answer("250 2.0.0 OK\r\n"),
        b"QUIT" => Step::goodbye("221 2.0.0 Bye\r\n", line),
        // "530 Must issue a STARTTLS command first" (RFC 3207 section 4)
        _ => Step::answer("530 5.7.0 Must issue a STARTTLS command first\r\n"),
    }
}
