use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted};

use super::{
    CONNECTION_CONFIRM, CONNECTION_REQUEST, CORRELATION_INFO, CORRELATION_INFO_PRESENT,
    DISCONNECT_REQUEST, NEG_FAILURE, NEG_REQ, NEG_RSP, Negotiation, Protocols, message, next_tpdu,
};
use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::misbehaviour::{is_broken_plaintext, malformed};

const SSL_REQUIRED_BY_SERVER: u32 = 1;
const HYBRID_REQUIRED_BY_SERVER: u32 = 5;

/// The server's part: selects one of the protocols that both sides have.
///
/// A client that requests none of them gets RDP_NEG_FAILURE and is an [`Error::Refused`] with the same failureCode; one that does not negotiate gets no answer
/// (3.3.5.3.2). Both are the end, unless TLS is [`optional`](Self::optional).
///
/// ```
/// use starttls_core::{Error, Negotiator, Plain};
/// use starttls_protocols::rdp::{Protocols, Server};
///
/// // A client that does not negotiate, at a server that speaks Standard RDP Security too.
/// let request = b"\x03\0\0\x0b\x06\xe0\0\0\0\0\0";
/// let mut plain = Plain::with_prefix(request);
/// let mut server = Server::new(Protocols::TLS).optional();
/// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
/// assert_eq!(plain.peek(), request);
/// ```
#[derive(Debug)]
pub struct Server {
    allowed: Protocols,
    flags: u8,
    at_command: bool,
    request: Option<Request>,
    selected: Option<Protocols>,
    dialogue: Dialogue<Requests>,
}

impl Server {
    /// Allows these protocols.
    pub fn new(allowed: Protocols) -> Self {
        Self {
            allowed,
            flags: 0,
            at_command: false,
            request: None,
            selected: None,
            dialogue: Dialogue::unbegun(Requests { optional: None }),
        }
    }

    /// The caller has just consumed a Connection Request and has selected this one protocol: only the Confirm is left.
    pub fn at_command(selected: Protocols) -> Self {
        Self {
            selected: Some(selected),
            at_command: true,
            ..Self::new(selected)
        }
    }

    /// TLS is offered and not demanded: a client that requests none of the protocols is [`Error::NotRequested`], and the connection stands in front of its
    /// Connection Request, which Standard RDP Security answers.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.dialogue.messages().optional = Some(self.allowed);
        self
    }

    /// The flags of RDP_NEG_RSP (2.2.1.2.1), 0 if none are set.
    #[must_use]
    pub fn flags(mut self, flags: u8) -> Self {
        self.flags = flags;
        self
    }

    /// What the client has requested, once it has.
    pub fn requested(&self) -> Option<Untrusted<Protocols>> {
        let negotiation = self.request.as_ref()?.negotiation.as_ref()?;
        Some(Untrusted::new(Protocols::from_bits(negotiation.value)))
    }

    /// The flags of the client's RDP_NEG_REQ (2.2.1.1.1), once it is there.
    pub fn client_flags(&self) -> Option<Untrusted<u8>> {
        let negotiation = self.request.as_ref()?.negotiation.as_ref()?;
        Some(Untrusted::new(negotiation.flags))
    }

    /// The id of the client's RDP_NEG_CORRELATION_INFO, if there was one.
    pub fn correlation_id(&self) -> Option<Untrusted<&[u8; 16]>> {
        let id = self.request.as_ref()?.correlation_id.as_ref();
        id.map(Untrusted::new)
    }

    /// The client's cookie or routing token, without its line end. It has no meaning for a server.
    pub fn cookie(&self) -> Option<Untrusted<&[u8]>> {
        let cookie = self.request.as_ref()?.cookie.as_deref();
        cookie.map(Untrusted::new)
    }

    /// The protocol that was selected, once it was.
    pub fn selected(&self) -> Option<Protocols> {
        self.selected
    }

    fn first(&self) -> Result<Step, Error> {
        match self.selected {
            Some(selected) if self.at_command && selected.is_one() => {
                go_ahead(self.flags, selected)
            }
            _ if self.at_command => {
                Err(Misuse::Configuration("not one RDP security protocol is selected").into())
            }
            _ => Ok(Step::Await(())),
        }
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.dialogue.has_begun() {
            let first = self.first()?;
            self.dialogue.begin(first);
        }
        let (allowed, flags) = (self.allowed, self.flags);
        let (known, selected) = (&mut self.request, &mut self.selected);
        self.dialogue.advance(plain, |(), request| {
            let request = known.insert(request.clone());
            *selected = request.select(allowed);
            if let Some(selected) = *selected {
                return go_ahead(flags, selected);
            }
            if request.negotiation.is_none() {
                // No RDP_NEG_FAILURE may be sent to who has not negotiated, and any Confirm would be plaintext.
                return Err(Refusal::new(None, b"").ending().into());
            }
            let code = if allowed.contains(Protocols::TLS) {
                SSL_REQUIRED_BY_SERVER
            } else {
                HYBRID_REQUIRED_BY_SERVER
            };
            let failure = confirm(NEG_FAILURE, 0, code)?;
            Ok(Step::fail(failure, Refusal::new(code, b"").ending()))
        })
    }

    /// A Disconnect Request, whose reasons are those of X.224: none of them says more than 0, "not specified".
    fn farewell(&self, error: &Error) -> Vec<u8> {
        match is_broken_plaintext(error) {
            true => vec![3, 0, 0, 11, 6, DISCONNECT_REQUEST, 0, 0, 0, 0, 0],
            false => Vec::new(),
        }
    }
}

