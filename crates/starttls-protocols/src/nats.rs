//! NATS (the client protocol as its documentation has it; there is no other specification).
//!
//! Nobody asks for TLS here: the server's INFO says that it wants it or can do it, and the client begins. Inside TLS the client says
//! CONNECT. What INFO said in plaintext (the addresses of other servers above all, `connect_urls`) anybody may have written: such things are
//! taken from an INFO that comes inside TLS.

use serde_json::Value;
use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal};

use crate::read::line::{LineEnd, Lines, has_line_end, split_verb};
use crate::read::misbehaviour::malformed;

/// The client's part: the server's INFO, and what it says of TLS.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::nats;
///
/// let mut client = nats::Client::new();
/// let mut plain = Plain::with_prefix(b"INFO {\"server_id\":\"A\",\"tls_required\":true}\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// assert_eq!(client.info(), Some(&br#"{"server_id":"A","tls_required":true}"#[..]));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    lines: Lines,
    state: ClientState,
}

#[derive(Debug, Clone)]
enum ClientState {
    Start,
    Informed(Vec<u8>),
}

impl Client {
    /// From INFO on.
    pub fn new() -> Self {
        Self::starting(ClientState::Start)
    }

    /// The caller has read an INFO with `tls_required` or `tls_available`: nothing is left to say, TLS begins.
    pub fn at_command() -> Self {
        Self::starting(ClientState::Informed(Vec::new()))
    }

    /// The object that INFO carried, as JSON: for who must know it (its `nonce` is signed in CONNECT) and has lent the client to the upgrade.
    /// It came in plaintext.
    pub fn info(&self) -> Option<&[u8]> {
        match &self.state {
            ClientState::Informed(info) if !info.is_empty() => Some(info),
            _ => None,
        }
    }

    fn starting(state: ClientState) -> Self {
        Self {
            lines: Lines::new(LineEnd::CrLf),
            state,
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
        if matches!(self.state, ClientState::Informed(_)) {
            return Ok(Progress::Done(Boundary::Exact));
        }
        let Some(line) = self.lines.take(plain)? else {
            return Ok(Progress::NeedInput);
        };
        let (verb, arguments) = split_verb(&line);
        match &verb[..] {
            b"INFO" if offers(arguments).ok_or_else(|| malformed("INFO", &line))? => {
                self.state = ClientState::Informed(arguments.trim_ascii().to_vec());
                Ok(Progress::Done(Boundary::Exact))
            }
            b"INFO" => Err(Error::NotOffered),
            b"-ERR" => {
                let text = arguments.trim_ascii();
                Err(Error::Goodbye(Refusal::new(None, text)))
            }
            _ => Err(Misbehaviour::Unexpected(Refusal::new(None, &line)).into()),
        }
    }
}

/// What INFO says of TLS; `None` if it is not an object. The line limits its size, and the parser its depth (128).
fn offers(info: &[u8]) -> Option<bool> {
    let info: Value = serde_json::from_slice(info).ok()?;
    let info = info.as_object()?;
    let is_true = |key| info.get(key) == Some(&Value::Bool(true));
    Some(is_true("tls_required") || is_true("tls_available"))
}

/// The server's part: INFO, and TLS at once. A ClientHello that is there already is what TLS begins with.
#[derive(Debug)]
pub struct Server {
    /// Until it is said.
    info: Option<String>,
}

impl Server {
    /// `info` is the object that INFO carries, as JSON on one line: with `"tls_required":true` or `"tls_available":true`, or no client begins.
    pub fn new(info: impl Into<String>) -> Self {
        Self {
            info: Some(info.into()),
        }
    }

    /// The caller has sent INFO: nothing is left to say, TLS begins.
    pub fn at_command() -> Self {
        Self { info: None }
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if let Some(info) = &self.info {
            if has_line_end(info) || offers(info.as_bytes()) != Some(true) {
                return Err(
                    Misuse::Configuration("INFO does not offer TLS on one line of JSON").into(),
                );
            }
            plain.write_all(format!("INFO {info}\r\n").as_bytes())?;
            self.info = None;
        }
        Ok(Progress::Done(Boundary::Pipelined))
    }
}
