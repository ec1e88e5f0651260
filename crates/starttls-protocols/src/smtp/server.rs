use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Untrusted};

use crate::read::dialogue::{Dialogue, Step};
use crate::read::farewell;
use crate::read::line::{LineEnd, Lines, is_name, is_text, split_verb, text};

/// The server's part: a greeting, an EHLO answer with STARTTLS, and "TLS first" to everything else.
///
/// To demand TLS with `530` is right for submission (port 587), for LMTP, and for relays that know each other. A host that takes mail from anybody, an
/// MX on port 25, **must not** demand it (RFC 3207 section 4): there it is [`optional`](Self::optional).
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::smtp;
///
/// let mut server = smtp::Server::new("mail.example.org");
/// let mut plain = Plain::with_prefix(b"EHLO me.example.net\r\nSTARTTLS\r\n");
/// assert_eq!(server.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// assert_eq!(server.client_name().map(|heard| heard.into_inner()), Some("me.example.net"));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Server {
    session: Session,
    dialogue: Dialogue<Lines>,
}

#[derive(Debug)]
struct Session {
    greets: Greets,
    /// `None` if the caller has greeted.
    name: Option<String>,
    capabilities: Vec<String>,
    is_optional: bool,
    hello: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greets {
    Ehlo,
    Lhlo,
}

const GO_AHEAD: &str = "220 2.0.0 Ready to start TLS\r\n";

impl Server {
    /// SMTP from the greeting on. `name` is this server's host name. One that is not one word is [`Misuse::Configuration`].
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let greeting = format!("220 {name} ESMTP\r\n");
        Self::starting(Step::say(greeting, ()), Greets::Ehlo, Some(name))
    }

    /// LMTP from the greeting on.
    pub fn lmtp(name: impl Into<String>) -> Self {
        let name = name.into();
        let greeting = format!("220 {name} LMTP\r\n");
        Self::starting(Step::say(greeting, ()), Greets::Lhlo, Some(name))
    }

    /// The caller has a command loop and has just consumed a line that was `STARTTLS`: only the go-ahead is left.
    pub fn at_command() -> Self {
        Self::starting(Step::go_ahead(GO_AHEAD), Greets::Ehlo, None)
    }

    fn starting(first: Step, greets: Greets, name: Option<String>) -> Self {
        Self {
            session: Session {
                greets,
                name,
                capabilities: Vec::new(),
                is_optional: false,
                hello: None,
            },
            dialogue: Dialogue::new(Lines::new(LineEnd::CrLf), first),
        }
    }

    /// Offers TLS and does not demand it. EHLO, HELO, NOOP, RSET, QUIT and STARTTLS are answered here; at any other command the negotiation ends in
    /// [`Error::NotRequested`], with the command unread, and the session goes on in plaintext: its client is greeted, and has said
    /// [`hello`](Self::hello).
    ///
    /// ```
    /// use starttls_core::{Error, Negotiator, Plain};
    /// use starttls_protocols::smtp;
    ///
    /// let mut server = smtp::Server::new("mx.example.org").optional().capability("SIZE 1000000");
    /// let mut plain = Plain::with_prefix(b"EHLO me.example.net\r\nMAIL FROM:<me@example.net>\r\n");
    /// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
    /// assert_eq!(server.hello().map(|heard| heard.into_inner()), Some("EHLO me.example.net"));
    /// assert_eq!(plain.next_line(512)?, Some(b"MAIL FROM:<me@example.net>".to_vec()));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.session.is_optional = true;
        self
    }

    /// One more line in the answer to EHLO, beside PIPELINING, ENHANCEDSTATUSCODES and STARTTLS: `8BITMIME`, `SIZE 1000000`.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.session.capabilities.push(capability.into());
        self
    }

    /// The last greeting of the client, verb and all: `EHLO me.example.net`.
    pub fn hello(&self) -> Option<Untrusted<&str>> {
        self.session.hello.as_deref().map(Untrusted::new)
    }

    /// What the client called itself in it.
    pub fn client_name(&self) -> Option<Untrusted<&str>> {
        let (_, name) = self.session.hello.as_deref()?.split_once(' ')?;
        Some(Untrusted::new(name.trim()))
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        self.session.check_configuration()?;
        self.dialogue
            .advance(plain, |(), line| Ok(self.session.answer(line)))
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        let code = match error {
            // "500 Line too long" (RFC 5321 section 4.5.3.1.9)
            Error::Misbehaved(Misbehaviour::TooLong { what: "line", .. }) => "500 5.5.2 ",
            Error::Misbehaved(Misbehaviour::TooLong { .. }) => "421 4.7.0 ",
            _ => "554 5.5.0 ",
        };
        farewell::line(code, error)
    }
}

impl Session {
    fn answer(&mut self, line: &[u8]) -> Step {
        let (verb, arguments) = split_verb(line);
        let arguments = arguments.trim_ascii();
        match (&verb[..], self.greets) {
            (b"STARTTLS", _) if arguments.is_empty() => Step::go_ahead(GO_AHEAD),
            // "501 Syntax error (no parameters allowed)" (RFC 3207 section 4)
            (b"STARTTLS", _) => Step::answer("501 5.5.4 STARTTLS takes no parameter\r\n"),
            (b"EHLO" | b"HELO", Greets::Ehlo) | (b"LHLO", Greets::Lhlo) if arguments.is_empty() => {
                Step::answer("501 5.5.4 A greeting has a name\r\n")
            }
            (b"EHLO", Greets::Ehlo) | (b"LHLO", Greets::Lhlo) => {
                self.hello = Some(text(line));
                Step::answer(self.extensions())
            }
            (b"HELO", Greets::Ehlo) => {
                self.hello = Some(text(line));
                Step::answer(format!(
                    "250 {}\r\n",
                    self.name.as_deref().unwrap_or_default()
                ))
            }
            // "The LHLO command has identical semantics to the EHLO command"; an LMTP server must not take the others (RFC 2033 section 4.1).
            (b"EHLO" | b"HELO", Greets::Lhlo) => Step::answer("500 5.5.1 This is LMTP: LHLO\r\n"),
            (b"NOOP" | b"RSET", _) => Step::answer("250 2.0.0 OK\r\n"),
            (b"QUIT", _) => Step::goodbye("221 2.0.0 Bye\r\n", line),
            _ if self.is_optional => Step::Leave,
            // "530 Must issue a STARTTLS command first" (RFC 3207 section 4)
            _ => Step::answer("530 5.7.0 Must issue a STARTTLS command first\r\n"),
        }
    }

    /// The codes in our answers are enhanced ones (RFC 2034), which an LMTP server must have as well as pipelining (RFC 2033 section 5).
    fn extensions(&self) -> String {
        let mut lines = vec![self.name.as_deref().unwrap_or_default()];
        lines.extend(["PIPELINING", "ENHANCEDSTATUSCODES"]);
        lines.extend(self.capabilities.iter().map(String::as_str));
        format!("250-{}\r\n250 STARTTLS\r\n", lines.join("\r\n250-"))
    }

    fn check_configuration(&self) -> Result<(), Misuse> {
        if self.name.as_deref().is_some_and(|name| !is_name(name)) {
            return Err(Misuse::Configuration("the server's name is not one word"));
        }
        if !self.capabilities.iter().all(|line| is_text(line)) {
            return Err(Misuse::Configuration("a capability is not one line"));
        }
        Ok(())
    }
}
