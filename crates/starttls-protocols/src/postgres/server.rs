use std::fmt;

use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, Untrusted};

use super::{GSSENC_REQUEST, SSL_REQUEST};
use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::fields::{Fields, is_text, take};
use crate::read::misbehaviour::{is_broken_plaintext, malformed, refuse_tls_record, too_long};

/// The longest StartupMessage, as in the server's `MAX_STARTUP_PACKET_LENGTH`.
const MAX_STARTUP: usize = 10_000;
const CANCEL_REQUEST: u32 = 0x04d2_162e;

/// The server's part: `N` to GSSENCRequest, `S` to SSLRequest, and an error to a client that goes on without, unless TLS is [`optional`](Self::optional).
///
/// A client may send CancelRequest instead, and before PostgreSQL 17 libpq sends it in plaintext to every server. It ends the connection
/// ([`Error::Goodbye`] with its code, 80877102) and [`cancel_request`](Self::cancel_request) has it then.
///
/// ```
/// use starttls_core::{Error, Negotiator, Plain};
/// use starttls_protocols::postgres::Server;
///
/// // A StartupMessage of protocol 3.0 to a server that offers TLS and does not demand it.
/// let startup = b"\0\0\0\x13\0\x03\0\0user\0test\0\0";
/// let mut plain = Plain::with_prefix(startup);
/// let outcome = Server::new().optional().advance(&mut plain);
/// assert_eq!(outcome, Err(Error::NotRequested));
/// assert_eq!(plain.peek(), startup);
/// ```
#[derive(Debug)]
pub struct Server {
    dialogue: Dialogue<Packets, Gss>,
    cancel: Option<CancelRequest>,
}

/// Whether GSSENCRequest may come: it is answered once.
#[derive(Debug, Clone, Copy)]
enum Gss {
    Possible,
    Answered,
}

impl Server {
    /// From the first byte on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Gss::Possible))
    }

    /// The caller has just consumed an SSLRequest: only the `S` is left.
    pub fn at_command() -> Self {
        Self::starting(Step::go_ahead("S"))
    }

    /// TLS is offered and not demanded: a client that does not ask for it is [`Error::NotRequested`], and the connection stands in front of its
    /// StartupMessage.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.dialogue.messages().optional = true;
        self
    }

    /// The CancelRequest that the client has sent instead, if it has. Whoever can send packets to this server can send one: it is the key in it
    /// that counts.
    pub fn cancel_request(&self) -> Option<Untrusted<&CancelRequest>> {
        self.cancel.as_ref().map(Untrusted::new)
    }

    fn starting(first: Step<Gss>) -> Self {
        Self {
            dialogue: Dialogue::new(Packets { optional: false }, first),
            cancel: None,
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
        let cancel = &mut self.cancel;
        self.dialogue.advance(plain, |gss, packet| match packet {
            Packet::SslRequest => Ok(Step::go_ahead("S")),
            Packet::GssencRequest => match gss {
                Gss::Possible => Ok(Step::say("N", Gss::Answered)),
                Gss::Answered => Err(malformed("startup packet", &GSSENC_REQUEST)),
            },
            // Answered by closing, always.
            Packet::CancelRequest(request) => {
                *cancel = Some(request.clone());
                Err(Error::Goodbye(Refusal::new(CANCEL_REQUEST, b"")))
            }
            Packet::Startup { version } => Ok(Step::fail(
                fatal("28000", "TLS required: send SSLRequest first"),
                Refusal::new(*version, b"").ending(),
            )),
        })
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        match error {
            Error::UnreadPlaintext { .. } => fatal("08P01", "plaintext behind SSLRequest"),
            Error::Misbehaved(Misbehaviour::TooLong { .. }) => {
                fatal("08P01", "startup packet too long")
            }
            error if is_broken_plaintext(error) => fatal("08P01", "malformed startup packet"),
            _ => Vec::new(),
        }
    }
}

