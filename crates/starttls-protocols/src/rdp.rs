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

use starttls_core::{Error, Misuse, Plain, Refusal};

use crate::read::fields::{Fields, expect_start};
use crate::read::misbehaviour::{malformed, too_long};

mod client;
pub use client::Client;

mod server;
pub use server::Server;

const CONNECTION_REQUEST: u8 = 0xe0;
const CONNECTION_CONFIRM: u8 = 0xd0;
const DISCONNECT_REQUEST: u8 = 0x80;
const NEG_REQ: u8 = 1;
const NEG_RSP: u8 = 2;
const NEG_FAILURE: u8 = 3;
/// The type of RDP_NEG_CORRELATION_INFO, and the flag of RDP_NEG_REQ that announces it.
const CORRELATION_INFO: u8 = 6;
const CORRELATION_INFO_PRESENT: u8 = 8;

/// TPKT header, length indicator and the fixed part of X.224.
const HEADER: usize = 11;
/// The longest message: the length indicator of X.224 has one byte, of which 255 is reserved (X.224 section 13.2.1).
const MAX_MESSAGE: usize = 4 + 1 + 254;

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

/// RDP_NEG_REQ, RDP_NEG_RSP or RDP_NEG_FAILURE.
#[derive(Debug, Clone)]
struct Negotiation {
    kind: u8,
    flags: u8,
    value: u32,
}

impl Negotiation {
    fn parse(data: &[u8]) -> Option<Self> {
        match *data {
            [kind, flags, 8, 0, a, b, c, d] => Some(Self {
                kind,
                flags,
                value: u32::from_le_bytes([a, b, c, d]),
            }),
            _ => None,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        [
            &[self.kind, self.flags, 8, 0],
            &self.value.to_le_bytes()[..],
        ]
        .concat()
    }
}

/// The TPDU of the next message, without TPKT header and length indicator, and how long the message is as a whole; `None` if it is not complete. It is not
/// consumed.
fn next_tpdu(plain: &Plain) -> Result<Option<(usize, &[u8])>, Error> {
    expect_start(plain, &[3], "TPKT")?;
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
    let Some(message) = plain.peek().get(..length) else {
        return Ok(None);
    };
    // "The embedded length fields ... MUST be examined for consistency" (3.3.5.3.1)
    let tpdu = match message.get(4..) {
        Some([indicator, tpdu @ ..]) if usize::from(*indicator) == tpdu.len() => tpdu,
        _ => return Err(malformed("X.224 length", message)),
    };
    match tpdu {
        [DISCONNECT_REQUEST, _, _, _, _, reason, ..] => {
            Err(Error::Goodbye(Refusal::new(u32::from(*reason), b"")))
        }
        tpdu => Ok(Some((length, tpdu))),
    }
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
    use starttls_core::{Boundary, Negotiator, Progress, Untrusted};

    use super::*;

    #[test]
    fn both_sides_know_what_was_said() {
        let id = *b"0123456789abcdef";
        let mut client = Client::new(Protocols::TLS | Protocols::CREDSSP)
            .cookie("eltons")
            .flags(2)
            .correlation_id(id);
        let mut plain = Plain::new();
        assert_eq!(client.advance(&mut plain), Ok(Progress::NeedInput));
        let (_, request) = plain.into_parts();

        let mut server = Server::new(Protocols::CREDSSP).flags(0x1f);
        let mut plain = Plain::with_prefix(&request);
        let done = Ok(Progress::Done(Boundary::Exact));
        assert_eq!(server.advance(&mut plain), done);
        let both = Protocols::TLS | Protocols::CREDSSP;
        assert_eq!(server.requested(), Some(Untrusted::new(both)));
        assert_eq!(server.client_flags(), Some(Untrusted::new(2 | 8)));
        assert_eq!(server.correlation_id(), Some(Untrusted::new(&id)));
        assert_eq!(server.selected(), Some(Protocols::CREDSSP));
        let cookie = server.cookie().map(Untrusted::into_inner);
        assert_eq!(cookie, Some(&b"Cookie: mstshash=eltons"[..]));

        let (_, confirm) = plain.into_parts();
        assert_eq!(client.advance(&mut Plain::with_prefix(&confirm)), done);
        assert_eq!(client.selected(), Some(Untrusted::new(Protocols::CREDSSP)));
        assert_eq!(client.server_flags(), Some(Untrusted::new(0x1f)));
    }
}
