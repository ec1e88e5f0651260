//! PostgreSQL's `SSLRequest` ([frontend/backend protocol], section "SSL Session Encryption").
//!
//! Nothing was said before TLS, so there is nothing to forget: the client begins with its StartupMessage inside TLS. A client must not
//! go on in plaintext after `N` unless its user allows that, and must not show the text of an `E`: nobody has vouched for it.
//!
//! A client that begins with TLS at once (PostgreSQL 17, `sslnegotiation=direct`, ALPN `postgresql`) needs no negotiation; a server finds it
//! as [`Misbehaviour::TlsTooEarly`] here, and before anything is consumed by looking at the first byte.
//!
//! [frontend/backend protocol]: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, rustls};

use crate::read::fields::{Fields, take};
use crate::read::misbehaviour::{malformed, refuse_tls_record, too_long};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30];

/// The longest ErrorResponse; libpq takes anything longer for text that is not a message.
const MAX_ERROR: usize = 30_000;
/// The longest StartupMessage, as in the server's `MAX_STARTUP_PACKET_LENGTH`.
const MAX_STARTUP: usize = 10_000;

/// The client's part: SSLRequest, and one byte of answer.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Phase, Plain, Progress};
/// use starttls_protocols::postgres;
///
/// let mut client = postgres::Client::new();
/// let mut plain = Plain::new();
/// assert_eq!(client.advance(&mut plain)?, Progress::NeedInput);
/// let mut sent = Vec::new();
/// plain.poll_transmit(&mut sent);
/// assert_eq!(sent, [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
///
/// assert_eq!(plain.handle_input(b"S"), 1);
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    AskGss,
    GssAnswer,
    AskTls,
    TlsAnswer,
}

impl Client {
    /// SSLRequest at once.
    pub fn new() -> Self {
        Self {
            state: ClientState::AskTls,
        }
    }

    /// GSSENCRequest first, as libpq does when it has credentials; `N` is what this waits for. A server that was built with GSSAPI says `G`
    /// whatever its settings are. That is an error here: the connection goes on with GSSAPI or not at all, so that the caller
    /// connects again, with [`new`](Self::new).
    pub fn with_gss() -> Self {
        Self {
            state: ClientState::AskGss,
        }
    }

    /// The same as [`new`](Self::new): there is no greeting.
    pub fn at_command() -> Self {
        Self::new()
    }

    /// `E` and what follows: the refusal of a server that does not know the request, or that has failed.
    fn error_response(plain: &Plain) -> Option<Error> {
        let unread = plain.peek();
        let length = unread.get(1..5).and_then(|bytes| bytes.try_into().ok());
        let length = length.map(|bytes| u32::from_be_bytes(bytes) as usize);
        match length {
            // The length counts itself.
            Some(length @ 8..=MAX_ERROR) => match unread.get(5..length.saturating_add(1)) {
                Some(fields) => Some(refusal(fields).into()),
                None if plain.is_eof() => Some(Refusal::new(None, b"").into()),
                None => None,
            },
            // A server older than protocol 3, or one that could not even start a process: words up to a NUL. They are not waited for.
            Some(_) => Some(Refusal::new(None, b"").into()),
            None if plain.is_eof() => Some(Refusal::new(None, b"").into()),
            None => None,
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
        loop {
            match self.state {
                ClientState::AskGss => {
                    plain.write_all(&GSSENC_REQUEST)?;
                    self.state = ClientState::GssAnswer;
                }
                ClientState::AskTls => {
                    plain.write_all(&SSL_REQUEST)?;
                    self.state = ClientState::TlsAnswer;
                }
                ClientState::GssAnswer | ClientState::TlsAnswer => {
                    refuse_tls_record(plain.peek())?;
                    match (self.state, plain.peek()) {
                        (_, []) => return Ok(Progress::NeedInput),
                        (ClientState::GssAnswer, [b'N', ..]) => {
                            plain.consume(1);
                            self.state = ClientState::AskTls;
                        }
                        (ClientState::TlsAnswer, [b'S', ..]) => {
                            plain.consume(1);
                            return Ok(Progress::Done(Boundary::Exact));
                        }
                        (ClientState::TlsAnswer, [b'N', ..]) => {
                            return Err(Refusal::new(None, b"N").into());
                        }
                        (_, [b'E', ..]) => {
                            return Self::error_response(plain)
                                .map_or(Ok(Progress::NeedInput), Err);
                        }
                        // It may be the first byte of a TLS record.
                        (_, [0x15 | 0x16]) if !plain.is_eof() => return Ok(Progress::NeedInput),
                        (_, [other, ..]) => {
                            return Err(
                                Misbehaviour::Unexpected(Refusal::new(None, &[*other])).into()
                            );
                        }
                    }
                }
            }
        }
    }
}

/// The SQLSTATE and the message of an ErrorResponse.
fn refusal(fields: &[u8]) -> Refusal {
    let mut fields = Fields::new(fields);
    let (mut state, mut message) = (&b""[..], &b""[..]);
    while let Some(kind @ 1..) = fields.u8() {
        match (kind, fields.until_nul()) {
            (b'C', Some(text)) => state = text,
            (b'M', Some(text)) => message = text,
            (_, Some(_)) => {}
            (_, None) => break,
        }
    }
    // Most SQLSTATEs have letters in them.
    let code = std::str::from_utf8(state)
        .ok()
        .and_then(|state| state.parse::<u32>().ok());
    Refusal::new(code, &[state, message].join(&b' '))
}

/// The server's part: `N` to GSSENCRequest, `S` to SSLRequest, and an error to a client that goes on without.
#[derive(Debug)]
pub struct Server {
    state: ServerState,
}

#[derive(Debug, Clone, Copy)]
enum ServerState {
    Start,
    /// GSSENCRequest was answered, which is done once.
    NoGss,
    GoAhead,
}

impl Server {
    /// From the first byte on.
    pub fn new() -> Self {
        Self {
            state: ServerState::Start,
        }
    }

