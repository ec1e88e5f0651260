//! LDAP (RFC 4511 section 4.14).
//!
//! After TLS the client forgets what it has read about the server, the root DSE first of all (RFC 4513 section 3.1.5), and message ids go on. TLS can be
//! closed again, and both sides go on in plaintext (RFC 4511 section 4.14.3): that is `stop_tls`.
//!
//! A client must have no other operation outstanding when it asks (section 4.14.1), so an answer to anything else is refused here.

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, rustls};

use crate::read::ber::{self, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE};
use crate::read::fields::Fields;
use crate::read::misbehaviour::malformed;

const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const NOTICE_OF_DISCONNECTION: &[u8] = b"1.3.6.1.4.1.1466.20036";

const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
const REQUEST_NAME: u8 = 0x80;
const RESPONSE_NAME: u8 = 0x8a;

const PROTOCOL_ERROR: u32 = 2;
const CONFIDENTIALITY_REQUIRED: u32 = 13;

/// The longest message. An answer to StartTLS has about 50 bytes; requests that come before it may carry a Kerberos ticket.
const MAX_MESSAGE: usize = 16 * 1024;

/// The client's part: the extended request, and its answer.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Phase, Plain, Progress};
/// use starttls_protocols::ldap;
///
/// let mut client = ldap::Client::new();
/// let mut plain = Plain::new();
/// assert_eq!(client.advance(&mut plain)?, Progress::NeedInput);
/// let mut sent = Vec::new();
/// plain.poll_transmit(&mut sent);
/// assert_eq!(sent, b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037");
///
/// let success = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0";
/// assert_eq!(plain.handle_input(success), success.len());
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    message_id: u32,
    asked: bool,
}

impl Client {
    /// From the first byte on: LDAP has no greeting. The message id is 1; the caller's next one is 2.
    pub fn new() -> Self {
        Self::at_command(1)
    }

    /// The caller has sent other operations and has all their answers. `message_id` is an id not used before, greater than 0 and less than 2^31.
    pub fn at_command(message_id: u32) -> Self {
        Self {
            message_id,
            asked: false,
        }
    }

    fn react(&self, message: &[u8]) -> Result<Progress, Error> {
        let malformed = || malformed("response", message);
        let (id, tag, operation) = parse(message).ok_or_else(malformed)?;
        if tag != EXTENDED_RESPONSE {
            return Err(unexpected(b"a response to nothing that was asked"));
        }
        let response = Response::parse(operation).ok_or_else(malformed)?;
        let refusal = Refusal::new(response.code, response.message);
        match (id, response.name, response.code) {
            (0, Some(NOTICE_OF_DISCONNECTION), _) => Err(Error::Goodbye(refusal)),
            (id, _, _) if id != self.message_id => Err(Misbehaviour::Unexpected(refusal).into()),
            // Also a referral is a refusal: nobody is followed on the word of plaintext.
            (_, _, 1..) => Err(refusal.into()),
            // The name may be left out (section 4.12); if it is there it is the request's (section 4.14.2).
            (_, None | Some(START_TLS), 0) => Ok(Progress::Done(Boundary::Exact)),
            (_, Some(_), 0) => Err(Misbehaviour::Unexpected(refusal).into()),
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.asked {
            let name = ber::encode(REQUEST_NAME, &[START_TLS]);
            plain.write_all(&message(self.message_id, EXTENDED_REQUEST, &[&name]))?;
            self.asked = true;
        }
        match ber::next_sequence(plain, MAX_MESSAGE)? {
            Some(message) => self.react(&message),
            None => Ok(Progress::NeedInput),
        }
    }
}

/// What there is in an ExtendedResponse.
struct Response<'a> {
    code: u32,
    message: &'a [u8],
    name: Option<&'a [u8]>,
}

impl<'a> Response<'a> {
    fn parse(operation: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::new(operation);
        let (ENUMERATED, code) = ber::element(&mut fields)? else {
            return None;
        };
        let (OCTET_STRING, _matched_dn) = ber::element(&mut fields)? else {
            return None;
        };
        let (OCTET_STRING, message) = ber::element(&mut fields)? else {
            return None;
        };
        let mut response = Self {
            code: ber::unsigned(code)?,
            message,
            name: None,
        };
        // Referrals, a value, and whatever a later version may add (section 4: "extensible").
        while !fields.rest().is_empty() {
            if let (RESPONSE_NAME, name) = ber::element(&mut fields)? {
                response.name = Some(name);
            }
        }
        Some(response)
    }
}

/// The server's part: success to StartTLS, confidentialityRequired to everything else, with the response that belongs to it.
#[derive(Debug)]
pub struct Server {
    go_ahead: Option<u32>,
}

impl Server {
    /// From the first byte on.
    pub fn new() -> Self {
        Self { go_ahead: None }
    }

    /// The caller has just consumed a StartTLS request with this message id: only the answer is left.
    pub fn at_command(message_id: u32) -> Self {
        Self {
            go_ahead: Some(message_id),
        }
    }

