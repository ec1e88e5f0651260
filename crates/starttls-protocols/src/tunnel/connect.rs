//! HTTP CONNECT (RFC 9110 section 9.3.6), with Basic authentication (RFC 7617).
//!
//! A [`Tunnel`]: what comes behind the blank line of the answer belongs to the far end. Alone, as the way to a server that speaks TLS at
//! once, it refuses that. Nothing said to the proxy is said again inside.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::{ClientConnection, ServerConnection};
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, rustls,
};

use crate::read::dialogue::Outcome;
use crate::read::http::{self, Heads, Request};
use crate::tunnel::{Credentials, Host, Permit, Target, Tunnel};

/// The most requests without the right credentials: one without any, one with, and one mistake.
const MAX_ATTEMPTS: usize = 3;

/// The client's part: CONNECT, and any 2xx as the answer.
///
/// There is no greeting and so no `at_command`.
///
/// ```
/// use starttls_core::{Boundary, Error, Negotiator, Plain};
/// use starttls_protocols::connect;
///
/// let mut client = connect::Client::new("www.example.org", 443).basic_auth("me", "secret");
/// let mut plain = Plain::with_prefix(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
/// let Err(Error::TunnelRefused(refusal)) = client.advance(&mut plain) else { unreachable!() };
/// assert_eq!(refusal.code, Some(407));
/// ```
#[derive(Debug)]
pub struct Client {
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    heads: Heads,
    asked: bool,
    outcome: Outcome,
}

impl Client {
    /// To this host and port, by way of the proxy at the other end of the connection.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            credentials: None,
            heads: Heads::new(),
            asked: false,
            outcome: Outcome::default(),
        }
    }

    /// Sends this user and password along, in plaintext as everything else here.
    #[must_use]
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::new(user, password));
        self
    }

    fn request(&self) -> Result<String, Error> {
        let host = Host::parse(&self.host).ok_or(Misuse::Configuration(
            "the host is neither a name nor an address",
        ))?;
        let target = Target {
            host,
            port: self.port,
        };
        let authorization = match &self.credentials {
            Some(Credentials { user, .. }) if user.contains(':') => {
                return Err(Misuse::Configuration("a colon in the user's name").into());
            }
            Some(Credentials { user, password }) => {
                let basic = BASE64.encode(format!("{user}:{password}"));
                format!("Proxy-Authorization: Basic {basic}\r\n")
            }
            None => String::new(),
        };
        Ok(format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n"
        ))
    }
}