    /// The caller has just consumed an SSLRequest: only the `S` is left.
    pub fn at_command() -> Self {
        Self {
            state: ServerState::GoAhead,
        }
    }

    /// One start-up packet: length, then a code where a StartupMessage has its protocol version.
    fn packet(&mut self, plain: &mut Plain) -> Result<bool, Error> {
        refuse_tls_record(plain.peek())?;
        let Some(header) = plain.peek().first_chunk::<4>().copied() else {
            return Ok(false);
        };
        let length = u32::from_be_bytes(header) as usize;
        if length < 8 {
            return Err(malformed("startup packet", &header));
        }
        if length > MAX_STARTUP {
            return Err(too_long("startup packet", MAX_STARTUP));
        }
        let Some(packet) = take(plain, length) else {
            return Ok(false);
        };
        let mut fields = Fields::new(&packet);
        let (_, code) = (fields.array::<4>(), fields.array::<4>());
        match (self.state, code) {
            (_, _) if packet == SSL_REQUEST => self.state = ServerState::GoAhead,
            (ServerState::Start, _) if packet == GSSENC_REQUEST => {
                plain.write_all(b"N")?;
                self.state = ServerState::NoGss;
            }
            // CancelRequest is answered by closing, always.
            (_, Some([0x04, 0xd2, 0x16, 0x2e])) => {
                return Err(Error::Goodbye(Refusal::new(None, b"CancelRequest")));
            }
            (_, Some([0, 2 | 3, _, _])) => {
                plain.write_all(&error_message())?;
                return Err(Refusal::new(None, b"StartupMessage").into());
            }
            (_, code) => return Err(malformed("startup packet", &code.unwrap_or_default())),
        }
        Ok(true)
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
            if let ServerState::GoAhead = self.state {
                plain.write_all(b"S")?;
                return Ok(Progress::Done(Boundary::Exact));
            }
            if !self.packet(plain)? {
                return Ok(Progress::NeedInput);
            }
        }
    }
}

/// An ErrorResponse with severity, SQLSTATE invalid_authorization_specification, and a message.
fn error_message() -> Vec<u8> {
    let fields = b"SFATAL\0VFATAL\0C28000\0MTLS required: send SSLRequest first\0\0";
    let length = u32::try_from(fields.len().saturating_add(4)).unwrap_or_default();
    [b"E", &length.to_be_bytes()[..], fields].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_sqlstate_and_the_message() {
        let fields = b"SFATAL\0C0A000\0Munsupported frontend protocol\0\0";
        let refused = refusal(fields);
        assert_eq!(refused.code, None, "this one is no number");
        assert_eq!(
            refused.text.escaped(),
            "0A000 unsupported frontend protocol"
        );
        assert_eq!(refusal(b"C28000\0").code, Some(28000));
        assert_eq!(refusal(b"Mcut of"), Refusal::new(None, b" "));
    }

    #[test]
    fn our_own_refusal_can_be_read() {
        let mut plain = Plain::with_prefix(&error_message());
        let Err(Error::Refused(refusal)) = Client::new().advance(&mut plain) else {
            panic!("not refused");
        };
        assert_eq!(refusal.code, Some(28000));
    }
}
