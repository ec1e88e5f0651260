//! VeNCrypt 0.2 of VNC (rfbproto, security type 19 of RFB 3.7 and 3.8).
//!
//! Only the subtypes with a certificate of the server can be had: [`Subtype`]. The others that are called TLS negotiate an
//! anonymous key exchange that rustls does not have and that protects from no active attacker: [`Impossible`] names them.
//!
//! Nothing is said again after TLS: the dialogue goes on inside with what the subtype demands. The **server speaks first** there:
//! the result of the security handshake (X509None), the challenge (X509Vnc), the mechanisms (X509SASL). It is the client's turn
//! for X509Plain (name and password), for X509Ident, and for X509None in RFB 3.7, which has no result. Which subtype and which
//! version it is tell [`Client::chosen`] and [`Client::version`] of a negotiator that was lent (`&mut client`).

use starttls_core::{Error, Misbehaviour, Plain, Refusal};

use crate::read::fields::{expect_start, take};
use crate::read::misbehaviour::malformed;

mod client;
pub use client::Client;

mod server;
pub use server::Server;

mod subtype;
pub use subtype::{Impossible, Subtype};

const VENCRYPT: u8 = 19;

/// The version of RFB that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// 3.3 or older: the server chooses the security type, and there is no VeNCrypt.
    V3_3,
    /// 3.7: no result is sent after [`Subtype::X509None`].
    V3_7,
    /// 3.8
    V3_8,
}

/// What a `ProtocolVersion` message says.
fn version(message: &[u8]) -> Option<Version> {
    let number = message.strip_prefix(b"RFB ")?.strip_suffix(b"\n")?;
    let (major, minor) = match number {
        [a, b, c, b'.', d, e, f] => ([*a, *b, *c], [*d, *e, *f]),
        _ => return None,
    };
    if !major.iter().chain(&minor).all(u8::is_ascii_digit) {
        return None;
    }
    Some(match (&major, &minor) {
        (b"003", b"007") => Version::V3_7,
        (b"000" | b"001" | b"002", _) => Version::V3_3,
        // "version 3.5 was wrongly reported by some clients, but this should be interpreted by all servers as 3.3"
        (b"003", minor) if minor < b"007" => Version::V3_3,
        // 3.889 and 4.1 are servers that speak 3.8.
        _ => Version::V3_8,
    })
}

/// What the 12 bytes of the peer's `ProtocolVersion` say, consumed.
fn take_version(plain: &mut Plain) -> Result<Option<Version>, Error> {
    expect_start(plain, b"RFB ", "RFB version")?;
    let Some(message) = take(plain, 12) else {
        return Ok(None);
    };
    match version(&message) {
        Some(version) => Ok(Some(version)),
        None => Err(malformed("RFB version", &message)),
    }
}

fn take_array<const N: usize>(plain: &mut Plain) -> Option<[u8; N]> {
    let message = plain.peek().first_chunk().copied()?;
    plain.consume(N);
    Some(message)
}

fn unexpected(code: impl Into<u32>) -> Error {
    Misbehaviour::Unexpected(Refusal::new(code.into(), b"")).into()
}

/// A status that means no. The connection is closed behind it.
fn refused(status: u8) -> Error {
    Refusal::new(u32::from(status), b"").ending().into()
}
