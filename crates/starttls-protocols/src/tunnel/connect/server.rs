use starttls_core::rustls::ServerConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted};

use super::{Request, RequestReader};
use crate::read::dialogue::Outcome;
use crate::read::http;
use crate::tunnel::{Login, Target, Tunnel};

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
pub(super) enum Answer {
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

    pub(super) fn answering(answer: Answer) -> Self {
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
