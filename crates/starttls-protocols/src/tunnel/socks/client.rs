use std::net::{IpAddr, Ipv4Addr};

use starttls_core::rustls::ClientConnection;
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use super::{
    ATYP_IPV4, ATYP_IPV6, ATYP_NAME, CONNECT, GRANTED, MAX_STRING, NO_AUTHENTICATION, NO_METHOD,
    USER_PASSWORD, message_length, parse_address,
};
use crate::read::dialogue::Outcome;
use crate::read::fields::{Fields, foreign_words, take};
use crate::read::misbehaviour::{malformed, refuse_tls_record};
use crate::tunnel::{Credentials, Host, Target, Tunnel};

/// The client's part: CONNECT by name or address.
///
/// A refusal is an [`Error::TunnelRefused`] with the proxy's code: that of the reply (5 is "connection refused" in SOCKS 5, 91 "rejected" in SOCKS 4), 255 if it accepts no
/// method of authentication, or the status of the user and password. Its reply is consumed whole. There is no greeting and so no `at_command`.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::socks;
///
/// let mut client = socks::Client::new("www.example.org", 443);
/// let mut plain = Plain::with_prefix(b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x1f\x90");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// assert_eq!(client.bound().map(|bound| bound.get().to_string()).as_deref(), Some("127.0.0.1:8080"));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    host: String,
    port: u16,
    version: Version,
    credentials: Option<Credentials>,
    state: ClientState,
    bound: Option<Target>,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Version {
    V5,
    /// With a user id.
    V4(String),
    /// The same, and the name is the proxy's to look up.
    V4a(String),
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Start,
    Method,
    Status,
    Request,
    Reply,
}

