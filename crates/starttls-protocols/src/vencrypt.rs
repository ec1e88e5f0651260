//! VeNCrypt 0.2 of VNC (rfbproto, security type 19 of RFB 3.7 and 3.8).
//!
//! Only the subtypes with a certificate of the server can be had: [`Subtype`]. The others that are called TLS negotiate an
//! anonymous key exchange that rustls does not have and that protects from no active attacker: [`Impossible`] names them.
//!
//! Nothing is said again after TLS: the dialogue goes on inside with what the subtype demands. The **server speaks first** there:
//! the result of the security handshake (X509None), the challenge (X509Vnc), the mechanisms (X509SASL). It is the client's turn
//! for X509Plain (name and password), for X509Ident, and for X509None in RFB 3.7, which has no result. Which subtype and which
//! version it is tell [`Client::chosen`] and [`Client::version`] of a negotiator that was lent (`&mut client`).

use std::fmt;

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, rustls,
};

use crate::fields::{Fields, expect_start, take};
use crate::misbehaviour::{malformed, too_long};

const VENCRYPT: u8 = 19;
/// The security type TLS: an anonymous key exchange.
const ANONYMOUS_TLS: u8 = 18;
/// The longest reason for a failure that is read. The protocol has no limit; a sentence is enough.
const MAX_REASON: usize = 4 * 1024;

/// A way to log in inside TLS, with a certificate of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Subtype {
    /// No login.
    X509None = 260,
    /// The challenge and response of VNC.
    X509Vnc = 261,
    /// Name and password.
    X509Plain = 262,
    /// SASL.
    X509Sasl = 264,
    /// Name only.
    X509Ident = 267,
}

impl Subtype {
    /// Every subtype that is possible, the strongest login first.
    pub const ALL: [Self; 5] = [
        Self::X509Sasl,
        Self::X509Plain,
        Self::X509Vnc,
        Self::X509Ident,
        Self::X509None,
    ];

    /// The number on the wire.
    pub fn number(self) -> u32 {
        self as u32
    }
}

impl TryFrom<u32> for Subtype {
    type Error = Impossible;

    fn try_from(number: u32) -> Result<Self, Impossible> {
        match number {
            257..=259 | 263 | 266 => Err(Impossible::Anonymous(number)),
            256 | 265 => Err(Impossible::Plaintext(number)),
            _ => Self::ALL
                .into_iter()
                .find(|subtype| subtype.number() == number)
                .ok_or(Impossible::Unknown(number)),
        }
    }
}

/// Why a number is no [`Subtype`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Impossible {
    /// An anonymous key exchange, without a certificate: 257 (TLSNone), 258 (TLSVnc), 259 (TLSPlain), 263 (TLSSASL), 266
    /// (TLSIdent), or the security type 18 (TLS).
    Anonymous(u32),
    /// No TLS at all: 256 (Plain), 265 (Ident).
    Plaintext(u32),
    /// Not a known number.
    Unknown(u32),
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous(number) => {
                write!(
                    f,
                    "VNC security type {number} is TLS without a certificate, which rustls does not do"
                )
            }
            Self::Plaintext(number) => write!(f, "VNC security type {number} is without TLS"),
            Self::Unknown(number) => write!(f, "VNC security type {number} is unknown"),
        }
    }
}

impl std::error::Error for Impossible {}

/// The version of RFB that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 3.7: no result is sent after [`Subtype::X509None`].
    V3_7,
    /// 3.8
    V3_8,
}

/// What a `ProtocolVersion` message says: `None` for 3.3, which has no list of security types.
fn version(message: &[u8]) -> Option<Result<Version, ()>> {
    let number = message.strip_prefix(b"RFB ")?.strip_suffix(b"\n")?;
    let (major, minor) = match number {
        [a, b, c, b'.', d, e, f] => ([*a, *b, *c], [*d, *e, *f]),
        _ => return None,
    };
    if !major.iter().chain(&minor).all(u8::is_ascii_digit) {
        return None;
    }
    Some(match (&major, &minor) {
        (b"003", b"007") => Ok(Version::V3_7),
        (b"000" | b"001" | b"002", _) => Err(()),
        // "version 3.5 was wrongly reported by some clients, but this should be interpreted by all servers as 3.3"
        (b"003", minor) if minor < b"007" => Err(()),
        // 3.889 and 4.1 are servers that speak 3.8.
        _ => Ok(Version::V3_8),
    })
}