impl Client {
    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.asked {
            plain.write_all(self.request()?.as_bytes())?;
            self.asked = true;
        }
        while let Some(response) = self.heads.next_response(plain)? {
            match response.code {
                // An interim response; a 101 to a request without Upgrade is none.
                100 | 102..=199 => {}
                // "A client MUST ignore any Content-Length or Transfer-Encoding header fields received in a successful response to
                // CONNECT" (RFC 9110 section 9.3.6)
                200..=299 => return Ok(Progress::Done(Boundary::Exact)),
                300..=599 => return Err(Error::TunnelRefused(response.refusal())),
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

/// The proxy's part: the request is read and answered; the tunnel ends here, in whoever runs this.
///
/// What was asked for is [`target`](Self::target) then. Nothing is connected to: an answer of 200 says only that the dialogue goes on.
#[derive(Debug)]
pub struct Server {
    credentials: Option<Credentials>,
    permit: Permit,
    heads: Heads,
    attempts: usize,
    target: Option<Target>,
    at_command: bool,
    outcome: Outcome,
}

impl Server {
    /// Takes a CONNECT to anywhere, from anybody.
    pub fn new() -> Self {
        Self {
            credentials: None,
            permit: Permit::all(),
            heads: Heads::new(),
            attempts: 0,
            target: None,
            at_command: false,
            outcome: Outcome::default(),
        }
    }

    /// The caller has consumed a CONNECT and agrees to it: only the 200 is left.
    pub fn at_command() -> Self {
        Self {
            at_command: true,
            ..Self::new()
        }
    }

    /// Answers 407 to whoever does not say this user and password.
    #[must_use]
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::new(user, password));
        self
    }

    /// Answers 403 where `permit` says no.
    #[must_use]
    pub fn permit(mut self, permit: impl FnMut(&Target) -> bool + Send + Sync + 'static) -> Self {
        self.permit = Permit::new(permit);
        self
    }

    /// What the client has asked for, once it has.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    fn react(&mut self, request: &Request, plain: &mut Plain) -> Result<Option<Progress>, Error> {
        let refusal = if request.method != "CONNECT" {
            "405 Method Not Allowed\r\nAllow: CONNECT"
        } else if request.headers.announce_body() {
            // What is in it would be taken for the inside of the tunnel.
            "400 Bad Request"
        } else if !self.is_authorised(request) {
            self.attempts = self.attempts.saturating_add(1);
            let answer = "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\", charset=\"UTF-8\"";
            if self.attempts < MAX_ATTEMPTS {
                plain.write_all(
                    format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").as_bytes(),
                )?;
                return Ok(None);
            }
            answer
        } else if let Some(target) = parse_authority(&request.target) {
            if self.permit.allows(&target) {
                self.target = Some(target);
                return go_ahead(plain).map(Some);
            }
            "403 Forbidden"
        } else {
            "400 Bad Request"
        };
        plain.write_all(
            format!("HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )?;
        Err(Misbehaviour::Unexpected(Refusal::new(None, request.method.as_bytes())).into())
    }

    fn is_authorised(&self, request: &Request) -> bool {
        let Some(credentials) = &self.credentials else {
            return true;
        };
        request.headers.all("Proxy-Authorization").any(|value| {
            let (scheme, rest) = value.split_at_checked(6).unwrap_or_default();
            let said = BASE64.decode(rest.trim_ascii()).unwrap_or_default();
            let mut parts = said.splitn(2, |byte| *byte == b':');
            scheme.eq_ignore_ascii_case(b"Basic ")
                && match (parts.next(), parts.next()) {
                    (Some(user), Some(password)) => credentials.are(user, password),
                    _ => false,
                }
        })
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if self.at_command {
            return go_ahead(plain);
        }
        while let Some(request) = self.heads.next_request(plain)? {
            if let Some(progress) = self.react(&request, plain)? {
                return Ok(progress);
            }
        }
        Ok(Progress::NeedInput)
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

impl Tunnel for Server {}

fn go_ahead(plain: &mut Plain) -> Result<Progress, Error> {
    plain.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    Ok(Progress::Done(Boundary::Exact))
}

/// `host:port`, both of them always (RFC 9110 section 9.3.6).
fn parse_authority(authority: &str) -> Option<Target> {
    let (host, port) = authority.rsplit_once(':')?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => Host::Ip(std::net::IpAddr::V6(address.parse().ok()?)),
        None => {
            Host::parse(host).filter(|host| !matches!(host, Host::Ip(std::net::IpAddr::V6(_))))?
        }
    };
    Some(Target { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_handed_over() {
        let mut server = Server::new().permit(|target| target.port == 25);
        let mut plain = Plain::with_prefix(b"CONNECT [2001:db8::1]:25 HTTP/1.1\r\n\r\n");
        assert_eq!(
            server.advance(&mut plain),
            Ok(Progress::Done(Boundary::Exact))
        );
        let target = server.target().map(ToString::to_string);
        assert_eq!(target.as_deref(), Some("[2001:db8::1]:25"));

        let mut server = Server::new().permit(|target| target.port == 25);
        let mut plain = Plain::with_prefix(b"CONNECT a:443 HTTP/1.1\r\n\r\n");
        assert!(server.advance(&mut plain).is_err());
        assert_eq!(server.target(), None);
    }

    #[test]
    fn the_password_is_in_no_debug_output() {
        let client = Client::new("a", 1).basic_auth("me", "secret");
        let server = Server::new().basic_auth("me", "secret");
        assert!(!format!("{client:?}{server:?}").contains("secret"));
        let mut plain = Plain::with_prefix(
            b"CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic c2VjcmV0\r\n(\r\n\r\n",
        );
        let error = Server::new().advance(&mut plain);
        assert!(
            error.is_err() && !format!("{error:?}").contains("c2VjcmV0"),
            "{error:?}"
        );
    }
}