fn go_ahead(flags: u8, selected: Protocols) -> Result<Step, Error> {
    Ok(Step::go_ahead(confirm(NEG_RSP, flags, selected.bits())?))
}

/// The source reference is the one that 3.3.5.3.2 names.
fn confirm(kind: u8, flags: u8, value: u32) -> Result<Vec<u8>, Error> {
    let negotiation = Negotiation { kind, flags, value };
    message(CONNECTION_CONFIRM, [0x12, 0x34], &negotiation.bytes())
}

/// A Connection Request.
#[derive(Debug, Clone)]
struct Request {
    cookie: Option<Vec<u8>>,
    negotiation: Option<Negotiation>,
    correlation_id: Option<[u8; 16]>,
}

impl Request {
    fn parse(tpdu: &[u8]) -> Option<Self> {
        let [CONNECTION_REQUEST, _, _, _, _, _, data @ ..] = tpdu else {
            return None;
        };
        let (cookie, data) = split_cookie(data)?;
        let mut request = Self {
            cookie: cookie.map(<[u8]>::to_vec),
            negotiation: None,
            correlation_id: None,
        };
        if data.is_empty() {
            return Some(request);
        }
        let (negotiation, rest) = data.split_at_checked(8)?;
        let negotiation = Negotiation::parse(negotiation).filter(|it| it.kind == NEG_REQ)?;
        match (negotiation.flags & CORRELATION_INFO_PRESENT, rest) {
            (0, []) => {}
            (CORRELATION_INFO_PRESENT, [CORRELATION_INFO, _, 36, 0, info @ ..])
                if info.len() == 32 =>
            {
                request.correlation_id = info.first_chunk().copied();
            }
            _ => return None,
        }
        request.negotiation = Some(negotiation);
        Some(request)
    }

    /// The best of what both have.
    fn select(&self, allowed: Protocols) -> Option<Protocols> {
        let requested = Protocols::from_bits(self.negotiation.as_ref()?.value);
        Protocols::BY_PREFERENCE
            .into_iter()
            .find(|one| requested.contains(*one) && allowed.contains(*one))
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

#[derive(Debug)]
struct Requests {
    /// What is allowed, where a client may have none of it.
    optional: Option<Protocols>,
}

impl ReadMessages for Requests {
    type Message = Request;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Request>, Error> {
        let Some((length, tpdu)) = next_tpdu(plain)? else {
            return Ok(None);
        };
        let request = Request::parse(tpdu).ok_or_else(|| malformed("X.224 request", tpdu))?;
        if let Some(allowed) = self.optional
            && request.select(allowed).is_none()
        {
            return Err(Error::NotRequested);
        }
        plain.consume(length);
        Ok(Some(request))
    }
}
