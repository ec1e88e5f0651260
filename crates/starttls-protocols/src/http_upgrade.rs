//! HTTP Upgrade: TLS (RFC 2817), which lives on in IPP.
//!
//! The request is `OPTIONS *` and nothing else: the server answers it **inside TLS, speaking first there** (section 3.3), and any other request would have been
//! written in plaintext and carried out in TLS, where it passes for authenticated. After the answer the client sends its real requests, and
//! nothing that plaintext headers have said holds.
//!
//! A server that does not upgrade answers the request. Its answer is consumed whole, so that the connection stands where the next one begins; where it has no
//! end but that of the connection, or one that is too far away, there is no way on ([`Refusal::ends_connection`]).

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{
    Boundary, Error, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted, rustls,
};

use crate::read::dialogue::Outcome;
use crate::read::http::{self, Content, Heads, SentHeaders, Skipped};
use crate::read::line::has_line_end;
use crate::read::misbehaviour::malformed;

pub use crate::read::http::{Headers, Request, Response};

/// The client's part: `OPTIONS *` with Upgrade, and `101`.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::http_upgrade;
///
/// let mut client = http_upgrade::Client::new("printer.example.org");
/// let mut plain =
///     Plain::with_prefix(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, HTTP/1.1\r\nConnection: Upgrade\r\n\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    host: String,
    headers: SentHeaders,
    heads: Heads,
    asked: bool,
    response: Option<Response>,
    /// What is still to come of an answer that was no upgrade, and what it was.
    declined: Option<(Content, Refusal)>,
    outcome: Outcome,
}

impl Client {
    /// `host` is what the Host header says: the name, and the port if it is not 80.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            headers: SentHeaders::default(),
            heads: Heads::new(),
            asked: false,
            response: None,
            declined: None,
            outcome: Outcome::default(),
        }
    }

    /// The caller has sent a request of its own with Upgrade, and `Connection: Upgrade`: only the answer is left. It must not be HEAD, whose
    /// answers have no content where they say that they have.
    pub fn at_command() -> Self {
        Self {
            asked: true,
            ..Self::new("")
        }
    }

    /// Sends a header along, as `User-Agent`. What decides where the request ends, `Host` and `Upgrade` are not the caller's to set: the negotiation
    /// does not begin with them.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(name.into(), value.into());
        self
    }

    /// The server's answer, once it is there: the last one, if interim ones were in front of it.
    pub fn response(&self) -> Option<Untrusted<&Response>> {
        self.response.as_ref().map(Untrusted::new)
    }

    fn ask(&mut self, plain: &mut Plain) -> Result<(), Error> {
        if has_line_end(&self.host) {
            return Err(Misuse::Configuration("the host has a line end").into());
        }
        let (host, headers) = (&self.host, self.headers.lines()?);
        let request = format!(
            "OPTIONS * HTTP/1.1\r\nHost: {host}\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n{headers}\r\n"
        );
        plain.write_all(request.as_bytes())?;
        self.asked = true;
        Ok(())
    }

    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.asked {
            self.ask(plain)?;
        }
        while self.declined.is_none() {
            let Some(response) = self.heads.next_response(plain)? else {
                return Ok(Progress::NeedInput);
            };
            let response = self.response.insert(response);
            match response.status {
                101 if response.headers.name_tls() => return Ok(Progress::Done(Boundary::Exact)),
                100 | 102..=199 => {}
                200..=599 => {
                    let refusal = response.refusal();
                    if !response.is_persistent() {
                        return Err(refusal.ending().into());
                    }
                    self.declined = Some((Content::of(response)?, refusal));
                }
                _ => return Err(response.unexpected()),
            }
        }
        let Some((content, refusal)) = &mut self.declined else {
            return Ok(Progress::NeedInput);
        };
        match content.skip(plain) {
            Skipped::NeedInput if plain.is_eof() => Err(refusal.clone().ending().into()),
            Skipped::NeedInput => Ok(Progress::NeedInput),
            Skipped::Endless => Err(refusal.clone().ending().into()),
            // The request was answered, and Upgrade ignored, as a server may that does not know it.
            Skipped::Done if matches!(refusal.code, Some(200..=299)) => Err(Error::NotOffered),
            Skipped::Done => Err(refusal.clone().into()),
        }
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if let Some(outcome) = self.outcome.get() {
            return outcome;
        }
        let progress = self.go_on(plain);
        self.outcome.keep(progress)
    }
}

/// The server's part: `101` to `OPTIONS *` with Upgrade, `426` to everything else.
///
/// A server that does not demand TLS is [`optional`](Self::optional): it stops in front of another request.
#[derive(Debug)]
pub struct Server {
    heads: Heads,
    go_ahead: bool,
    optional: bool,
    request: Option<Request>,
    outcome: Outcome,
}

impl Server {
    /// From the first request on.
    pub fn new() -> Self {
        Self {
            heads: Heads::new(),
            go_ahead: false,
            optional: false,
            request: None,
            outcome: Outcome::default(),
        }
    }

    /// The caller has just consumed a request with Upgrade, content and all: only the `101` is left.
    pub fn at_command() -> Self {
        Self {
            go_ahead: true,
            ..Self::new()
        }
    }

    /// TLS is offered and not demanded: in front of a request that does not ask for it this stops with [`Error::NotRequested`], and the caller
    /// reads and answers that in plaintext. Anybody on the path can make a client's request look so.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The client's last request, once it is there.
    pub fn request(&self) -> Option<Untrusted<&Request>> {
        self.request.as_ref().map(Untrusted::new)
    }

    fn react(&mut self, length: usize, plain: &mut Plain) -> Result<(), Error> {
        let Some(request) = &self.request else {
            return Ok(());
        };
        // "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request" (RFC 9110 section 7.8)
        let is_options = request.method == "OPTIONS" && request.target == "*" && request.is_1_1;
        let asks = is_options && request.headers.upgrade_to_tls();
        if self.optional && !asks {
            return Err(Error::NotRequested);
        }
        plain.consume(length);
        // Where content ends is another parser's business: it could hide a second request.
        if request.headers.announce_content() {
            return Err(malformed(http::CONTENT, request.method.as_bytes()));
        }
        if asks {
            self.go_ahead = true;
            return Ok(());
        }
        let connection = if request.is_last() {
            "Upgrade, close"
        } else {
            "Upgrade"
        };
        plain.write_all(&http::answer(
            "426 Upgrade Required",
            &format!("Upgrade: TLS/1.0, HTTP/1.1\r\nConnection: {connection}\r\n"),
        ))?;
        if request.is_last() {
            let method = Refusal::new(None, request.method.as_bytes());
            return Err(Error::Goodbye(method));
        }
        Ok(())
    }

    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        while !self.go_ahead {
            let Some((request, length)) = self.heads.peek_request(plain)? else {
                return Ok(Progress::NeedInput);
            };
            self.request = Some(request);
            self.react(length, plain)?;
        }
        plain.refuse_unread()?;
        plain.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, HTTP/1.1\r\nConnection: Upgrade\r\n\r\n",
        )?;
        Ok(Progress::Done(Boundary::Exact))
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
        if let Some(outcome) = self.outcome.get() {
            return outcome;
        }
        let progress = self.go_on(plain);
        self.outcome.keep(progress)
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        http::farewell(error)
    }
}