/// The client's part: versions, security type, subtype.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::vencrypt::{Client, Subtype};
///
/// let mut client = Client::new([Subtype::X509None]);
/// let mut plain = Plain::with_prefix(
///     b"RFB 003.008\n\x02\x02\x13\x00\x02\x00\x02\0\0\x01\x02\0\0\x01\x04\x01",
/// );
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// assert_eq!(client.chosen(), Some(Subtype::X509None));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    subtypes: Vec<Subtype>,
    version: Option<Version>,
    chosen: Option<Subtype>,
    impossible: Option<Impossible>,
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Version,
    Types,
    Command,
    ServerVersion,
    VersionAnswer,
    Subtypes,
    SubtypeAnswer,
}

impl Client {
    /// RFB from the first byte on, with the subtypes that are wanted, the best first.
    pub fn new(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(ClientState::Version, subtypes)
    }

    /// The caller has consumed the server's list of security types, 19 among them, and has not answered it.
    pub fn at_command(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(ClientState::Command, subtypes)
    }

    fn starting(state: ClientState, subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self {
            subtypes: subtypes.into_iter().collect(),
            version: None,
            chosen: None,
            impossible: None,
            state,
        }
    }

    /// The subtype that was agreed upon, once there is one.
    pub fn chosen(&self) -> Option<Subtype> {
        self.chosen
    }

    /// The version of RFB, if it was this negotiator that has agreed upon it.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// When the error is [`Error::NotOffered`]: the first thing that the server offers instead and that cannot be, if any.
    pub fn impossible(&self) -> Option<Impossible> {
        self.impossible
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if self.subtypes.is_empty() {
            return Err(Misuse::Configuration("no VeNCrypt subtype is wanted").into());
        }
        loop {
            let known = match self.state {
                ClientState::Version => self.server_version(plain)?,
                ClientState::Types => self.security_types(plain)?,
                ClientState::Command => {
                    plain.write_all(&[VENCRYPT])?;
                    Some(ClientState::ServerVersion)
                }
                ClientState::ServerVersion => match take(plain, 2).as_deref() {
                    None => None,
                    Some([0, 0..=1]) => return Err(Error::NotOffered),
                    Some(_) => {
                        plain.write_all(&[0, 2])?;
                        Some(ClientState::VersionAnswer)
                    }
                },
                ClientState::VersionAnswer => match take(plain, 1).as_deref() {
                    None => None,
                    Some([0]) => Some(ClientState::Subtypes),
                    Some(other) => return Err(refused(other)),
                },
                ClientState::Subtypes => self.server_subtypes(plain)?,
                ClientState::SubtypeAnswer => match take(plain, 1).as_deref() {
                    None => None,
                    Some([1]) => return Ok(Progress::Done(Boundary::Exact)),
                    Some([0]) => return Err(refused(&[0])),
                    Some(other) => return Err(unexpected(other.first().copied())),
                },
            };
            match known {
                Some(state) => self.state = state,
                None => return Ok(Progress::NeedInput),
            }
        }
    }
}

impl Client {
    fn server_version(&mut self, plain: &mut Plain) -> Result<Option<ClientState>, Error> {
        let Some(message) = version_message(plain)? else {
            return Ok(None);
        };
        match version(&message) {
            Some(Ok(version)) => {
                self.version = Some(version);
                plain.write_all(match version {
                    Version::V3_7 => b"RFB 003.007\n",
                    Version::V3_8 => b"RFB 003.008\n",
                })?;
                Ok(Some(ClientState::Types))
            }
            Some(Err(())) => Err(Error::NotOffered),
            None => Err(malformed("RFB version", &message)),
        }
    }

    fn security_types(&mut self, plain: &mut Plain) -> Result<Option<ClientState>, Error> {
        let Some(types) = list(plain, 1) else {
            return Ok(None);
        };
        if types.is_empty() {
            // "for some reason the connection failed ... followed by a string describing the reason"
            return match reason(plain)? {
                Some(words) => Err(Misbehaviour::Goodbye(Refusal::new(None, &words)).into()),
                None => Ok(None),
            };
        }
        plain.consume(types.len().saturating_add(1));
        if types.contains(&VENCRYPT) {
            return Ok(Some(ClientState::Command));
        }
        if types.contains(&ANONYMOUS_TLS) {
            self.impossible = Some(Impossible::Anonymous(u32::from(ANONYMOUS_TLS)));
        }
        Err(Error::NotOffered)
    }

