//! HTTP Upgrade: TLS (RFC 2817), which lives on in IPP.
//!
//! The request is `OPTIONS *` and nothing else: the server answers it **inside TLS, speaking first there** (section 3.3), and any other request would have been
//! written in plaintext and carried out in TLS, where it passes for authenticated. After the answer the client sends its real requests, and
//! nothing that plaintext headers have said holds.

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, rustls,
};

use crate::read::dialogue::Outcome;
use crate::read::http::{self, Heads, Request, Response};
use crate::read::line::has_line_end;

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
    heads: Heads,
    asked: bool,
    outcome: Outcome,
}

impl Client {
    /// `host` is what the Host header says: the name, and the port if it is not 80.
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            heads: Heads::new(),
            asked: false,
            outcome: Outcome::default(),
        }
    }

    /// The caller has sent a request of its own with Upgrade, and `Connection: Upgrade`: only the answer is left.
    pub fn at_command() -> Self {
        Self {
            asked: true,
            ..Self::new("")
        }
    }
}

impl Client {
    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.asked {
            if has_line_end(&self.host) {
                return Err(Misuse::Configuration("the host has a line end").into());
            }
            let host = &self.host;
            let request = format!(
                "OPTIONS * HTTP/1.1\r\nHost: {host}\r\nUpgrade: TLS/1.0\r\nConnection: Upgrade\r\n\r\n"
            );
            plain.write_all(request.as_bytes())?;
            self.asked = true;
        }
        while let Some(response) = self.heads.next_response(plain)? {
            if let Some(progress) = react(&response)? {
                return Ok(progress);
            }
        }
        Ok(Progress::NeedInput)
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

fn react(response: &Response) -> Result<Option<Progress>, Error> {
    match response.code {
        101 if response.headers.name_tls() => Ok(Some(Progress::Done(Boundary::Exact))),
        100 | 102..=199 => Ok(None),
        // The request was answered, and Upgrade ignored, as a server may that does not know it.
        200..=299 => Err(Error::NotOffered),
        300..=599 => Err(response.refusal().into()),
        _ => Err(response.unexpected()),
    }
}

/// The server's part: `101` to `OPTIONS *` with Upgrade, `426` to everything else.
#[derive(Debug)]
pub struct Server {
    heads: Heads,
    go_ahead: bool,
    outcome: Outcome,
}

impl Server {
    /// From the first request on.
    pub fn new() -> Self {
        Self {
            heads: Heads::new(),
            go_ahead: false,
            outcome: Outcome::default(),
        }
    }

    /// The caller has just consumed a request with Upgrade, body and all: only the `101` is left.
    pub fn at_command() -> Self {
        Self {
            go_ahead: true,
            ..Self::new()
        }
    }

    fn react(&mut self, request: &Request, plain: &mut Plain) -> Result<(), Error> {
        let unexpected = Misbehaviour::Unexpected(Refusal::new(None, request.method.as_bytes()));
        // Where a body ends is another parser's business: it could hide a second request.
        if request.headers.announce_body() {
            plain.write_all(
                b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            )?;
            return Err(unexpected.into());
        }
        // "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request" (RFC 9110 section 7.8)
        let is_options = request.method == "OPTIONS" && request.target == "*" && request.is_1_1;
        if is_options && request.headers.upgrade_to_tls() {
            self.go_ahead = true;
            return Ok(());
        }
        let is_last = !request.is_1_1
            || request
                .headers
                .has_element("Connection", |option| option.eq_ignore_ascii_case(b"close"));
        let connection = if is_last { "Upgrade, close" } else { "Upgrade" };
        plain.write_all(
            format!(
                "HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.0, HTTP/1.1\r\nConnection: {connection}\r\n\
                 Content-Length: 0\r\n\r\n"
            )
            .as_bytes(),
        )?;
        if is_last {
            return Err(Error::Goodbye(Refusal::new(
                None,
                request.method.as_bytes(),
            )));
        }
        Ok(())
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        loop {
            if self.go_ahead {
                plain.refuse_unread()?;
                plain.write_all(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.0, HTTP/1.1\r\nConnection: Upgrade\r\n\r\n",
                )?;
                return Ok(Progress::Done(Boundary::Exact));
            }
            match self.heads.next_request(plain)? {
                Some(request) => self.react(&request, plain)?,
                None => return Ok(Progress::NeedInput),
            }
        }
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
