use starttls_core::rustls::ClientConnection;
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use super::{
    EXTENDED_REQUEST, EXTENDED_RESPONSE, Message, NOTICE_OF_DISCONNECTION, REFERRAL, REQUEST_NAME,
    RESPONSE_NAME, START_TLS, message, take_message,
};
use crate::read::ber::{self, ENUMERATED, OCTET_STRING};
use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::fields::Fields;
use crate::read::misbehaviour::malformed;

/// The client's part: the extended request, and its answer.
///
/// Any resultCode but success is a refusal behind which the connection goes on (RFC 4511 section 4.14.2); the Notice of Disconnection is [`Error::Goodbye`].
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
/// assert_eq!(client.response().unwrap().into_inner().code, 0);
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    message_id: u32,
    response: Option<Response>,
    dialogue: Dialogue<Responses>,
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
            response: None,
            dialogue: Dialogue::unbegun(Responses),
        }
    }

    /// What the server has answered, once it has.
    pub fn response(&self) -> Option<Untrusted<&Response>> {
        self.response.as_ref().map(Untrusted::new)
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
        if !self.dialogue.has_begun() {
            if !(1..1 << 31).contains(&self.message_id) {
                return Err(Misuse::Configuration("no message id of LDAP").into());
            }
            let name = ber::encode(REQUEST_NAME, &[START_TLS]);
            let request = message(self.message_id, EXTENDED_REQUEST, &[&name]);
            self.dialogue.begin(Step::say(request, ()));
        }
        let (ours, heard) = (self.message_id, &mut self.response);
        self.dialogue
            .advance(plain, |(), message| react(ours, message, heard))
    }
}

fn react(ours: u32, message: &[u8], heard: &mut Option<Response>) -> Result<Step, Error> {
    let malformed = || malformed("response", message);
    let Message {
        id, tag, operation, ..
    } = Message::parse(message).ok_or_else(malformed)?;
    if tag != EXTENDED_RESPONSE {
        // An answer to nothing that was asked.
        return Err(Misbehaviour::Unexpected(Refusal::new(None, message)).into());
    }
    let response = heard.insert(Response::parse(operation).ok_or_else(malformed)?);
    let refusal = Refusal::new(response.code, &response.message);
    match (id, response.name.as_deref(), response.code) {
        (0, Some(NOTICE_OF_DISCONNECTION), _) => Err(Error::Goodbye(refusal)),
        (id, _, _) if id != ours => Err(Misbehaviour::Unexpected(refusal).into()),
        // Also a referral is a refusal: nobody is followed on the word of plaintext.
        (_, _, 1..) => Err(refusal.into()),
        // The name may be left out (section 4.12); if it is there it is the request's (section 4.14.2).
        (_, None | Some(START_TLS), 0) => Ok(Step::Done(Boundary::Exact)),
        (_, Some(_), 0) => Err(Misbehaviour::Unexpected(refusal).into()),
    }
}

#[derive(Debug)]
struct Responses;

impl ReadMessages for Responses {
    type Message = Vec<u8>;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        take_message(plain)
    }
}

/// An ExtendedResponse (RFC 4511 section 4.12). What is text in it is UTF-8, if the server keeps to the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// resultCode
    pub code: u32,
    /// matchedDN
    pub matched_dn: Vec<u8>,
    /// diagnosticMessage
    pub message: Vec<u8>,
    /// The URIs of the servers that are referred to.
    pub referrals: Vec<Vec<u8>>,
    /// responseName, an OID.
    pub name: Option<Vec<u8>>,
}

impl Response {
    fn parse(operation: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(operation);
        let (ENUMERATED, code) = ber::element(&mut fields)? else {
            return None;
        };
        let (OCTET_STRING, matched_dn) = ber::element(&mut fields)? else {
            return None;
        };
        let (OCTET_STRING, message) = ber::element(&mut fields)? else {
            return None;
        };
        let mut response = Self {
            code: ber::unsigned(code)?,
            matched_dn: matched_dn.to_vec(),
            message: message.to_vec(),
            referrals: Vec::new(),
            name: None,
        };
        // A value too, and whatever a later version may add (section 4: "extensible").
        while !fields.rest().is_empty() {
            match ber::element(&mut fields)? {
                (RESPONSE_NAME, name) => response.name = Some(name.to_vec()),
                (REFERRAL, referral) => {
                    let mut referral = Fields::new(referral);
                    while !referral.rest().is_empty() {
                        let (OCTET_STRING, uri) = ber::element(&mut referral)? else {
                            return None;
                        };
                        response.referrals.push(uri.to_vec());
                    }
                }
                _ => {}
            }
        }
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ldap::result;

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
    fn a_refusal_has_all_that_the_server_said() {
        let uri = ber::encode(OCTET_STRING, &[b"ldap://other.example.org/"]);
        let referral = ber::encode(REFERRAL, &[&uri]);
        let result = result(10, b"not here");
        let refused = message(1, EXTENDED_RESPONSE, &[&result, &referral]);
        let mut client = Client::new();
        let Err(Error::Refused(refusal)) = client.advance(&mut Plain::with_prefix(&refused)) else {
            panic!("not refused");
        };
        assert_eq!(refusal, Refusal::new(10, b"not here"));
        let response = client.response().unwrap().into_inner();
        assert_eq!(response.referrals, [b"ldap://other.example.org/".to_vec()]);
    }
}
