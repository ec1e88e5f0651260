use std::net::{Ipv4Addr, SocketAddr};

use starttls_core::{
    Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use super::server::{Answer, Server};
use super::{
    ATYP_IPV4, ATYP_IPV6, ATYP_NAME, CONNECT, MAX_STRING, NO_AUTHENTICATION, NO_METHOD, REJECTED,
    USER_PASSWORD, message_length, parse_address,
};
use crate::read::dialogue::Outcome;
use crate::read::fields::{Fields, foreign_words, take};
use crate::read::misbehaviour::{malformed, refuse_tls_record, too_long};
use crate::tunnel::{Access, Credentials, Host, Login, NoTls, Target};

/// The proxy's part up to the reply, for all three versions: reads the request of a client that may ask, and stops.
///
/// Whoever runs the proxy then makes the way to [`target`](Self::target), or tries, and says how it went with [`accept`](Self::accept) or
/// [`refuse`](Self::refuse).
///
/// ```
/// use starttls_core::{Negotiator, Phase, Plain};
/// use starttls_protocols::socks::RequestReader;
///
/// let mut reader = RequestReader::new();
/// let mut plain = Plain::with_prefix(b"\x05\x01\x00\x05\x01\x00\x03\x0bexample.org\x00\x19");
/// let _asked = plain.negotiate(&mut reader)?;
/// assert_eq!(reader.target().unwrap().get().to_string(), "example.org:25");
///
/// // "Connection refused"
/// assert!(plain.negotiate(&mut reader.refuse(5)).is_err());
/// let mut sent = Vec::new();
/// plain.poll_transmit(&mut sent);
/// assert_eq!(sent, b"\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00");
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct RequestReader {
    access: Access,
    state: State,
    version: Version,
    target: Option<Target>,
    user: Option<String>,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Start,
    Password,
    Request,
}

/// Of the dialogue: SOCKS 4a is that of 4.
#[derive(Debug, Clone, Copy)]
pub(super) enum Version {
    V4,
    V5,
}

impl RequestReader {
    /// Takes a CONNECT to anywhere, from anybody.
    pub fn new() -> Self {
        Self {
            access: Access::open(),
            state: State::Start,
            version: Version::V5,
            target: None,
            user: None,
            outcome: Outcome::default(),
        }
    }

    /// Insists on this user and password, and so on SOCKS 5.
    #[must_use]
    pub fn password(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.access.one_user(Credentials::new(user, password));
        self
    }

    /// Insists on a user and a password that `authenticate` knows; a client of SOCKS 4 has its user id only.
    #[must_use]
    pub fn authenticate(
        mut self,
        authenticate: impl FnMut(&Login<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.access.authenticate(authenticate);
        self
    }

    /// Refuses where `permit` says no: code 2 in SOCKS 5, 91 in SOCKS 4.
    #[must_use]
    pub fn permit(mut self, permit: impl FnMut(&Target) -> bool + Send + Sync + 'static) -> Self {
        self.access.permit(permit);
        self
    }

    /// What the client asks for, once it has.
    pub fn target(&self) -> Option<Untrusted<&Target>> {
        self.target.as_ref().map(Untrusted::new)
    }

    /// Who the client says it is: proven by the password in SOCKS 5, by nothing in SOCKS 4.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The way was made: says so, and the tunnel begins.
    pub fn accept(&self) -> Server {
        Server::answering(Answer::Accept(self.version, None))
    }

    /// The same with the address that the way was made from, for a client that looks at it.
    pub fn accept_from(&self, bound: SocketAddr) -> Server {
        Server::answering(Answer::Accept(self.version, Some(bound)))
    }

    /// The way was not made: says so with this code of SOCKS 5, and ends in [`Error::TunnelRefused`] with it. 3: the network is unreachable; 4: the host is; 5:
    /// the connection was refused; 6: it took too long (RFC 1928 section 6). A client of SOCKS 4 is told 91, whatever the code.
    pub fn refuse(&self, code: u8) -> Server {
        let asked = self.target.as_ref().map(ToString::to_string);
        let code = self.version.refusal(code);
        Server::answering(Answer::Refuse(
            self.version,
            code,
            asked.unwrap_or_default(),
        ))
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Says no with `code`, to what the client has said.
    fn no<T>(&self, code: u8, said: &[u8], plain: &mut Plain) -> Result<T, Error> {
        let code = self.version.refusal(code);
        plain.write_all(&self.version.reply(code, None))?;
        Err(refused(code, said))
    }

    /// The list of methods of SOCKS 5, or the whole request of SOCKS 4.
    fn start(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let unread = plain.peek();
        refuse_tls_record(unread)?;
        match unread {
            // It may be the first byte of a TLS record.
            [] | [0x15 | 0x16] | [5] => Ok(Progress::NeedInput),
            [4, ..] => self.socks_4(plain),
            [5, count, ..] => {
                let Some(list) = take(plain, usize::from(*count).saturating_add(2)) else {
                    return Ok(Progress::NeedInput);
                };
                let (wanted, next) = if self.access.is_restricted() {
                    (USER_PASSWORD, State::Password)
                } else {
                    (NO_AUTHENTICATION, State::Request)
                };
                if !list.iter().skip(2).any(|method| *method == wanted) {
                    plain.write_all(&[5, NO_METHOD])?;
                    return Err(refused(NO_METHOD, b""));
                }
                plain.write_all(&[5, wanted])?;
                self.state = next;
                self.go_on(plain)
            }
            _ => match foreign_words(plain, 0) {
                Some(words) => Err(malformed("SOCKS version", words)),
                None => Ok(Progress::NeedInput),
            },
        }
    }

    fn check_password(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let mut fields = Fields::new(plain.peek());
        let Some((version, user, password)) = parse_user_password(&mut fields) else {
            return match plain.peek() {
                [] | [1, ..] => Ok(Progress::NeedInput),
                [other, ..] => Err(malformed("authentication version", &[*other])),
            };
        };
        if version != 1 {
            return Err(malformed("authentication version", &[version]));
        }
        let length = plain.peek().len().saturating_sub(fields.rest().len());
        let is_known = self.access.knows(&Login::Password { user, password });
        let user = String::from_utf8_lossy(user).into_owned();
        plain.consume(length);
        if !is_known {
            plain.write_all(&[1, 1])?;
            return Err(refused(1, user.as_bytes()));
        }
        self.user = Some(user);
        plain.write_all(&[1, 0])?;
        self.state = State::Request;
        self.go_on(plain)
    }

    fn request(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let Some(header) = plain.peek().first_chunk::<4>().copied() else {
            return Ok(Progress::NeedInput);
        };
        match header {
            [5, CONNECT, 0, ATYP_IPV4 | ATYP_NAME | ATYP_IPV6] => {}
            // BIND, UDP ASSOCIATE, and what others have added: "command not supported"
            [5, command, 0, _] if command != CONNECT => return self.no(7, &header, plain),
            // "address type not supported"
            [5, CONNECT, 0, _] => return self.no(8, &header, plain),
            _ => return Err(malformed("SOCKS request", &header)),
        }
        let Some(request) = message_length(plain.peek())?.and_then(|length| take(plain, length))
        else {
            return Ok(Progress::NeedInput);
        };
        let address = request.get(3..).unwrap_or_default();
        let target = parse_address(&mut Fields::new(address))
            .ok_or_else(|| malformed("SOCKS address", address))?;
        self.decide(target, plain)
    }

    fn decide(&mut self, target: Target, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.access.allows(&target) {
            return self.no(2, target.to_string().as_bytes(), plain);
        }
        self.target = Some(target);
        Ok(Progress::Done(Boundary::Exact))
    }

    fn socks_4(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        self.version = Version::V4;
        let mut fields = Fields::new(plain.peek());
        let (Some([_, command]), Some(port), Some(address)) =
            (fields.array::<2>(), fields.u16(), fields.array())
        else {
            return Ok(Progress::NeedInput);
        };
        let Some(user) = string(&mut fields)? else {
            return Ok(Progress::NeedInput);
        };
        let host = match address {
            // 4a: an address that cannot be one, and a name behind the user id
            [0, 0, 0, 1..=255] => match string(&mut fields)? {
                Some(name) => std::str::from_utf8(name)
                    .ok()
                    .and_then(Host::parse)
                    .ok_or_else(|| malformed("SOCKS address", name)),
                None => return Ok(Progress::NeedInput),
            },
            _ => Ok(Host::Ip(Ipv4Addr::from(address).into())),
        };
        let is_known = self.access.knows(&Login::UserId(user));
        let user = String::from_utf8_lossy(user).into_owned();
        let length = plain.peek().len().saturating_sub(fields.rest().len());
        plain.consume(length);
        let target = Target { host: host?, port };
        if command != CONNECT || !is_known {
            return self.no(REJECTED, target.to_string().as_bytes(), plain);
        }
        self.user = Some(user);
        self.decide(target, plain)
    }

    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        match self.state {
            State::Start => self.start(plain),
            State::Password => self.check_password(plain),
            State::Request => self.request(plain),
        }
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
        let Error::Misbehaved(Misbehaviour::Malformed { .. } | Misbehaviour::TooLong { .. }) =
            error
        else {
            return Vec::new();
        };
        match (self.state, self.version) {
            // Whatever it is, it is not SOCKS.
            (State::Start, Version::V5) => Vec::new(),
            (State::Start, Version::V4) => Version::V4.reply(REJECTED, None),
            (State::Password, _) => vec![1, 1],
            // "general SOCKS server failure"
            (State::Request, _) => Version::V5.reply(1, None),
        }
    }
}

fn refused(code: u8, said: &[u8]) -> Error {
    Error::TunnelRefused(Refusal::new(u32::from(code), said).ending())
}

/// Version, user and password, if they are there.
fn parse_user_password<'a>(fields: &mut Fields<'a>) -> Option<(u8, &'a [u8], &'a [u8])> {
    let version = fields.u8()?;
    let length = fields.u8()?;
    let user = fields.bytes(usize::from(length))?;
    let length = fields.u8()?;
    let password = fields.bytes(usize::from(length))?;
    Some((version, user, password))
}

/// Bytes up to a NUL, which is skipped.
fn string<'a>(fields: &mut Fields<'a>) -> Result<Option<&'a [u8]>, Error> {
    match fields
        .rest()
        .iter()
        .take(MAX_STRING.saturating_add(1))
        .position(|byte| *byte == 0)
    {
        Some(_) => Ok(fields.until_nul()),
        None if fields.rest().len() > MAX_STRING => Err(too_long("string", MAX_STRING)),
        None => Ok(None),
    }
}
