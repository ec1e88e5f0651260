//! The security negotiation of RDP (MS-RDPBCGR 2.2.1.1 and 2.2.1.2: TPKT, X.224 Connection Request and Confirm).
//!
//! Nothing is said again after TLS. With [`Protocols::TLS`] the client goes on with its MCS Connect Initial; with
//! [`Protocols::CREDSSP`], [`Protocols::CREDSSP_EARLY`], [`Protocols::RDSTLS`] and [`Protocols::AAD`] their own dialogue comes first.
//! CredSSP binds the server's public key, to be had from the certificate in the TLS phase. Which one it is tells
//! [`Client::selected`] of a negotiator that was lent (`&mut client`). In MCS the client repeats what the server has selected, so
//! that a change on the path is found there (`serverSelectedProtocol`, 2.2.1.3.2).
//!
//! There is no greeting, so that the [`Client`] has nothing but the command.

use std::ops::BitOr;

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, UntrustedText,
    rustls,
};

use crate::read::fields::{Fields, expect_start, take};
use crate::read::misbehaviour::{malformed, too_long};

const CONNECTION_REQUEST: u8 = 0xe0;
const CONNECTION_CONFIRM: u8 = 0xd0;
const DISCONNECT_REQUEST: u8 = 0x80;
const NEG_REQ: u8 = 1;
const NEG_RSP: u8 = 2;
const NEG_FAILURE: u8 = 3;
const CORRELATION_INFO_PRESENT: u8 = 8;
const SSL_REQUIRED_BY_SERVER: u32 = 1;
const HYBRID_REQUIRED_BY_SERVER: u32 = 5;

/// TPKT header, length indicator and the fixed part of X.224.
const HEADER: usize = 11;
/// The longest message: the length indicator of X.224 has one byte, of which 255 is reserved (X.224 section 13.2.1).
const MAX_MESSAGE: usize = 4 + 1 + 254;
/// The longest cookie or routing token with its line end that fits beside RDP_NEG_REQ and the correlation of 36 bytes.
const MAX_COOKIE: usize = MAX_MESSAGE - HEADER - 8 - 36;

/// A set of security protocols, the bit flags of `requestedProtocols` and `selectedProtocol`. All of them begin with TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Protocols(u32);

impl Protocols {
    /// PROTOCOL_SSL: TLS and nothing else.
    pub const TLS: Self = Self(1);
    /// PROTOCOL_HYBRID: CredSSP inside TLS.
    pub const CREDSSP: Self = Self(2);
    /// PROTOCOL_RDSTLS: inside TLS.
    pub const RDSTLS: Self = Self(4);
    /// PROTOCOL_HYBRID_EX: CredSSP, and behind it the Early User Authorization Result.
    pub const CREDSSP_EARLY: Self = Self(8);
    /// PROTOCOL_RDSAAD: inside TLS.
    pub const AAD: Self = Self(16);

    /// What a server prefers when a client leaves it the choice: login before the session where it can be had.
    const BY_PREFERENCE: [Self; 5] = [
        Self::AAD,
        Self::CREDSSP_EARLY,
        Self::CREDSSP,
        Self::RDSTLS,
        Self::TLS,
    ];

    /// Any bits, as they are on the wire.
    pub fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits on the wire.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// All of `other` are in here.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Exactly one protocol, and a known one.
    fn is_one(self) -> bool {
        Self::BY_PREFERENCE.contains(&self)
    }
}

impl BitOr for Protocols {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The client's part: a Connection Request, and its Confirm.
///
/// A server that answers without RDP_NEG_RSP, or that selects its own old security: [`Error::NotOffered`]. RDP_NEG_FAILURE is a
/// refusal with its failureCode.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::rdp::{Client, Protocols};
///
/// let mut client = Client::new(Protocols::TLS | Protocols::CREDSSP);
/// let mut plain = Plain::with_prefix(
///     b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x00\x08\x00\x01\x00\x00\x00",
/// );
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// assert_eq!(client.selected(), Some(Protocols::TLS));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    requested: Protocols,
    cookie: Option<Vec<u8>>,
    selected: Option<Protocols>,
    asked: bool,
}

impl Client {
    /// Requests these protocols.
    pub fn new(requested: Protocols) -> Self {
        Self {
            requested,
            cookie: None,
            selected: None,
            asked: false,
        }
    }

    /// Says in plaintext who the user is, for load balancers: `Cookie: mstshash=` and this name.
    #[must_use]
    pub fn cookie(self, user: &str) -> Self {
        self.routing_token(format!("Cookie: mstshash={user}"))
    }

    /// Sends a routing token, which a Server Redirection has given.
    #[must_use]
    pub fn routing_token(mut self, token: impl Into<Vec<u8>>) -> Self {
        self.cookie = Some(token.into());
        self
    }

    /// The protocol that the server has selected, once it has.
    pub fn selected(&self) -> Option<Protocols> {
        self.selected
    }