    fn react(&mut self, request: &[u8], plain: &mut Plain) -> Result<(), Error> {
        let Some((id @ 1.., tag, operation)) = parse(request) else {
            return Err(malformed("request", request));
        };
        // [APPLICATION n] of the request and of the response that belongs to it (section 4.2 and following)
        let response = match tag {
            EXTENDED_REQUEST => return self.extended(id, operation, plain),
            0x42 => return Err(Error::Goodbye(Refusal::new(None, b"unbindRequest"))),
            // abandonRequest has no response.
            0x50 => return Ok(()),
            // bind, search, modify, add, delete, modifyDN, compare
            0x60 => 0x61,
            0x63 => 0x65,
            0x66 => 0x67,
            0x68 => 0x69,
            0x4a => 0x6b,
            0x6c => 0x6d,
            0x6e => 0x6f,
            _ => return Err(unexpected(b"an operation that is not one")),
        };
        plain.write_all(&tls_first(id, response))
    }

    fn extended(&mut self, id: u32, operation: &[u8], plain: &mut Plain) -> Result<(), Error> {
        let mut fields = Fields::new(operation);
        let Some((REQUEST_NAME, name)) = ber::element(&mut fields) else {
            return Err(malformed("extended request", operation));
        };
        match (name, fields.rest().is_empty()) {
            (START_TLS, true) => {
                self.go_ahead = Some(id);
                Ok(())
            }
            // "The requestValue field is absent" (section 4.14.1)
            (START_TLS, false) => {
                let result = result(PROTOCOL_ERROR, b"StartTLS has no value");
                plain.write_all(&message(id, EXTENDED_RESPONSE, &[&result]))
            }
            _ => plain.write_all(&tls_first(id, EXTENDED_RESPONSE)),
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
        loop {
            if let Some(id) = self.go_ahead {
                let name = ber::encode(RESPONSE_NAME, &[START_TLS]);
                plain.write_all(&message(id, EXTENDED_RESPONSE, &[&result(0, b""), &name]))?;
                return Ok(Progress::Done(Boundary::Exact));
            }
            let done = match ber::next_sequence(plain, MAX_MESSAGE) {
                Ok(None) => return Ok(Progress::NeedInput),
                Ok(Some(request)) => self.react(&request, plain),
                Err(error) => Err(error),
            };
            // "the server SHOULD return the Notice of Disconnection" (section 4.1.1)
            if let Err(Error::Misbehaved(
                Misbehaviour::Malformed { .. }
                | Misbehaviour::TooLong { .. }
                | Misbehaviour::Unexpected(_),
            )) = done
            {
                let name = ber::encode(RESPONSE_NAME, &[NOTICE_OF_DISCONNECTION]);
                plain.write_all(&message(
                    0,
                    EXTENDED_RESPONSE,
                    &[&result(PROTOCOL_ERROR, b""), &name],
                ))?;
            }
            done?;
        }
    }
}

/// The message id, the tag of the operation and its contents.
fn parse(message: &[u8]) -> Option<(u32, u8, &[u8])> {
    let mut fields = Fields::new(message);
    let (INTEGER, id) = ber::element(&mut fields)? else {
        return None;
    };
    let (tag, operation) = ber::element(&mut fields)?;
    // Controls, of which none is understood here.
    while !fields.rest().is_empty() {
        ber::element(&mut fields)?;
    }
    Some((ber::unsigned(id)?, tag, operation))
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

fn tls_first(id: u32, response: u8) -> Vec<u8> {
    message(
        id,
        response,
        &[&result(CONFIDENTIALITY_REQUIRED, b"StartTLS first")],
    )
}

fn unexpected(what: &[u8]) -> Error {
    Misbehaviour::Unexpected(Refusal::new(None, what)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUCCESS: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0";

    fn answered(answer: &[u8]) -> Result<Progress, Error> {
        Client::new().advance(&mut Plain::with_prefix(answer))
    }

    #[test]
    fn an_answer_with_another_byte_is_none() {
        assert_eq!(answered(SUCCESS), Ok(Progress::Done(Boundary::Exact)));
        for place in 0..SUCCESS.len() {
            for byte in (0..=u8::MAX).filter(|byte| *byte != SUCCESS[place]) {
                let mut answer = SUCCESS.to_vec();
                answer[place] = byte;
                assert!(
                    answered(&answer) != Ok(Progress::Done(Boundary::Exact)),
                    "{answer:x?}"
                );
            }
        }
    }

    #[test]
    fn a_refusal_has_the_diagnostic_message() {
        let refused = message(1, EXTENDED_RESPONSE, &[&result(52, b"no certificate")]);
        let Err(Error::Refused(refusal)) = answered(&refused) else {
            panic!("not refused");
        };
        assert_eq!(
            (refusal.code, &refusal.text.escaped()[..]),
            (Some(52), "no certificate")
        );
    }
}
