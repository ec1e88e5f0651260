//! NATS (the client protocol as its documentation has it; there is no other specification).
//!
//! Nobody asks for TLS here: the server's INFO says that it wants it or can do it, and the client begins. Inside TLS the client says
//! CONNECT. What INFO said in plaintext (the addresses of other servers above all, `connect_urls`) anybody may have written: such things are
//! taken from an INFO that comes inside TLS.

use serde_json::Value;
use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{
    Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::line::{LineEnd, Lines, has_line_end, split_verb};
use crate::read::misbehaviour::malformed;

/// The longest INFO. It has the addresses of a whole cluster, about 20 bytes each, and the official clients have no limit near. The caller's own limit
/// ([`Limits::negotiation`](starttls_core::Limits::negotiation)) is less, unless it is raised.
const MAX_INFO: usize = 1024 * 1024;

/// The client's part: the server's INFO, and what it says of TLS.
///
/// A server that is full says `-ERR` behind its INFO. If that is there with it, it is [`Error::Goodbye`] with the server's words; if it comes when TLS
/// has begun, it is [`Error::NotTls`] with them.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::nats;
///
/// let mut client = nats::Client::new();
/// let mut plain = Plain::with_prefix(b"INFO {\"server_id\":\"A\",\"tls_required\":true}\r\n");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// let info = client.info().unwrap().into_inner();
/// assert_eq!(info.json(), br#"{"server_id":"A","tls_required":true}"#);
/// assert!(info.tls_required());
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    dialogue: Dialogue<Greetings>,
    info: Option<Info>,
    at_command: bool,
}

impl Client {
    /// From INFO on.
    pub fn new() -> Self {
        Self {
            dialogue: Dialogue::unbegun(Greetings {
                lines: Lines::of_up_to(MAX_INFO, LineEnd::CrLf),
            }),
            info: None,
            at_command: false,
        }
    }

    /// The caller has read an INFO with `tls_required` or `tls_available`: nothing is left to say, TLS begins.
    pub fn at_command() -> Self {
        Self {
            at_command: true,
            ..Self::new()
        }
    }

    /// What INFO said, once it is there; also when it does not offer TLS. Its `nonce` is signed in CONNECT.
    pub fn info(&self) -> Option<Untrusted<&Info>> {
        self.info.as_ref().map(Untrusted::new)
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
            self.dialogue.begin(if !self.at_command {
                Step::Await(())
            } else if let Some(refusal) = take_error(plain) {
                Step::fail("", Error::Goodbye(refusal))
            } else {
                Step::Done(Boundary::Exact)
            });
        }
        let known = &mut self.info;
        self.dialogue.advance(plain, |(), heard| match heard {
            Heard::Info(info, error) => {
                let info = known.insert(info.clone());
                match error {
                    _ if !info.offers_tls() => Err(Error::NotOffered),
                    Some(refusal) => Err(Error::Goodbye(refusal.clone())),
                    None => Ok(Step::Done(Boundary::Exact)),
                }
            }
            Heard::Error(refusal) => Err(Error::Goodbye(refusal.clone())),
            Heard::Other(line) => Err(Misbehaviour::Unexpected(Refusal::new(None, line)).into()),
        })
    }
}

/// What INFO said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    json: Vec<u8>,
    tls_required: bool,
    tls_available: bool,
}

impl Info {
    /// The object that it carried, as JSON.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The server demands TLS.
    pub fn tls_required(&self) -> bool {
        self.tls_required
    }

    /// The server can do TLS. One that says this and does not demand it serves both kinds of clients (`allow_non_tls` of its configuration).
    pub fn tls_available(&self) -> bool {
        self.tls_available
    }

    fn offers_tls(&self) -> bool {
        self.tls_required || self.tls_available
    }

    /// `None` if it is not an object. The line limits its size, and the parser its depth (128).
    fn parse(json: &[u8]) -> Option<Self> {
        let json = json.trim_ascii();
        let info: Value = serde_json::from_slice(json).ok()?;
        let info = info.as_object()?;
        let is_true = |key| info.get(key) == Some(&Value::Bool(true));
        Some(Self {
            json: json.to_vec(),
            tls_required: is_true("tls_required"),
            tls_available: is_true("tls_available"),
        })
    }
}

#[derive(Debug)]
struct Greetings {
    lines: Lines,
}