    fn request(&self) -> Result<Vec<u8>, Error> {
        if self.requested == Protocols::default() {
            return Err(Misuse::Configuration("no RDP security protocol is requested").into());
        }
        let mut variable = Vec::new();
        if let Some(cookie) = &self.cookie {
            // A token of a Server Redirection comes with its line end.
            let cookie = cookie.strip_suffix(b"\r\n").unwrap_or(cookie);
            if cookie.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
                return Err(Misuse::Configuration("the RDP cookie has a line end").into());
            }
            if cookie.is_empty() || cookie.first() == Some(&NEG_REQ) {
                return Err(
                    Misuse::Configuration("the RDP cookie would not be read as one").into(),
                );
            }
            if cookie.len() > MAX_COOKIE - 2 {
                return Err(Misuse::Configuration("the RDP cookie is too long").into());
            }
            variable.extend_from_slice(cookie);
            variable.extend_from_slice(b"\r\n");
        }
        variable.extend_from_slice(&negotiation(NEG_REQ, self.requested.0));
        message(CONNECTION_REQUEST, [0; 2], &variable)
    }

    fn confirm(&mut self, tpdu: &[u8]) -> Result<Progress, Error> {
        let data = match tpdu {
            [CONNECTION_CONFIRM, _, _, _, _, _, data @ ..] => data,
            _ => return Err(malformed("X.224 confirm", tpdu)),
        };
        let (kind, _flags, value) = match data {
            // Standard RDP Security, which is not TLS.
            [] => return Err(Error::NotOffered),
            data => parse_negotiation(data).ok_or_else(|| malformed("RDP negotiation", data))?,
        };
        match (kind, Protocols(value)) {
            (NEG_RSP, Protocols(0)) => Err(Error::NotOffered),
            (NEG_RSP, selected) if selected.is_one() && self.requested.contains(selected) => {
                self.selected = Some(selected);
                Ok(Progress::Done(Boundary::Exact))
            }
            (NEG_FAILURE, _) => Err(Refusal::new(value, b"").into()),
            _ => Err(Misbehaviour::Unexpected(Refusal::new(value, data)).into()),
        }
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.asked {
            plain.write_all(&self.request()?)?;
            self.asked = true;
        }
        match next_tpdu(plain)? {
            Some(tpdu) => self.confirm(&tpdu),
            None => Ok(Progress::NeedInput),
        }
    }
}

/// The server's part: selects one of the protocols that both sides have.
///
/// A client that requests none of them gets RDP_NEG_FAILURE, one that does not negotiate gets no answer: both are
/// [`Error::NotOffered`].
#[derive(Debug)]
pub struct Server {
    allowed: Protocols,
    requested: Option<Protocols>,
    selected: Option<Protocols>,
    cookie: Option<UntrustedText>,
}

impl Server {
    /// Allows these protocols.
    pub fn new(allowed: Protocols) -> Self {
        Self {
            allowed,
            requested: None,
            selected: None,
            cookie: None,
        }
    }

    /// The caller has just consumed a Connection Request and has selected this one protocol: only the Confirm is left.
    pub fn at_command(selected: Protocols) -> Self {
        Self {
            selected: Some(selected),
            ..Self::new(selected)
        }
    }

    /// What the client has requested, once it has.
    pub fn requested(&self) -> Option<Protocols> {
        self.requested
    }

    /// The protocol that was selected, once it was.
    pub fn selected(&self) -> Option<Protocols> {
        self.selected
    }

    /// The client's cookie or routing token. It has no meaning for a server.
    pub fn cookie(&self) -> Option<&UntrustedText> {
        self.cookie.as_ref()
    }

    fn request(&mut self, tpdu: &[u8], plain: &mut Plain) -> Result<(), Error> {
        let unparsable = || malformed("X.224 request", tpdu);
        let data = match tpdu {
            [CONNECTION_REQUEST, _, _, _, _, _, data @ ..] => data,
            _ => return Err(unparsable()),
        };
        let (cookie, data) = split_cookie(data).ok_or_else(unparsable)?;
        self.cookie = cookie.map(UntrustedText::new);
        if data.is_empty() {
            // No RDP_NEG_FAILURE may be sent to who has not negotiated (3.3.5.3.2), and any Confirm would be plaintext.
            return Err(Error::NotOffered);
        }
        let (negotiation_request, rest) = data.split_at_checked(8).ok_or_else(unparsable)?;
        let (NEG_REQ, flags, bits) =
            parse_negotiation(negotiation_request).ok_or_else(unparsable)?
        else {
            return Err(unparsable());
        };
        match (flags & CORRELATION_INFO_PRESENT, rest.len()) {
            (0, 0) | (CORRELATION_INFO_PRESENT, 36) => {}
            _ => return Err(unparsable()),
        }
        let requested = Protocols(bits);
        self.requested = Some(requested);
        self.selected = Protocols::BY_PREFERENCE
            .into_iter()
            .find(|one| requested.contains(*one) && self.allowed.contains(*one));
        if self.selected.is_none() {
            let code = if self.allowed.contains(Protocols::TLS) {
                SSL_REQUIRED_BY_SERVER
            } else {
                HYBRID_REQUIRED_BY_SERVER
            };
            plain.write_all(&confirm(NEG_FAILURE, code)?)?;
            return Err(Error::NotOffered);
        }
        Ok(())
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        loop {
            match self.selected {
                Some(selected) if selected.is_one() => {
                    plain.write_all(&confirm(NEG_RSP, selected.0)?)?;
                    return Ok(Progress::Done(Boundary::Exact));
                }
                Some(_) => {
                    return Err(
                        Misuse::Configuration("not one RDP security protocol is selected").into(),
                    );
                }
                None => match next_tpdu(plain)? {
                    Some(tpdu) => self.request(&tpdu, plain)?,
                    None => return Ok(Progress::NeedInput),
                },
            }
        }
    }
}

