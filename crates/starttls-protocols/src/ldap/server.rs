use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Misbehaviour, Negotiator, Plain, Progress, Refusal};

use super::{
    EXTENDED_REQUEST, EXTENDED_RESPONSE, MAX_MESSAGE, Message, NOTICE_OF_DISCONNECTION,
    REQUEST_NAME, RESPONSE_NAME, START_TLS, message, result, take_message,
};
use crate::read::ber;
use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::fields::Fields;
use crate::read::misbehaviour::{is_broken_plaintext, malformed};

const SUCCESS: u32 = 0;
const PROTOCOL_ERROR: u32 = 2;
const UNAVAILABLE_CRITICAL_EXTENSION: u32 = 12;
const CONFIDENTIALITY_REQUIRED: u32 = 13;

const UNBIND_REQUEST: u8 = 0x42;
const ABANDON_REQUEST: u8 = 0x50;

/// The server's part: success to StartTLS, confidentialityRequired to everything else, with the response that belongs to it, unless TLS is
/// [`optional`](Self::optional).
///
/// No control is known: an operation with a critical one gets unavailableCriticalExtension, any other control is ignored (RFC 4511 section 4.1.11). A client
/// that unbinds has left ([`Error::Goodbye`]); one that breaks the protocol gets the Notice of Disconnection.
///
/// ```
/// use starttls_core::{Error, Negotiator, Plain};
/// use starttls_protocols::ldap::Server;
///
/// // An anonymous bind to a server that offers TLS and does not demand it.
/// let bind = b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0";
/// let mut plain = Plain::with_prefix(bind);
/// assert_eq!(Server::new().optional().advance(&mut plain), Err(Error::NotRequested));
/// assert_eq!(plain.peek(), bind);
/// ```
#[derive(Debug)]
pub struct Server {
    dialogue: Dialogue<Requests>,
}

impl Server {
    /// From the first byte on.
    pub fn new() -> Self {
        Self::starting(Step::Await(()))
    }

    /// The caller has just consumed a StartTLS request with this message id: only the answer is left.
    pub fn at_command(message_id: u32) -> Self {
        Self::starting(go_ahead(message_id))
    }

    /// TLS is offered and not demanded: when the client asks for any other operation it is [`Error::NotRequested`], and the connection stands in
    /// front of that. A later StartTLS is [`at_command`](Self::at_command).
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.dialogue.messages().optional = true;
        self
    }

    fn starting(first: Step) -> Self {
        Self {
            dialogue: Dialogue::new(Requests { optional: false }, first),
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
        self.dialogue.advance(plain, |(), request| react(request))
    }

    /// "the server SHOULD return the Notice of Disconnection" (section 4.1.1)
    fn farewell(&self, error: &Error) -> Vec<u8> {
        let words: &[u8] = match error {
            Error::UnreadPlaintext { .. } => b"plaintext behind StartTLS",
            Error::Misbehaved(Misbehaviour::TooLong { .. }) => b"too much before TLS",
            error if is_broken_plaintext(error) => b"not an LDAP request",
            _ => return Vec::new(),
        };
        let name = ber::encode(RESPONSE_NAME, &[NOTICE_OF_DISCONNECTION]);
        message(
            0,
            EXTENDED_RESPONSE,
            &[&result(PROTOCOL_ERROR, words), &name],
        )
    }
}

fn react(request: &[u8]) -> Result<Step, Error> {
    let Some(request) = Message::parse(request).filter(|request| request.id > 0) else {
        return Err(malformed("request", request));
    };
    // [APPLICATION n] of the request and of the response that belongs to it (section 4.2 and following)
    let response = match request.tag {
        EXTENDED_REQUEST => EXTENDED_RESPONSE,
        UNBIND_REQUEST => return Err(Error::Goodbye(Refusal::new(None, b""))),
        // It has no response.
        ABANDON_REQUEST => return Ok(Step::Await(())),
        // bind, search, modify, add, delete, modifyDN, compare
        0x60 => 0x61,
        0x63 => 0x65,
        0x66 => 0x67,
        0x68 => 0x69,
        0x4a => 0x6b,
        0x6c => 0x6d,
        0x6e => 0x6f,
        tag => return Err(Misbehaviour::Unexpected(Refusal::new(u32::from(tag), b"")).into()),
    };
    if request.has_critical_control {
        let code = UNAVAILABLE_CRITICAL_EXTENSION;
        return Ok(respond(&request, response, code, b"no control is known"));
    }
    if request.tag == EXTENDED_REQUEST {
        let mut fields = Fields::new(request.operation);
        let Some((REQUEST_NAME, name)) = ber::element(&mut fields) else {
            return Err(malformed("extended request", request.operation));
        };
        match (name, fields.rest().is_empty()) {
            (START_TLS, true) => return Ok(go_ahead(request.id)),
            // "The requestValue field is absent" (section 4.14.1)
            (START_TLS, false) => {
                return Ok(respond(
                    &request,
                    response,
                    PROTOCOL_ERROR,
                    b"StartTLS has no value",
                ));
            }
            _ => {}
        }
    }
    let code = CONFIDENTIALITY_REQUIRED;
    Ok(respond(&request, response, code, b"StartTLS first"))
}

/// Without a responseName, which is optional.
fn go_ahead(id: u32) -> Step {
    Step::go_ahead(message(id, EXTENDED_RESPONSE, &[&result(SUCCESS, b"")]))
}

fn respond(request: &Message<'_>, response: u8, code: u32, diagnostic: &[u8]) -> Step {
    Step::answer(message(request.id, response, &[&result(code, diagnostic)]))
}

#[derive(Debug)]
struct Requests {
    optional: bool,
}

impl ReadMessages for Requests {
    type Message = Vec<u8>;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        match self.is_ours(plain)? {
            None => Ok(None),
            Some(true) => take_message(plain),
            Some(false) => Err(Error::NotRequested),
        }
    }
}

impl Requests {
    /// False as soon as the next message is known for an operation that is for somebody else; it may be longer than any that is read here.
    fn is_ours(&self, plain: &Plain) -> Result<Option<bool>, Error> {
        if !self.optional {
            return Ok(Some(true));
        }
        ber::next_sequence(plain, usize::MAX)?;
        match ber::operation_tag(plain.peek()) {
            None => return Ok(None),
            Some(None | Some(EXTENDED_REQUEST)) => {}
            Some(Some(tag)) => return Ok(Some(tag == UNBIND_REQUEST)),
        }
        let Some((_, message)) = ber::next_sequence(plain, MAX_MESSAGE)? else {
            return Ok(None);
        };
        let operation = Message::parse(message).map(|message| message.operation);
        let name = operation.and_then(|operation| ber::element(&mut Fields::new(operation)));
        Ok(Some(
            !matches!(name, Some((REQUEST_NAME, name)) if name != START_TLS),
        ))
    }
}
