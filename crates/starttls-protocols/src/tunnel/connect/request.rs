use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use starttls_core::{
    Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use super::server::{Answer, Server};
use super::{Request, parse_authority};
use crate::read::dialogue::Outcome;
use crate::read::http::{self, Heads};
use crate::read::misbehaviour::malformed;
use crate::tunnel::{Access, Credentials, Login, NoTls, Target};

/// The most requests without the right credentials: one without any, one with, and one mistake.
const MAX_ATTEMPTS: usize = 3;

/// The proxy's part up to the answer: reads the request of a client that may ask, and stops.
///
/// Whoever runs the proxy then makes the way to [`target`](Self::target), or tries, and says how it went with [`accept`](Self::accept) or
/// [`refuse`](Self::refuse).
///
/// ```
/// use starttls_core::{Negotiator, Phase, Plain};
/// use starttls_protocols::connect::RequestReader;
///
/// let mut reader = RequestReader::new();
/// let mut plain = Plain::with_prefix(b"CONNECT mail.example.org:25 HTTP/1.1\r\nHost: mail.example.org:25\r\n\r\n");
/// let _asked = plain.negotiate(&mut reader)?;
/// assert_eq!(reader.target().unwrap().get().to_string(), "mail.example.org:25");
///
/// // Nobody is there.
/// assert!(plain.negotiate(&mut reader.refuse(502)).is_err());
/// let mut sent = Vec::new();
/// plain.poll_transmit(&mut sent);
/// assert!(sent.starts_with(b"HTTP/1.1 502 "));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct RequestReader {
    access: Access,
    heads: Heads,
    attempts: usize,
    request: Option<Request>,
    target: Option<Target>,
    user: Option<String>,
    outcome: Outcome,
}

impl RequestReader {
    /// Takes a CONNECT to anywhere, from anybody.
    pub fn new() -> Self {
        Self {
            access: Access::open(),
            heads: Heads::new(),
            attempts: 0,
            request: None,
            target: None,
            user: None,
            outcome: Outcome::default(),
        }
    }

    /// Answers 407 to whoever does not say this user and password.
    #[must_use]
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.access.one_user(Credentials::new(user, password));
        self
    }

    /// Answers 407 to whoever `authenticate` does not know.
    #[must_use]
    pub fn authenticate(
        mut self,
        authenticate: impl FnMut(&Login<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.access.authenticate(authenticate);
        self
    }

    /// Answers 403 where `permit` says no.
    #[must_use]
    pub fn permit(mut self, permit: impl FnMut(&Target) -> bool + Send + Sync + 'static) -> Self {
        self.access.permit(permit);
        self
    }

    /// What the client asks for, once it has.
    pub fn target(&self) -> Option<Untrusted<&Target>> {
        self.target.as_ref().map(Untrusted::new)
    }

    /// Who has said the right password, if one was asked for.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The client's last request, once it is there.
    pub fn request(&self) -> Option<Untrusted<&Request>> {
        self.request.as_ref().map(Untrusted::new)
    }

    /// The way was made: says 200, and the tunnel begins.
    pub fn accept(&self) -> Server {
        Server::answering(Answer::Accept)
    }

    /// The way was not made: says so with this status, and ends in [`Error::TunnelRefused`] with it. 502: nobody is there; 503: not now; 504:
    /// it took too long (RFC 9110 section 15.6).
    pub fn refuse(&self, status: u16) -> Server {
        let asked = self.request.as_ref().map(|request| request.target.clone());
        Server::answering(Answer::Refuse(status, asked.unwrap_or_default()))
    }

    fn react(&mut self, request: &Request, plain: &mut Plain) -> Result<Option<Target>, Error> {
        let said = request.target.as_bytes();
        let refused = |status: u32| Error::TunnelRefused(Refusal::new(status, said).ending());
        if request.method != "CONNECT" {
            plain.write_all(&http::last_answer(
                "405 Method Not Allowed",
                "Allow: CONNECT\r\n",
            ))?;
            let method = Refusal::new(405, request.method.as_bytes());
            return Err(Misbehaviour::Unexpected(method).into());
        }
        if request.headers.announce_content() {
            // What is in it would be taken for the inside of the tunnel.
            return Err(malformed("CONNECT with content", said));
        }
        if !self.is_authorised(request) {
            self.attempts = self.attempts.saturating_add(1);
            let is_last = self.attempts >= MAX_ATTEMPTS || request.is_last();
            let answer = if is_last {
                http::last_answer
            } else {
                http::answer
            };
            plain.write_all(&answer(
                "407 Proxy Authentication Required",
                "Proxy-Authenticate: Basic realm=\"proxy\", charset=\"UTF-8\"\r\n",
            ))?;
            return if is_last { Err(refused(407)) } else { Ok(None) };
        }
        let target =
            parse_authority(&request.target).ok_or_else(|| malformed("CONNECT target", said))?;
        if !self.access.allows(&target) {
            plain.write_all(&http::last_answer("403 Forbidden", ""))?;
            return Err(refused(403));
        }
        Ok(Some(target))
    }

    fn is_authorised(&mut self, request: &Request) -> bool {
        if !self.access.is_restricted() {
            return true;
        }
        for value in request.headers.all("Proxy-Authorization") {
            let (scheme, said) = value
                .iter()
                .position(|byte| *byte == b' ')
                .and_then(|end| value.split_at_checked(end))
                .unwrap_or_default();
            let said = said.trim_ascii();
            if scheme.eq_ignore_ascii_case(b"Bearer") {
                if self.access.knows(&Login::Bearer(said)) {
                    return true;
                }
            } else if scheme.eq_ignore_ascii_case(b"Basic") {
                let said = BASE64.decode(said).unwrap_or_default();
                let mut parts = said.splitn(2, |byte| *byte == b':');
                let (Some(user), Some(password)) = (parts.next(), parts.next()) else {
                    continue;
                };
                if self.access.knows(&Login::Password { user, password }) {
                    self.user = Some(String::from_utf8_lossy(user).into_owned());
                    return true;
                }
            }
        }
        false
    }

    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        while let Some(request) = self.heads.next_request(plain)? {
            let target = self.react(&request, plain);
            self.request = Some(request);
            if let Some(target) = target? {
                self.target = Some(target);
                return Ok(Progress::Done(Boundary::Exact));
            }
        }
        Ok(Progress::NeedInput)
    }
}

impl Default for RequestReader {
    fn default() -> Self {
        Self::new()
    }
}

impl Negotiator for RequestReader {
    type Tls = NoTls;

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
