//! LDAP (RFC 4511 section 4.14).
//!
//! After TLS the client forgets what it has read about the server, the root DSE first of all (RFC 4513 section 3.1.5), and message ids go on. TLS can be
//! closed again, and both sides go on in plaintext (RFC 4511 section 4.14.3): that is `stop_tls`.
//!
//! A client must have no other operation outstanding when it asks (section 4.14.1), so an answer to anything else is refused here.

use starttls_core::{Error, Plain};

use crate::read::ber::{self, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE};
use crate::read::fields::Fields;

mod client;
pub use client::{Client, Response};

mod server;
pub use server::Server;

const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const NOTICE_OF_DISCONNECTION: &[u8] = b"1.3.6.1.4.1.1466.20036";

const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
const REQUEST_NAME: u8 = 0x80;
const RESPONSE_NAME: u8 = 0x8a;
const REFERRAL: u8 = 0xa3;
const CONTROLS: u8 = 0xa0;

/// The longest message. An answer to StartTLS has about 50 bytes; requests that come before it may carry a Kerberos ticket.
const MAX_MESSAGE: usize = 16 * 1024;

/// The contents of the next message, consumed.
fn take_message(plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
    let Some((length, message)) = ber::next_sequence(plain, MAX_MESSAGE)? else {
        return Ok(None);
    };
    let message = message.to_vec();
    plain.consume(length);
    Ok(Some(message))
}

/// What every message has (section 4.1.1).
struct Message<'a> {
    id: u32,
    /// The tag of the operation, and its contents.
    tag: u8,
    operation: &'a [u8],
    /// A control that must be understood is there. None is understood here.
    has_critical_control: bool,
}

impl<'a> Message<'a> {
    fn parse(message: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(message);
        let (INTEGER, id) = ber::element(&mut fields)? else {
            return None;
        };
        let (tag, operation) = ber::element(&mut fields)?;
        let mut has_critical_control = false;
        // Controls, and whatever a later version may add (section 4: "extensible").
        while !fields.rest().is_empty() {
            if let (CONTROLS, controls) = ber::element(&mut fields)? {
                has_critical_control |= has_critical(controls)?;
            }
        }
        Some(Self {
            id: ber::unsigned(id)?,
            tag,
            operation,
            has_critical_control,
        })
    }
}

/// One of these controls has `criticality` TRUE (section 4.1.11); it is FALSE if it is left out.
fn has_critical(controls: &[u8]) -> Option<bool> {
    let mut controls = Fields::new(controls);
    let mut found = false;
    while !controls.rest().is_empty() {
        let (SEQUENCE, control) = ber::element(&mut controls)? else {
            return None;
        };
        let mut control = Fields::new(control);
        let (OCTET_STRING, _type) = ber::element(&mut control)? else {
            return None;
        };
        while !control.rest().is_empty() {
            if let (ber::BOOLEAN, value) = ber::element(&mut control)? {
                found |= value != [0];
            }
        }
    }
    Some(found)
}

fn message(id: u32, operation: u8, contents: &[&[u8]]) -> Vec<u8> {
    let id = ber::encode(INTEGER, &[&ber::integer(id)]);
    ber::encode(SEQUENCE, &[&id, &ber::encode(operation, contents)])
}

/// The LDAPResult with which every response begins (section 4.1.9).
fn result(code: u32, diagnostic: &[u8]) -> Vec<u8> {
    [
        ber::encode(ENUMERATED, &[&ber::integer(code)]),
        ber::encode(OCTET_STRING, &[]),
        ber::encode(OCTET_STRING, &[diagnostic]),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_is_critical_where_it_says_so() {
        let control = |more: &[&[u8]]| {
            let name = ber::encode(OCTET_STRING, &[b"1.2.3"]);
            ber::encode(SEQUENCE, &[&name, &more.concat()])
        };
        let critical = control(&[b"\x01\x01\xff"]);
        let value = ber::encode(OCTET_STRING, &[b"\x01\x01\xff"]);
        assert_eq!(has_critical(&control(&[])), Some(false));
        assert_eq!(
            has_critical(&control(&[b"\x01\x01\0", &value])),
            Some(false)
        );
        assert_eq!(has_critical(&control(&[&value])), Some(false));
        assert_eq!(has_critical(&critical), Some(true));
        assert_eq!(has_critical(&[control(&[]), critical].concat()), Some(true));
        assert_eq!(has_critical(b"\x04\x00"), None);
    }
}
