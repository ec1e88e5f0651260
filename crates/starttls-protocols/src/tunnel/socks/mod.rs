//! SOCKS 5 (RFC 1928) with user and password (RFC 1929), and SOCKS 4 and 4a before it.
//!
//! A [`Tunnel`](crate::tunnel::Tunnel): what comes behind the reply belongs to the far end. The reply has no mark at its end; its length follows from the type of the
//! address in it. Nothing said to the proxy is said again inside.
//!
//! A proxy says no with a code of its own, and nothing is known of the far end then: the error is
//! [`TunnelRefused`](starttls_core::Error::TunnelRefused) with that code, at the client and at the server, and never a decline.

use std::net::{Ipv4Addr, Ipv6Addr};

use starttls_core::Error;

use crate::read::fields::Fields;
use crate::read::misbehaviour::malformed;
use crate::tunnel::{Host, Target};

mod client;
pub use client::Client;

mod request;
pub use request::RequestReader;

mod server;
pub use server::Server;

const NO_AUTHENTICATION: u8 = 0x00;
const USER_PASSWORD: u8 = 0x02;
const NO_METHOD: u8 = 0xff;

const CONNECT: u8 = 1;

const ATYP_IPV4: u8 = 1;
const ATYP_NAME: u8 = 3;
const ATYP_IPV6: u8 = 4;

/// SOCKS 4: request granted, request rejected.
const GRANTED: u8 = 90;
const REJECTED: u8 = 91;

/// The longest user id or name in a SOCKS 4 request, which end with a NUL and have no limit of their own. SOCKS 5 has 255 for both.
const MAX_STRING: usize = 255;

/// The length of a SOCKS 5 request or reply, as soon as that can be told.
fn message_length(message: &[u8]) -> Result<Option<usize>, Error> {
    let address = match message {
        [_, _, 0, ATYP_IPV4, ..] => 4,
        [_, _, 0, ATYP_IPV6, ..] => 16,
        [_, _, 0, ATYP_NAME, length, ..] => usize::from(*length).saturating_add(1),
        [] | [_] | [_, _] | [_, _, _] | [_, _, 0, ATYP_NAME] => return Ok(None),
        _ => {
            return Err(malformed(
                "SOCKS address",
                message.get(..4).unwrap_or_default(),
            ));
        }
    };
    Ok(Some(address.saturating_add(6)))
}

/// Type, address and port.
fn parse_address(fields: &mut Fields<'_>) -> Option<Target> {
    let host = match fields.u8()? {
        ATYP_IPV4 => Host::Ip(Ipv4Addr::from(fields.array::<4>()?).into()),
        ATYP_IPV6 => Host::Ip(Ipv6Addr::from(fields.array::<16>()?).into()),
        _ => {
            let length = usize::from(fields.u8()?);
            Host::parse(std::str::from_utf8(fields.bytes(length)?).ok()?)?
        }
    };
    let port = fields.u16()?;
    Some(Target { host, port })
}

#[cfg(test)]
mod tests;
