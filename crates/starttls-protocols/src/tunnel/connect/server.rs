use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use starttls_core::rustls::ServerConnection;
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use super::{Request, parse_authority};
use crate::read::dialogue::Outcome;
use crate::read::http::{self, Heads};
use crate::read::misbehaviour::malformed;
use crate::tunnel::{Access, Credentials, Login, NoTls, Target, Tunnel};

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

/// The proxy's part: the request is read and answered; the tunnel ends here, in whoever runs this.
///
/// What was asked for is [`target`](Self::target) then. Nothing is connected to: an answer of 200 says only that the dialogue goes on. A proxy that
/// has a way to make first reads the request with a [`RequestReader`].
///
/// What is refused to the client is the error, too: [`Error::TunnelRefused`] with 403 (not permitted) or 407 (not known), both with the target that
/// was asked for; with 405 it is an unexpected method, and with 400 a malformed request.
#[derive(Debug)]
pub struct Server {
    reader: RequestReader,
    answer: Answer,
    outcome: Outcome,
}

#[derive(Debug)]
enum Answer {
    /// To the request that is yet to come.
    ToRequest,
    Accept,
    /// With a status, to what was asked for.
    Refuse(u16, String),
}

impl Server {
    /// Takes a CONNECT to anywhere, from anybody.
    pub fn new() -> Self {
        Self::answering(Answer::ToRequest)
    }

    /// The caller has consumed a CONNECT and agrees to it: only the 200 is left.
    pub fn at_command() -> Self {
        Self::answering(Answer::Accept)
    }

    /// Answers 407 to whoever does not say this user and password.
    #[must_use]
    pub fn basic_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.reader = self.reader.basic_auth(user, password);
        self
    }

    /// Answers 407 to whoever `authenticate` does not know.
    #[must_use]
    pub fn authenticate(
        mut self,
        authenticate: impl FnMut(&Login<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.reader = self.reader.authenticate(authenticate);
        self
    }

    /// Answers 403 where `permit` says no.
    #[must_use]
    pub fn permit(mut self, permit: impl FnMut(&Target) -> bool + Send + Sync + 'static) -> Self {
        self.reader = self.reader.permit(permit);
        self
    }

    /// What the client has asked for, once it has.
    pub fn target(&self) -> Option<Untrusted<&Target>> {
        self.reader.target()
    }

    /// Who has said the right password, if one was asked for.
    pub fn user(&self) -> Option<&str> {
        self.reader.user()
    }

    /// The client's last request, once it is there.
    pub fn request(&self) -> Option<Untrusted<&Request>> {
        self.reader.request()
    }

    fn answering(answer: Answer) -> Self {
        Self {
            reader: RequestReader::new(),
            answer,
            outcome: Outcome::default(),
        }
    }

    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        match &self.answer {
            Answer::ToRequest => {
                if self.reader.advance(plain)? == Progress::NeedInput {
                    return Ok(Progress::NeedInput);
                }
            }
            Answer::Accept => {}
            Answer::Refuse(status, asked) => {
                if !(400..=599).contains(status) {
                    return Err(Misuse::Configuration("a status that refuses nothing").into());
                }
                plain.write_all(&http::last_answer(
                    &format!("{status} {}", reason(*status)),
                    "",
                ))?;
                let refusal = Refusal::new(u32::from(*status), asked.as_bytes());
                return Err(Error::TunnelRefused(refusal.ending()));
            }
        }
        plain.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        Ok(Progress::Done(Boundary::Exact))
    }
}

/// RFC 9110 section 15, for what becomes of a way.
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Refused",
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

impl Tunnel for Server {}

#[cfg(test)]
mod tests {
    use starttls_core::Phase;

    use super::*;

    const CONNECT: &[u8] = b"CONNECT [2001:db8::1]:25 HTTP/1.1\r\nHost: a\r\n\r\n";

    fn target(server: &Server) -> Option<String> {
        server.target().map(|target| target.get().to_string())
    }

    #[test]
    fn the_target_is_handed_over() {
        let mut server = Server::new().permit(|target| target.port == 25);
        assert_eq!(
            server.advance(&mut Plain::with_prefix(CONNECT)),
            Ok(Progress::Done(Boundary::Exact))
        );
        assert_eq!(target(&server).as_deref(), Some("[2001:db8::1]:25"));

        let mut server = Server::new().permit(|target| target.port == 443);
        let error = server.advance(&mut Plain::with_prefix(CONNECT));
        assert!(
            matches!(&error, Err(Error::TunnelRefused(refusal)) if refusal.code == Some(403)),
            "{error:?}"
        );
        assert_eq!(target(&server), None);
    }

    #[test]
    fn a_way_that_was_made_or_not_is_answered_so() {
        let mut reader = RequestReader::new();
        let mut plain = Plain::with_prefix(CONNECT);
        let asked = plain.negotiate(&mut reader);
        assert_eq!(asked, Ok(Progress::Done(Boundary::Exact)));
        assert!(!plain.has_output(), "not answered yet");

        let mut accepted = plain;
        let done = accepted.negotiate(&mut reader.accept());
        assert_eq!(done, Ok(Progress::Done(Boundary::Exact)));
        assert!(accepted.into_parts().1.starts_with(b"HTTP/1.1 200 "));

        let mut refused = Plain::new();
        let error = refused.negotiate(&mut reader.refuse(504)).unwrap_err();
        let Error::TunnelRefused(refusal) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(
            (refusal.code, refusal.text.escaped()),
            (Some(504), "[2001:db8::1]:25".to_owned())
        );
        assert!(!error.is_declined() && !error.to_string().contains("TLS"));
        assert!(
            refused
                .into_parts()
                .1
                .starts_with(b"HTTP/1.1 504 Gateway Timeout\r\n")
        );
        assert!(Plain::new().negotiate(&mut reader.refuse(200)).is_err());
    }

    #[test]
    fn the_caller_decides_who_is_known() {
        let server = || {
            Server::new().authenticate(|login| match login {
                Login::Password { user, .. } => *user == b"me",
                Login::Bearer(token) => *token == b"abc",
                Login::UserId(_) => false,
            })
        };
        for (authorization, user) in [("Basic bWU6eA==", Some("me")), ("bearer abc", None)] {
            let request =
                format!("CONNECT a:1 HTTP/1.0\r\nProxy-Authorization: {authorization}\r\n\r\n");
            let mut server = server();
            let done = server.advance(&mut Plain::with_prefix(request.as_bytes()));
            assert_eq!(done, Ok(Progress::Done(Boundary::Exact)), "{authorization}");
            assert_eq!(server.user(), user);
        }
        let request = b"CONNECT a:1 HTTP/1.0\r\nProxy-Authorization: Bearer abcd\r\n\r\n";
        assert!(server().advance(&mut Plain::with_prefix(request)).is_err());
    }

    #[test]
    fn the_password_is_in_no_debug_output() {
        let client = super::super::Client::new("a", 1)
            .basic_auth("me", "secret")
            .header("X-Token", "secret");
        let bearer = super::super::Client::new("a", 1).bearer_auth("secret");
        let mut server = Server::new().basic_auth("me", "secret");
        let request = b"CONNECT a:1 HTTP/1.0\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n";
        assert!(server.advance(&mut Plain::with_prefix(request)).is_ok());
        let shown = format!("{client:?}{bearer:?}{server:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("bWU6c2VjcmV0"),
            "{shown}"
        );
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