/// An ErrorResponse with severity, SQLSTATE and a message.
fn fatal(state: &str, message: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{state}\0M{message}\0\0");
    let length = u32::try_from(fields.len().saturating_add(4)).unwrap_or_default();
    [b"E", &length.to_be_bytes()[..], fields.as_bytes()].concat()
}

/// A client's request to cancel a query of another connection, whose BackendKeyData it repeats.
///
/// `Debug` does not show the key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CancelRequest {
    /// The process id, as BackendKeyData had it.
    pub process_id: u32,
    /// The secret key, as BackendKeyData had it: 4 bytes in protocol 3.0, up to 256 since 3.2.
    pub key: Vec<u8>,
}

impl CancelRequest {
    /// A whole packet, with its length: for servers that read it inside TLS too, where it comes instead of a StartupMessage.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(packet);
        let (length, code) = (fields.u32()?, fields.u32()?);
        let request = Self {
            process_id: fields.u32()?,
            key: fields.rest().to_vec(),
        };
        let is_one = usize::try_from(length) == Ok(packet.len())
            && code == CANCEL_REQUEST
            && (4..=256).contains(&request.key.len());
        is_one.then_some(request)
    }
}

impl fmt::Debug for CancelRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelRequest")
            .field("process_id", &self.process_id)
            .finish_non_exhaustive()
    }
}

/// Start-up packets: a length, then a code where a StartupMessage has its protocol version.
#[derive(Debug)]
struct Packets {
    optional: bool,
}

enum Packet {
    SslRequest,
    GssencRequest,
    CancelRequest(CancelRequest),
    Startup { version: u32 },
}

impl ReadMessages for Packets {
    type Message = Packet;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Packet>, Error> {
        refuse_tls_record(plain.peek())?;
        let Some(header) = plain.peek().first_chunk::<4>().copied() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(header) as usize;
        if length < 8 || is_text(&header) {
            return Err(malformed("startup packet", &header));
        }
        if length > MAX_STARTUP {
            return Err(too_long("startup packet", MAX_STARTUP));
        }
        let mut fields = Fields::new(plain.peek());
        let (Some(_length), Some(code)) = (fields.u32(), fields.u32()) else {
            return Ok(None);
        };
        let is_startup = matches!(code >> 16, 2 | 3);
        if is_startup && self.optional {
            return Err(Error::NotRequested);
        }
        let Some(packet) = take(plain, length) else {
            return Ok(None);
        };
        Ok(Some(if packet == SSL_REQUEST {
            Packet::SslRequest
        } else if packet == GSSENC_REQUEST {
            Packet::GssencRequest
        } else if is_startup {
            Packet::Startup { version: code }
        } else {
            CancelRequest::parse(&packet)
                .map(Packet::CancelRequest)
                .ok_or_else(|| malformed("startup packet", &code.to_be_bytes()))?
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_request_is_handed_over() {
        for key in [4, 32, 256] {
            let length = u8::try_from(12 + key % 256).unwrap();
            let length = [0, 0, u8::from(key == 256), length];
            let key = vec![7; key];
            let code = CANCEL_REQUEST.to_be_bytes();
            let packet = [&length[..], &code, &[0, 0, 1, 2], &key].concat();
            for mut server in [Server::new(), Server::new().optional()] {
                let outcome = server.advance(&mut Plain::with_prefix(&packet));
                let goodbye = Error::Goodbye(Refusal::new(80_877_102, b""));
                assert_eq!(outcome, Err(goodbye));
                let request = server.cancel_request().unwrap().into_inner();
                assert_eq!((request.process_id, &request.key), (0x102, &key));
                assert!(!format!("{request:?}").contains('7'));
            }
        }
        let none = b"\0\0\0\x0f\x04\xd2\x16\x2e\0\0\0\x01abc";
        assert_eq!(CancelRequest::parse(none), None, "a key of three bytes");
    }
}
