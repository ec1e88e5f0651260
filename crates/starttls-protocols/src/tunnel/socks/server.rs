use std::net::Ipv4Addr;

use starttls_core::rustls::ServerConnection;
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal};

use super::{
    ATYP_IPV4, ATYP_IPV6, ATYP_NAME, CONNECT, GRANTED, MAX_STRING, NO_AUTHENTICATION, NO_METHOD,
    REJECTED, USER_PASSWORD, message_length, parse_address,
};
use crate::read::dialogue::Outcome;
use crate::read::fields::{Fields, take};
use crate::read::misbehaviour::{malformed, refuse_tls_record, too_long};
use crate::tunnel::{Credentials, Host, Permit, Target, Tunnel};

/// The proxy's part, for all three versions: the request is read and answered; the tunnel ends here, in whoever runs this.
///
/// What was asked for is [`target`](Self::target) then. Nothing is connected to: a reply of 0 says only that the dialogue goes on.
#[derive(Debug)]
pub struct Server {
    credentials: Option<Credentials>,
    permit: Permit,
    state: ServerState,
    target: Option<Target>,
    user: Option<String>,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy)]
enum ServerState {
    Start,
    Password,
    Request,
    GoAhead,
}

impl Server {
    /// Takes a CONNECT to anywhere, from anybody.
    pub fn new() -> Self {
        Self {
            credentials: None,
            permit: Permit::all(),
            state: ServerState::Start,
            target: None,
            user: None,
            outcome: Outcome::default(),
        }
    }

    /// The caller has consumed a SOCKS 5 CONNECT and agrees to it: only the reply is left.
    pub fn at_command() -> Self {
        Self {
            state: ServerState::GoAhead,
            ..Self::new()
        }
    }

