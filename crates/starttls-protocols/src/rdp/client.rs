use starttls_core::rustls::ClientConnection;
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use super::{
    CONNECTION_CONFIRM, CONNECTION_REQUEST, CORRELATION_INFO, CORRELATION_INFO_PRESENT, HEADER,
    MAX_MESSAGE, NEG_FAILURE, NEG_REQ, NEG_RSP, Negotiation, Protocols, message, next_tpdu,
};
use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::misbehaviour::malformed;

/// The longest cookie or routing token with its line end that fits beside RDP_NEG_REQ and the correlation of 36 bytes.
const MAX_COOKIE: usize = MAX_MESSAGE - HEADER - 8 - 36;

/// The client's part: a Connection Request, and its Confirm.
///
/// A server that answers without RDP_NEG_RSP, or that selects its own old security: [`Error::NotOffered`]. RDP_NEG_FAILURE is a
/// refusal with its failureCode, which ends the connection: whoever wants to ask for something else connects again.
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
/// assert_eq!(client.selected().unwrap().into_inner(), Protocols::TLS);
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    requested: Protocols,
    flags: u8,
    cookie: Option<Vec<u8>>,
    correlation_id: Option<[u8; 16]>,
    answer: Option<(Protocols, u8)>,
    dialogue: Dialogue<Tpdus>,
}

impl Client {
    /// Requests these protocols.
    pub fn new(requested: Protocols) -> Self {
        Self {
            requested,
            flags: 0,
            cookie: None,
            correlation_id: None,
            answer: None,
            dialogue: Dialogue::unbegun(Tpdus),
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

    /// The flags of RDP_NEG_REQ (2.2.1.1.1): 1 requires restricted administration, 2 redirected authentication.
    #[must_use]
    pub fn flags(mut self, flags: u8) -> Self {
        self.flags = flags;
        self
    }

    /// Sends RDP_NEG_CORRELATION_INFO with this id (2.2.1.1.2). Its first byte is neither 0x00 nor 0xF4, and 0x0D is not in it.
    #[must_use]
    pub fn correlation_id(mut self, id: [u8; 16]) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// The protocol that the server has selected of those requested, once it has.
    pub fn selected(&self) -> Option<Untrusted<Protocols>> {
        self.answer.map(|(selected, _)| Untrusted::new(selected))
    }

    /// The flags of the server's RDP_NEG_RSP (2.2.1.2.1), once it is there.
    pub fn server_flags(&self) -> Option<Untrusted<u8>> {
        self.answer.map(|(_, flags)| Untrusted::new(flags))
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
        let correlated = match self.correlation_id {
            Some(_) => CORRELATION_INFO_PRESENT,
            None => 0,
        };
        let negotiation = Negotiation {
            kind: NEG_REQ,
            flags: (self.flags & !CORRELATION_INFO_PRESENT) | correlated,
            value: self.requested.bits(),
        };
        variable.extend(negotiation.bytes());
        if let Some(id) = self.correlation_id {
            if matches!(id, [0x00 | 0xf4, ..]) || id.contains(&b'\r') {
                return Err(Misuse::Configuration("no correlation id of RDP").into());
            }
            variable.extend([CORRELATION_INFO, 0, 36, 0]);
            variable.extend(id);
            variable.extend([0; 16]);
        }
        message(CONNECTION_REQUEST, [0; 2], &variable)
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.dialogue.has_begun() {
            let request = self.request()?;
            self.dialogue.begin(Step::say(request, ()));
        }
        let (requested, answer) = (self.requested, &mut self.answer);
        self.dialogue
            .advance(plain, |(), tpdu| confirm(requested, tpdu, answer))
    }
}

fn confirm(
    requested: Protocols,
    tpdu: &[u8],
    answer: &mut Option<(Protocols, u8)>,
) -> Result<Step, Error> {
    let data = match tpdu {
        [CONNECTION_CONFIRM, _, _, _, _, _, data @ ..] => data,
        _ => return Err(malformed("X.224 confirm", tpdu)),
    };
    if data.is_empty() {
        // Standard RDP Security, which is not TLS.
        return Err(Error::NotOffered);
    }
    let negotiation = Negotiation::parse(data).ok_or_else(|| malformed("RDP negotiation", data))?;
    let selected = Protocols::from_bits(negotiation.value);
    if negotiation.kind == NEG_RSP {
        *answer = Some((selected, negotiation.flags));
    }
    match negotiation.kind {
        NEG_RSP if selected == Protocols::default() => Err(Error::NotOffered),
        NEG_RSP if selected.is_one() && requested.contains(selected) => {
            Ok(Step::Done(Boundary::Exact))
        }
        NEG_FAILURE => Err(Refusal::new(negotiation.value, b"").ending().into()),
        _ => Err(Misbehaviour::Unexpected(Refusal::new(negotiation.value, data)).into()),
    }
}

#[derive(Debug)]
struct Tpdus;

impl ReadMessages for Tpdus {
    type Message = Vec<u8>;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        let Some((length, tpdu)) = next_tpdu(plain)? else {
            return Ok(None);
        };
        let tpdu = tpdu.to_vec();
        plain.consume(length);
        Ok(Some(tpdu))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_cookie_fits() {
        let fits = |length: usize| {
            let client = Client::new(Protocols::TLS)
                .routing_token(vec![b'x'; length])
                .correlation_id([1; 16]);
            client.request().map(|request| request.len())
        };
        assert_eq!(fits(MAX_COOKIE - 2), Ok(MAX_MESSAGE));
        assert!(matches!(fits(MAX_COOKIE - 1), Err(Error::Misuse(_))));
    }
}