/// The TPDU of the next message without TPKT header and length indicator, consumed; `None` if it is not complete.
fn next_tpdu(plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
    expect_start(plain.peek(), &[3], "TPKT")?;
    let mut fields = Fields::new(plain.peek());
    let (Some(_version), Some(_reserved), Some(length)) = (fields.u8(), fields.u8(), fields.u16())
    else {
        return Ok(None);
    };
    let length = usize::from(length);
    if length > MAX_MESSAGE {
        return Err(too_long("X.224 message", MAX_MESSAGE));
    }
    let header = plain.peek().get(..4).unwrap_or_default();
    if length < HEADER {
        return Err(malformed("TPKT", header));
    }
    let Some(message) = take(plain, length) else {
        return Ok(None);
    };
    // "The embedded length fields ... MUST be examined for consistency" (3.3.5.3.1)
    let tpdu = match message.get(4..) {
        Some([indicator, tpdu @ ..]) if usize::from(*indicator) == tpdu.len() => tpdu,
        _ => return Err(malformed("X.224 length", &message)),
    };
    match tpdu {
        [DISCONNECT_REQUEST, _, _, _, _, reason, ..] => {
            Err(Error::Goodbye(Refusal::new(u32::from(*reason), b"")))
        }
        tpdu => Ok(Some(tpdu.to_vec())),
    }
}

/// What stands before RDP_NEG_REQ, up to CR LF, and the rest.
fn split_cookie(data: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if data.is_empty() || data.first() == Some(&NEG_REQ) {
        return Some((None, data));
    }
    let end = data.windows(2).position(|two| two == b"\r\n")?;
    let (cookie, rest) = data.split_at_checked(end)?;
    Some((Some(cookie), rest.get(2..)?))
}

/// Type, flags and value of RDP_NEG_REQ, RDP_NEG_RSP or RDP_NEG_FAILURE.
fn parse_negotiation(data: &[u8]) -> Option<(u8, u8, u32)> {
    match *data {
        [kind, flags, 8, 0, a, b, c, d] => Some((kind, flags, u32::from_le_bytes([a, b, c, d]))),
        _ => None,
    }
}

fn negotiation(kind: u8, value: u32) -> Vec<u8> {
    [&[kind, 0, 8, 0], &value.to_le_bytes()[..]].concat()
}

/// The source reference is the one that 3.3.5.3.2 names.
fn confirm(kind: u8, value: u32) -> Result<Vec<u8>, Error> {
    message(CONNECTION_CONFIRM, [0x12, 0x34], &negotiation(kind, value))
}

fn message(kind: u8, source: [u8; 2], variable: &[u8]) -> Result<Vec<u8>, Error> {
    let length = variable.len().saturating_add(HEADER);
    let (Ok(total), Ok(indicator)) = (
        u16::try_from(length),
        u8::try_from(length.saturating_sub(5)),
    ) else {
        return Err(Misuse::Configuration("the RDP cookie is too long").into());
    };
    let [high, low] = total.to_be_bytes();
    let fixed = [
        3, 0, high, low, indicator, kind, 0, 0, source[0], source[1], 0,
    ];
    Ok([&fixed, variable].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_knows_what_was_said() {
        let mut client = Client::new(Protocols::TLS | Protocols::CREDSSP).cookie("eltons");
        let request = client.request().unwrap();
        let mut server = Server::new(Protocols::CREDSSP);
        let done = Ok(Progress::Done(Boundary::Exact));
        assert_eq!(server.advance(&mut Plain::with_prefix(&request)), done);
        assert_eq!(
            server.requested(),
            Some(Protocols::TLS | Protocols::CREDSSP)
        );
        assert_eq!(server.selected(), Some(Protocols::CREDSSP));
        let cookie = server.cookie().map(UntrustedText::escaped);
        assert_eq!(cookie.as_deref(), Some("Cookie: mstshash=eltons"));

        let confirm = confirm(NEG_RSP, 2).unwrap();
        assert_eq!(client.advance(&mut Plain::with_prefix(&confirm)), done);
        assert_eq!(client.selected(), Some(Protocols::CREDSSP));
    }

    #[test]
    fn the_longest_cookie_fits() {
        let fits = |length: usize| {
            let client = Client::new(Protocols::TLS).routing_token(vec![b'x'; length]);
            client.request().map(|request| request.len())
        };
        assert_eq!(fits(MAX_COOKIE - 2), Ok(MAX_MESSAGE - 36));
        assert!(matches!(fits(MAX_COOKIE - 1), Err(Error::Misuse(_))));
    }
}