    fn server_subtypes(&mut self, plain: &mut Plain) -> Result<Option<ClientState>, Error> {
        let Some(offered) = list(plain, 4) else {
            return Ok(None);
        };
        plain.consume(offered.len().saturating_add(1));
        let mut fields = Fields::new(&offered);
        let offered: Vec<_> = std::iter::from_fn(|| fields.u32())
            .map(Subtype::try_from)
            .collect();
        let Some(chosen) = self
            .subtypes
            .iter()
            .find(|wanted| offered.contains(&Ok(**wanted)))
        else {
            self.impossible = offered.into_iter().find_map(Result::err);
            return Err(Error::NotOffered);
        };
        self.chosen = Some(*chosen);
        plain.write_all(&chosen.number().to_be_bytes())?;
        Ok(Some(ClientState::SubtypeAnswer))
    }
}

/// The 12 bytes of a `ProtocolVersion`, consumed.
fn version_message(plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
    expect_start(plain.peek(), b"RFB ", "RFB version")?;
    Ok(take(plain, 12))
}

/// A list with a byte that says how many items it has, without that byte and not consumed; `None` if it is not complete.
fn list(plain: &Plain, item: usize) -> Option<Vec<u8>> {
    let mut fields = Fields::new(plain.peek());
    let count = usize::from(fields.u8()?);
    fields.bytes(count.saturating_mul(item)).map(<[u8]>::to_vec)
}

/// The reason behind an empty list of security types; `None` if it is not complete.
fn reason(plain: &Plain) -> Result<Option<Vec<u8>>, Error> {
    let mut fields = Fields::new(plain.peek());
    let (Some(_count), Some(length)) = (fields.u8(), fields.u32()) else {
        return Ok(None);
    };
    match usize::try_from(length) {
        Ok(length) if length <= MAX_REASON => Ok(fields.bytes(length).map(<[u8]>::to_vec)),
        _ => Err(too_long("reason", MAX_REASON)),
    }
}

/// A status byte that means no.
fn refused(status: &[u8]) -> Error {
    Refusal::new(status.first().copied().map(u32::from), b"").into()
}

fn unexpected(code: impl Into<Option<u8>>) -> Error {
    Misbehaviour::Unexpected(Refusal::new(code.into().map(u32::from), b"")).into()
}

/// The server's part: VeNCrypt 0.2 as the only security type.
#[derive(Debug)]
pub struct Server {
    subtypes: Vec<Subtype>,
    version: Option<Version>,
    chosen: Option<Subtype>,
    state: ServerState,
}

#[derive(Debug, Clone, Copy)]
enum ServerState {
    Start,
    Version,
    Type,
    GoAhead,
    ClientVersion,
    Subtype,
}

impl Server {
    /// RFB from the first byte on, with the subtypes that are offered, the best first.
    pub fn new(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(ServerState::Start, subtypes)
    }

    /// The caller has just consumed the client's choice of security type 19: versions and subtypes of VeNCrypt are left.
    pub fn at_command(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(ServerState::GoAhead, subtypes)
    }

    fn starting(state: ServerState, subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self {
            subtypes: subtypes.into_iter().collect(),
            version: None,
            chosen: None,
            state,
        }
    }

    /// The subtype that the client has chosen, once it has.
    pub fn chosen(&self) -> Option<Subtype> {
        self.chosen
    }

    /// The version of RFB, if it was this negotiator that has agreed upon it.
    pub fn version(&self) -> Option<Version> {
        self.version
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        // The list has one byte for its length.
        if self.subtypes.is_empty() || self.subtypes.len() > 255 {
            return Err(Misuse::Configuration("VeNCrypt needs 1 to 255 subtypes").into());
        }
        loop {
            let known = match self.state {
                ServerState::Start => {
                    plain.write_all(b"RFB 003.008\n")?;
                    Some(ServerState::Version)
                }
                ServerState::Version => self.client_version(plain)?,
                ServerState::Type => match take(plain, 1).as_deref() {
                    None => None,
                    Some([VENCRYPT]) => Some(ServerState::GoAhead),
                    Some(other) => {
                        if self.version == Some(Version::V3_8) {
                            plain.write_all(&[0, 0, 0, 1])?;
                            write_reason(plain)?;
                        }
                        return Err(unexpected(other.first().copied()));
                    }
                },
                ServerState::GoAhead => {
                    plain.write_all(&[0, 2])?;
                    Some(ServerState::ClientVersion)
                }
                ServerState::ClientVersion => match take(plain, 2).as_deref() {
                    None => None,
                    Some([0, 2]) => {
                        self.offer_subtypes(plain)?;
                        Some(ServerState::Subtype)
                    }
                    // "0.0 if for some reason it can't support the protocol"
                    Some([0, 0]) => return Err(Misbehaviour::Goodbye(Refusal::new(0, b"")).into()),
                    Some(other) => {
                        plain.write_all(&[255])?;
                        return Err(unexpected(other.last().copied()));
                    }
                },
                ServerState::Subtype => match take(plain, 4)
                    .and_then(|choice| Fields::new(&choice).u32())
                {
                    None => None,
                    Some(number) => {
                        self.chosen = self
                            .subtypes
                            .iter()
                            .copied()
                            .find(|offered| offered.number() == number);
                        if self.chosen.is_none() {
                            plain.write_all(&[0])?;
                            return Err(Misbehaviour::Unexpected(Refusal::new(number, b"")).into());
                        }
                        plain.write_all(&[1])?;
                        return Ok(Progress::Done(Boundary::Exact));
                    }
                },
            };
            match known {
                Some(state) => self.state = state,
                None => return Ok(Progress::NeedInput),
            }
        }
    }
}