/// What a server begins with.
enum Heard {
    /// And what the `-ERR` right behind it says, if there is one and TLS is offered.
    Info(Info, Option<Refusal>),
    Error(Refusal),
    Other(Vec<u8>),
}

impl ReadMessages for Greetings {
    type Message = Heard;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Heard>, Error> {
        let Some(line) = self.lines.take(plain)? else {
            return Ok(None);
        };
        let (verb, arguments) = split_verb(&line);
        Ok(Some(match &verb[..] {
            b"INFO" => {
                let info = Info::parse(arguments).ok_or_else(|| malformed("INFO", &line))?;
                // Behind an INFO without TLS it is the next message.
                let error = info.offers_tls().then(|| take_error(plain)).flatten();
                Heard::Info(info, error)
            }
            b"-ERR" => Heard::Error(refusal(arguments)),
            _ => Heard::Other(line),
        }))
    }
}

/// A `-ERR` that is there as a whole, consumed.
fn take_error(plain: &mut Plain) -> Option<Refusal> {
    let line = plain.peek();
    let end = line.windows(2).position(|two| two == b"\r\n")?;
    let refusal = line.get(..end)?.strip_prefix(b"-ERR").map(refusal)?;
    plain.consume(end.saturating_add(2));
    Some(refusal)
}

fn refusal(words: &[u8]) -> Refusal {
    Refusal::new(None, words.trim_ascii())
}

/// The server's part: INFO, and TLS at once, unless it is [`optional`](Self::optional). A ClientHello that is there already is what TLS begins with.
///
/// ```
/// use starttls_core::{Error, Negotiator, Plain};
/// use starttls_protocols::nats::Server;
///
/// let mut server = Server::new(r#"{"server_id":"A","tls_available":true}"#).optional();
/// let mut plain = Plain::with_prefix(b"CONNECT {}\r\n");
/// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
/// assert_eq!(plain.peek(), b"CONNECT {}\r\n");
/// ```
#[derive(Debug)]
pub struct Server {
    info: String,
    dialogue: Dialogue<FirstByte>,
}

impl Server {
    /// `info` is the object that INFO carries, as JSON on one line: with `"tls_required":true` or `"tls_available":true`, or no client begins.
    pub fn new(info: impl Into<String>) -> Self {
        Self {
            info: info.into(),
            dialogue: Dialogue::unbegun(FirstByte { optional: false }),
        }
    }

    /// The caller has sent INFO: nothing is left to say, TLS begins.
    pub fn at_command() -> Self {
        let done = Step::Await(());
        Self {
            info: String::new(),
            dialogue: Dialogue::new(FirstByte { optional: false }, done),
        }
    }

    /// TLS is offered and not demanded (`allow_non_tls`): INFO says `tls_available` and not `tls_required`, and the client's first byte tells. One that goes on
    /// in plaintext is [`Error::NotRequested`], and the connection stands in front of its CONNECT.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.dialogue.messages().optional = true;
        self
    }

    fn greeting(&mut self) -> Result<String, Error> {
        let info = Info::parse(self.info.as_bytes()).filter(|_| !has_line_end(&self.info));
        let Some(info) = info.filter(Info::offers_tls) else {
            return Err(
                Misuse::Configuration("INFO does not offer TLS on one line of JSON").into(),
            );
        };
        if info.tls_required && self.dialogue.messages().optional {
            return Err(Misuse::Configuration("INFO demands TLS, and it is optional").into());
        }
        Ok(format!("INFO {}\r\n", self.info))
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.dialogue.has_begun() {
            let greeting = self.greeting()?;
            self.dialogue.begin(Step::say(greeting, ()));
        }
        self.dialogue
            .advance(plain, |(), ()| Ok(Step::Done(Boundary::Pipelined)))
    }
}

/// Tells by the client's first byte, which it leaves, whether it begins with TLS: a handshake, or an alert that TLS makes an error of. A server that demands TLS
/// does not wait for it.
#[derive(Debug)]
struct FirstByte {
    optional: bool,
}

impl ReadMessages for FirstByte {
    type Message = ();

    fn next(&mut self, plain: &mut Plain) -> Result<Option<()>, Error> {
        match plain.peek() {
            _ if !self.optional => Ok(Some(())),
            [] => Ok(None),
            [0x15 | 0x16, ..] => Ok(Some(())),
            _ => Err(Error::NotRequested),
        }
    }
}