impl Client {
    /// SOCKS 5. A name is sent as a name: the proxy looks it up.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self::starting(Version::V5, host.into(), port)
    }

    /// SOCKS 4, which knows IPv4 addresses only. `user` may be empty.
    pub fn v4(address: Ipv4Addr, port: u16, user: impl Into<String>) -> Self {
        Self::starting(Version::V4(user.into()), address.to_string(), port)
    }

    /// SOCKS 4a, in which the proxy looks up the name. `user` may be empty.
    pub fn v4a(host: impl Into<String>, port: u16, user: impl Into<String>) -> Self {
        Self::starting(Version::V4a(user.into()), host.into(), port)
    }

    /// Offers user and password (SOCKS 5 only), in plaintext as everything else here; the proxy may still ask for nothing.
    #[must_use]
    pub fn password(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::new(user, password));
        self
    }

    /// The address at which the proxy has connected, as it says.
    pub fn bound(&self) -> Option<Untrusted<&Target>> {
        self.bound.as_ref().map(Untrusted::new)
    }

    fn starting(version: Version, host: String, port: u16) -> Self {
        Self {
            host,
            port,
            version,
            credentials: None,
            state: ClientState::Start,
            bound: None,
            outcome: Outcome::default(),
        }
    }

    fn host(&self) -> Result<Host, Error> {
        Host::parse(&self.host).ok_or_else(|| {
            Misuse::Configuration("the host is neither a name nor an address").into()
        })
    }

    fn start(&mut self, plain: &mut Plain) -> Result<(), Error> {
        let host = self.host()?;
        let (user, is_4a) = match &self.version {
            Version::V5 => {
                // Now, so that nothing is said by a client that cannot go on.
                if let Some(credentials) = &self.credentials {
                    user_password(credentials)?;
                    plain.write_all(&[5, 2, NO_AUTHENTICATION, USER_PASSWORD])?;
                } else {
                    plain.write_all(&[5, 1, NO_AUTHENTICATION])?;
                }
                self.state = ClientState::Method;
                return Ok(());
            }
            Version::V4(user) => (user, false),
            Version::V4a(user) => (user, true),
        };
        if user.contains('\0') || user.len() > MAX_STRING {
            return Err(
                Misuse::Configuration("a NUL in the user id, or more than 255 bytes").into(),
            );
        }
        let [high, low] = self.port.to_be_bytes();
        let (address, name) = match (&host, is_4a) {
            (Host::Ip(IpAddr::V4(address)), _) => (address.octets(), None),
            // An address that cannot be one says that a name follows.
            (Host::Name(name), true) => ([0, 0, 0, 1], Some(name)),
            _ => return Err(Misuse::Configuration("SOCKS 4 has no IPv6").into()),
        };
        let mut request = [
            &[4, CONNECT, high, low],
            &address[..],
            user.as_bytes(),
            &[0],
        ]
        .concat();
        if let Some(name) = name {
            request.extend(name.as_bytes());
            request.push(0);
        }
        plain.write_all(&request)?;
        self.state = ClientState::Reply;
        Ok(())
    }

    /// The two bytes that answer the list of methods.
    fn method(&mut self, method: u8, plain: &mut Plain) -> Result<(), Error> {
        match (method, &self.credentials) {
            (NO_AUTHENTICATION, _) => self.state = ClientState::Request,
            (USER_PASSWORD, Some(credentials)) => {
                plain.write_all(&user_password(credentials)?)?;
                self.state = ClientState::Status;
            }
            (NO_METHOD, _) => return Err(refused(method)),
            _ => {
                return Err(Misbehaviour::Unexpected(Refusal::new(u32::from(method), b"")).into());
            }
        }
        Ok(())
    }

    fn request(&self) -> Result<Vec<u8>, Error> {
        let address = match self.host()? {
            Host::Ip(IpAddr::V4(address)) => [&[ATYP_IPV4], &address.octets()[..]].concat(),
            Host::Ip(IpAddr::V6(address)) => [&[ATYP_IPV6], &address.octets()[..]].concat(),
            Host::Name(name) => [&[ATYP_NAME][..], &with_length(name.as_bytes())?].concat(),
        };
        Ok([&[5, CONNECT, 0], &address[..], &self.port.to_be_bytes()].concat())
    }

    fn reply(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let (version, granted) = match self.version {
            Version::V5 => (5, 0),
            Version::V4(_) | Version::V4a(_) => (0, GRANTED),
        };
        let Some([first, code]) = self.answer(version, plain)? else {
            return Ok(Progress::NeedInput);
        };
        let unread = plain.peek();
        let length = match first {
            5 => message_length(unread),
            _ => Ok(Some(8)),
        };
        if code != granted {
            // The code decides. Not every proxy sends the rest of a refusal before it closes, or one that can be read.
            let Ok(length) = length else {
                return Err(refused(code));
            };
            let is_whole = length.and_then(|length| take(plain, length)).is_some();
            if !is_whole && !plain.is_eof() {
                return Ok(Progress::NeedInput);
            }
            if !is_whole {
                plain.consume(plain.peek().len());
            }
            return Err(refused(code));
        }
        let Some(reply) = length?.and_then(|length| take(plain, length)) else {
            return Ok(Progress::NeedInput);
        };
        if version == 5 {
            self.bound = parse_address(&mut Fields::new(reply.get(3..).unwrap_or_default()));
        }
        Ok(Progress::Done(Boundary::Exact))
    }

    /// The first two bytes of an answer, which stay unread, if it is one of SOCKS.
    fn answer(&self, version: u8, plain: &Plain) -> Result<Option<[u8; 2]>, Error> {
        let unread = plain.peek();
        refuse_tls_record(unread)?;
        match unread {
            // It may be the first byte of a TLS record.
            [] | [0x15 | 0x16] => Ok(None),
            [first, ..] if *first != version => match foreign_words(plain, 0) {
                Some(words) => Err(malformed("SOCKS version", words)),
                None => Ok(None),
            },
            unread => Ok(unread.first_chunk().copied()),
        }
    }

    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        loop {
            match self.state {
                ClientState::Start => self.start(plain)?,
                ClientState::Request => {
                    plain.write_all(&self.request()?)?;
                    self.state = ClientState::Reply;
                }
                ClientState::Reply => return self.reply(plain),
                ClientState::Method => {
                    let Some([_, method]) = self.answer(5, plain)? else {
                        return Ok(Progress::NeedInput);
                    };
                    plain.consume(2);
                    self.method(method, plain)?;
                }
                ClientState::Status => {
                    refuse_tls_record(plain.peek())?;
                    // On the version nothing hangs: there are proxies that say 5 where RFC 1929 has 1.
                    let Some([_, status]) = plain.peek().first_chunk().copied() else {
                        return Ok(Progress::NeedInput);
                    };
                    plain.consume(2);
                    if status != 0 {
                        return Err(refused(status));
                    }
                    self.state = ClientState::Request;
                }
            }
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

impl Tunnel for Client {}

/// The proxy is not the peer: nothing is known of that.
fn refused(code: u8) -> Error {
    Error::TunnelRefused(Refusal::new(u32::from(code), b"").ending())
}

/// One byte of length, and the bytes.
fn with_length(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let length =
        u8::try_from(bytes.len()).map_err(|_| Misuse::Configuration("more than 255 bytes"))?;
    Ok([&[length], bytes].concat())
}

/// The request of RFC 1929. It asks for passwords of 1 to 255 bytes; proxies take an empty one, and have users without.
fn user_password(credentials: &Credentials) -> Result<Vec<u8>, Error> {
    let Credentials { user, password } = credentials;
    if user.is_empty() {
        return Err(Misuse::Configuration("an empty user").into());
    }
    Ok([
        &[1][..],
        &with_length(user.as_bytes())?,
        &with_length(password.as_bytes())?,
    ]
    .concat())
}
