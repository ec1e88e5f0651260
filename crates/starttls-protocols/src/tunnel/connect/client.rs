use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use starttls_core::rustls::ClientConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Untrusted};

use super::Response;
use crate::read::dialogue::Outcome;
use crate::read::http::{Heads, SentHeaders};
use crate::tunnel::{Credentials, Host, Target, Tunnel};

/// The client's part: CONNECT, and any 2xx as the answer.
///
/// There is no greeting and so no `at_command`.
///
/// ```
/// use starttls_core::{Error, Negotiator, Plain};
/// use starttls_protocols::connect;
///
/// let mut client = connect::Client::new("www.example.org", 443)
///     .bearer_auth("mF_9.B5f-4.1JqM")
///     .header("User-Agent", "example/1.0");
/// let mut plain = Plain::with_prefix(
///     b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"a\"\r\n\r\n",
/// );
/// let Err(Error::TunnelRefused(refusal)) = client.advance(&mut plain) else { unreachable!() };
/// assert_eq!(refusal.code, Some(407));
/// let answer = client.response().unwrap().into_inner();
/// assert_eq!(answer.headers.get("proxy-authenticate"), Some(&b"Basic realm=\"a\""[..]));
/// ```
#[derive(Debug)]
pub struct Client {
    host: String,
    port: u16,
    authorization: Option<Authorization>,
    headers: SentHeaders,
    heads: Heads,
    asked: bool,
    response: Option<Response>,
    outcome: Outcome,
}

#[derive(Clone)]
enum Authorization {
    Basic(Credentials),
    Bearer(String),
}

impl Client {
    /// To this host and port, by way of the proxy at the other end of the connection.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            authorization: None,
            headers: SentHeaders::default(),
            heads: Heads::new(),
            asked: false,
            response: None,
            outcome: Outcome::default(),
        }
    }

    /// Sends this user and password along, in plaintext as everything else here.
    #[must_use]
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.authorization = Some(Authorization::Basic(Credentials::new(user, password)));
        self
    }

    /// Sends this token along (RFC 6750 section 2.1), in plaintext as everything else here.
    #[must_use]
    pub fn bearer_auth(mut self, token: impl Into<String>) -> Self {
        self.authorization = Some(Authorization::Bearer(token.into()));
        self
    }

    /// Sends a header along: `User-Agent`, or a `Proxy-Authorization` of another scheme. What decides where the request ends, and `Host`, are not the caller's to
    /// set: the negotiation does not begin with them.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push(name.into(), value.into());
        self
    }

    /// The proxy's answer, once it is there: the last one, if interim ones were in front of it.
    pub fn response(&self) -> Option<Untrusted<&Response>> {
        self.response.as_ref().map(Untrusted::new)
    }

    fn request(&self) -> Result<String, Error> {
        let host = Host::parse(&self.host).ok_or(Misuse::Configuration(
            "the host is neither a name nor an address",
        ))?;
        let target = Target {
            host,
            port: self.port,
        };
        let name = "Proxy-Authorization";
        let authorization = match &self.authorization {
            Some(_) if self.headers.has(name) => {
                return Err(Misuse::Configuration("two of Proxy-Authorization").into());
            }
            Some(Authorization::Basic(Credentials { user, .. })) if user.contains(':') => {
                return Err(Misuse::Configuration("a colon in the user's name").into());
            }
            Some(Authorization::Basic(Credentials { user, password })) => {
                let basic = BASE64.encode(format!("{user}:{password}"));
                format!("{name}: Basic {basic}\r\n")
            }
            Some(Authorization::Bearer(token)) => {
                let mut header = SentHeaders::default();
                header.push(name.to_owned(), format!("Bearer {token}"));
                header.lines()?
            }
            None => String::new(),
        };
        let headers = self.headers.lines()?;
        Ok(format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}{headers}\r\n"
        ))
    }

    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.asked {
            plain.write_all(self.request()?.as_bytes())?;
            self.asked = true;
        }
        while let Some(response) = self.heads.next_response(plain)? {
            let response = self.response.insert(response);
            match response.status {
                // An interim response; a 101 to a request without Upgrade is none.
                100 | 102..=199 => {}
                // "A client MUST ignore any Content-Length or Transfer-Encoding header fields received in a successful response to
                // CONNECT" (RFC 9110 section 9.3.6)
                200..=299 => return Ok(Progress::Done(Boundary::Exact)),
                300..=599 => return Err(Error::TunnelRefused(response.refusal().ending())),
                _ => return Err(response.unexpected()),
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

impl Tunnel for Client {}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Basic(credentials) => credentials.fmt(f),
            Self::Bearer(_) => f.write_str("Bearer"),
        }
    }
}