impl Server {
    fn client_version(&mut self, plain: &mut Plain) -> Result<Option<ServerState>, Error> {
        let Some(message) = version_message(plain)? else {
            return Ok(None);
        };
        match version(&message) {
            Some(Ok(version)) => {
                self.version = Some(version);
                plain.write_all(&[1, VENCRYPT])?;
                Ok(Some(ServerState::Type))
            }
            Some(Err(())) => {
                // In 3.3 the server decides, and 0 with a reason is how it fails.
                plain.write_all(&[0, 0, 0, 0])?;
                write_reason(plain)?;
                Err(Error::NotOffered)
            }
            None => Err(malformed("RFB version", &message)),
        }
    }

    fn offer_subtypes(&self, plain: &mut Plain) -> Result<(), Error> {
        // The version is accepted, then the list.
        plain.write_all(&[0, u8::try_from(self.subtypes.len()).unwrap_or_default()])?;
        for subtype in &self.subtypes {
            plain.write_all(&subtype.number().to_be_bytes())?;
        }
        Ok(())
    }
}

fn write_reason(plain: &mut Plain) -> Result<(), Error> {
    let reason = b"This server requires VeNCrypt";
    plain.write_all(
        &u32::try_from(reason.len())
            .unwrap_or_default()
            .to_be_bytes(),
    )?;
    plain.write_all(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtypes_without_a_certificate_are_named_as_impossible() {
        for number in [257, 258, 259, 263, 266] {
            assert_eq!(
                Subtype::try_from(number),
                Err(Impossible::Anonymous(number))
            );
        }
        for number in [256, 265] {
            assert_eq!(
                Subtype::try_from(number),
                Err(Impossible::Plaintext(number))
            );
        }
        assert_eq!(Subtype::try_from(268), Err(Impossible::Unknown(268)));
        for subtype in Subtype::ALL {
            assert_eq!(Subtype::try_from(subtype.number()), Ok(subtype));
        }
    }

    #[test]
    fn what_a_server_offers_instead_can_be_asked_for() {
        let instead = |said: &[u8]| {
            let mut client = Client::new(Subtype::ALL);
            let error = client.advance(&mut Plain::with_prefix(said));
            assert_eq!(error, Err(Error::NotOffered));
            assert_eq!(client.chosen(), None);
            client.impossible()
        };
        assert_eq!(
            instead(b"RFB 003.008\n\x02\x01\x12"),
            Some(Impossible::Anonymous(18))
        );
        assert_eq!(
            instead(b"RFB 003.008\n\x01\x13\0\x02\0\x02\0\0\x01\x03\0\0\x01\0"),
            Some(Impossible::Anonymous(259))
        );
        assert_eq!(instead(b"RFB 003.008\n\x01\x02"), None);
    }

    #[test]
    fn both_sides_know_what_was_agreed() {
        let mut server = Server::new([Subtype::X509Plain, Subtype::X509Vnc]);
        let mut plain = Plain::with_prefix(b"RFB 003.007\n\x13\0\x02\0\0\x01\x05");
        assert_eq!(
            server.advance(&mut plain),
            Ok(Progress::Done(Boundary::Exact))
        );
        assert_eq!(server.chosen(), Some(Subtype::X509Vnc));
        assert_eq!(server.version(), Some(Version::V3_7));
    }
}
