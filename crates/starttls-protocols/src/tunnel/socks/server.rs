use std::net::{IpAddr, SocketAddr};

use starttls_core::rustls::ServerConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted};

use super::request::{RequestReader, Version};
use super::{ATYP_IPV4, ATYP_IPV6, GRANTED, REJECTED};
use crate::read::dialogue::Outcome;
use crate::tunnel::{Login, Target, Tunnel};

/// The proxy's part, for all three versions: the request is read and answered; the tunnel ends here, in whoever runs this.
///
/// What was asked for is [`target`](Self::target) then. Nothing is connected to: a reply of 0 says only that the dialogue goes on. A proxy that has a
/// way to make first reads the request with a [`RequestReader`].
///
/// What is refused to the client is the error, too: [`Error::TunnelRefused`] with the code of the reply, with 255 if there is no method of authentication in
/// common, or with the status of user and password; a request that is malformed is answered by 1 (SOCKS 5) or 91 (SOCKS 4).
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
    /// The way was made, from this address of the proxy's.
    Accept(Version, Option<SocketAddr>),
    /// It was not, to what was asked for.
    Refuse(Version, u8, String),
}

impl Server {
    /// Takes a CONNECT to anywhere, from anybody.
    pub fn new() -> Self {
        Self::answering(Answer::ToRequest)
    }

    /// The caller has consumed a SOCKS 5 CONNECT and agrees to it: only the reply is left.
    pub fn at_command() -> Self {
        Self::answering(Answer::Accept(Version::V5, None))
    }

    /// Insists on this user and password, and so on SOCKS 5.
    #[must_use]
    pub fn password(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.reader = self.reader.password(user, password);
        self
    }

    /// Insists on a user and a password that `authenticate` knows; a client of SOCKS 4 has its user id only.
    #[must_use]
    pub fn authenticate(
        mut self,
        authenticate: impl FnMut(&Login<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.reader = self.reader.authenticate(authenticate);
        self
    }

    /// Refuses where `permit` says no: code 2 in SOCKS 5, 91 in SOCKS 4.
    #[must_use]
    pub fn permit(mut self, permit: impl FnMut(&Target) -> bool + Send + Sync + 'static) -> Self {
        self.reader = self.reader.permit(permit);
        self
    }

    /// What the client has asked for, once it has.
    pub fn target(&self) -> Option<Untrusted<&Target>> {
        self.reader.target()
    }

    /// Who the client says it is: proven by the password in SOCKS 5, by nothing in SOCKS 4.
    pub fn user(&self) -> Option<&str> {
        self.reader.user()
    }

    pub(super) fn answering(answer: Answer) -> Self {
        Self {
            reader: RequestReader::new(),
            answer,
            outcome: Outcome::default(),
        }
    }

    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let (version, bound) = match &self.answer {
            Answer::ToRequest => {
                if self.reader.advance(plain)? == Progress::NeedInput {
                    return Ok(Progress::NeedInput);
                }
                (self.reader.version(), None)
            }
            Answer::Accept(version, bound) => (*version, *bound),
            Answer::Refuse(version, code, asked) => {
                if *code == version.granted() {
                    return Err(Misuse::Configuration("a code that refuses nothing").into());
                }
                plain.write_all(&version.reply(*code, None))?;
                let refusal = Refusal::new(u32::from(*code), asked.as_bytes());
                return Err(Error::TunnelRefused(refusal.ending()));
            }
        };
        plain.write_all(&version.reply(version.granted(), bound))?;
        Ok(Progress::Done(Boundary::Exact))
    }
}

impl Version {
    fn granted(self) -> u8 {
        match self {
            Self::V4 => GRANTED,
            Self::V5 => 0,
        }
    }

    /// The code by which this version says `code` of SOCKS 5. SOCKS 4 has one word for all of them.
    pub(super) fn refusal(self, code: u8) -> u8 {
        match (self, code) {
            (Self::V5, code) => code,
            (Self::V4, 91..=93) => code,
            (Self::V4, _) => REJECTED,
        }
    }

    /// A reply, with an address of zeros if there is none to tell.
    pub(super) fn reply(self, code: u8, bound: Option<SocketAddr>) -> Vec<u8> {
        let (ip, port) = bound.map_or((IpAddr::from([0; 4]), 0), |bound| {
            (bound.ip(), bound.port())
        });
        let port = port.to_be_bytes();
        match (self, ip) {
            (Self::V5, IpAddr::V4(ip)) => {
                [&[5, code, 0, ATYP_IPV4], &ip.octets()[..], &port].concat()
            }
            (Self::V5, IpAddr::V6(ip)) => {
                [&[5, code, 0, ATYP_IPV6], &ip.octets()[..], &port].concat()
            }
            (Self::V4, IpAddr::V4(ip)) => [&[0, code], &port[..], &ip.octets()].concat(),
            (Self::V4, IpAddr::V6(_)) => vec![0, code, 0, 0, 0, 0, 0, 0],
        }
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
        self.reader.farewell(error)
    }
}

impl Tunnel for Server {}