    /// Insists on this user and password, and so on SOCKS 5.
    #[must_use]
    pub fn password(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::new(user, password));
        self
    }

    /// Refuses where `permit` says no: code 2 in SOCKS 5, 91 in SOCKS 4.
    #[must_use]
    pub fn permit(mut self, permit: impl FnMut(&Target) -> bool + Send + Sync + 'static) -> Self {
        self.permit = Permit::new(permit);
        self
    }

    /// What the client has asked for, once it has.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// Who the client says it is: proven by the password in SOCKS 5, by nothing in SOCKS 4.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The list of methods of SOCKS 5, or the whole request of SOCKS 4.
    fn start(&mut self, plain: &mut Plain) -> Result<Option<Progress>, Error> {
        let unread = plain.peek();
        refuse_tls_record(unread)?;
        match unread {
            // It may be the first byte of a TLS record.
            [] | [0x15 | 0x16] => Ok(None),
            [4, ..] => self.socks_4(plain),
            [5] => Ok(None),
            [5, count, ..] => {
                let Some(list) = take(plain, usize::from(*count).saturating_add(2)) else {
                    return Ok(None);
                };
                let wanted = if self.credentials.is_some() {
                    USER_PASSWORD
                } else {
                    NO_AUTHENTICATION
                };
                if !list.iter().skip(2).any(|method| *method == wanted) {
                    plain.write_all(&[5, NO_METHOD])?;
                    return Err(unexpected("no method of authentication in common"));
                }
                plain.write_all(&[5, wanted])?;
                self.state = if self.credentials.is_some() {
                    ServerState::Password
                } else {
                    ServerState::Request
                };
                self.go_on(plain).map(Some)
            }
            [other, ..] => Err(malformed("SOCKS version", &[*other])),
        }
    }

    fn check_password(&mut self, plain: &mut Plain) -> Result<Option<Progress>, Error> {
        let mut fields = Fields::new(plain.peek());
        let Some((version, user, password)) = parse_user_password(&mut fields) else {
            return match plain.peek() {
                [] | [1, ..] => Ok(None),
                [other, ..] => Err(malformed("authentication version", &[*other])),
            };
        };
        let is_right = self
            .credentials
            .as_ref()
            .is_some_and(|credentials| credentials.are(user, password));
        let length = plain.peek().len().saturating_sub(fields.rest().len());
        if version != 1 {
            return Err(malformed("authentication version", &[version]));
        }
        if !is_right {
            plain.write_all(&[1, 1])?;
            return Err(unexpected("wrong user or password"));
        }
        self.user = self
            .credentials
            .as_ref()
            .map(|credentials| credentials.user.clone());
        plain.consume(length);
        plain.write_all(&[1, 0])?;
        self.state = ServerState::Request;
        self.go_on(plain).map(Some)
    }

    fn request(&mut self, plain: &mut Plain) -> Result<Option<Progress>, Error> {
        let Some(header) = plain.peek().first_chunk::<4>().copied() else {
            return Ok(None);
        };
        match header {
            [5, CONNECT, 0, ATYP_IPV4 | ATYP_NAME | ATYP_IPV6] => {}
            // BIND and UDP ASSOCIATE: "command not supported"
            [5, 2 | 3, 0, _] => return refuse(7, "a command other than CONNECT", plain),
            [5, CONNECT, 0, _] => return refuse(8, "a type of address that is none", plain),
            _ => return Err(malformed("SOCKS request", &header)),
        }
        let Some(request) = message_length(plain.peek())?.and_then(|length| take(plain, length))
        else {
            return Ok(None);
        };
        let Some(target) = parse_address(&mut Fields::new(request.get(3..).unwrap_or_default()))
        else {
            return refuse(1, "a host that is neither a name nor an address", plain);
        };
        if !self.permit.allows(&target) {
            return refuse(2, "a target that is not permitted", plain);
        }
        self.target = Some(target);
        go_ahead(plain).map(Some)
    }

    fn socks_4(&mut self, plain: &mut Plain) -> Result<Option<Progress>, Error> {
        let mut fields = Fields::new(plain.peek());
        let (Some([_, command]), Some(port), Some(address)) =
            (fields.array(), fields.array(), fields.array())
        else {
            return Ok(None);
        };
        let Some(user) = string(&mut fields)? else {
            return Ok(None);
        };
        let name = match address {
            // 4a: an address that cannot be one, and a name behind the user id
            [0, 0, 0, 1..=255] => match string(&mut fields)? {
                Some(name) => Some(name),
                None => return Ok(None),
            },
            _ => None,
        };
        let host = match name {
            Some(name) => std::str::from_utf8(name).ok().and_then(Host::parse),
            None => Some(Host::Ip(Ipv4Addr::from(address).into())),
        };
        let port = u16::from_be_bytes(port);
        let target = host.map(|host| Target { host, port });
        let user = String::from_utf8_lossy(user).into_owned();
        let length = plain.peek().len().saturating_sub(fields.rest().len());
        plain.consume(length);
        match target {
            Some(target)
                if command == CONNECT
                    && self.credentials.is_none()
                    && self.permit.allows(&target) =>
            {
                self.target = Some(target);
                self.user = Some(user);
                plain.write_all(&[0, GRANTED, 0, 0, 0, 0, 0, 0])?;
                Ok(Some(Progress::Done(Boundary::Exact)))
            }
            _ => {
                plain.write_all(&[0, REJECTED, 0, 0, 0, 0, 0, 0])?;
                Err(unexpected("a SOCKS 4 request that is not permitted"))
            }
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let progress = match self.state {
            ServerState::Start => self.start(plain)?,
            ServerState::Password => self.check_password(plain)?,
            ServerState::Request => self.request(plain)?,
            ServerState::GoAhead => Some(go_ahead(plain)?),
        };
        Ok(progress.unwrap_or(Progress::NeedInput))
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
}

impl Tunnel for Server {}

/// Succeeded, bound to an address that is not told.
fn go_ahead(plain: &mut Plain) -> Result<Progress, Error> {
    plain.write_all(&[5, 0, 0, ATYP_IPV4, 0, 0, 0, 0, 0, 0])?;
    Ok(Progress::Done(Boundary::Exact))
}

fn refuse<T>(code: u8, why: &str, plain: &mut Plain) -> Result<T, Error> {
    plain.write_all(&[5, code, 0, ATYP_IPV4, 0, 0, 0, 0, 0, 0])?;
    Err(unexpected(why))
}

fn unexpected(what: &str) -> Error {
    Misbehaviour::Unexpected(Refusal::new(None, what.as_bytes())).into()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn server(input: &[u8]) -> Server {
        let mut server = Server::new();
        let mut plain = Plain::with_prefix(input);
        assert_eq!(
            server.advance(&mut plain),
            Ok(Progress::Done(Boundary::Exact))
        );
        assert_eq!(plain.peek(), b"");
        server
    }

    fn target(server: &Server) -> String {
        server.target().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn the_target_is_handed_over() {
        let by_name = server(b"\x05\x01\0\x05\x01\0\x03\x0bexample.org\0\x19");
        assert_eq!(target(&by_name), "example.org:25");
        let by_name_of_address = server(b"\x05\x01\0\x05\x01\0\x03\x09127.0.0.1\0\x19");
        let address = Host::Ip(Ipv4Addr::LOCALHOST.into());
        assert_eq!(
            by_name_of_address.target().map(|target| &target.host),
            Some(&address)
        );
        let socks_4 = server(b"\x04\x01\0\x19\xc0\0\x02\x01me\0");
        assert_eq!(
            (&target(&socks_4)[..], socks_4.user()),
            ("192.0.2.1:25", Some("me"))
        );
        let socks_4a = server(b"\x04\x01\0\x19\0\0\0\x01\0example.org\0");
        assert_eq!(
            (&target(&socks_4a)[..], socks_4a.user()),
            ("example.org:25", Some(""))
        );
    }

    #[test]
    fn the_user_is_known_by_the_password_only() {
        let make = || Server::new().password("me", "secret");
        let mut server = make();
        let mut plain =
            Plain::with_prefix(b"\x05\x01\x02\x01\x02me\x06secret\x05\x01\0\x01\x7f\0\0\x01\0\x19");
        assert_eq!(
            server.advance(&mut plain),
            Ok(Progress::Done(Boundary::Exact))
        );
        assert_eq!(server.user(), Some("me"));
        let mut server = make();
        let mut plain = Plain::with_prefix(b"\x05\x01\x02\x01\x02me\x05secre");
        assert!(server.advance(&mut plain).is_err());
        assert_eq!((server.user(), server.target()), (None, None));
        assert!(!format!("{server:?}").contains("secret"));
    }
}
