use starttls_core::rustls::ClientConnection;
use starttls_core::{Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, Untrusted};

use super::{
    CLIENT_MYSQL, CLIENT_SSL, ERR, Greeting, HEADER, LONG_FLAG, MAX_PACKET, PLUGIN_AUTH,
    PROTOCOL_41, SECURE_CONNECTION, SslRequest, TRANSACTIONS, UTF8MB4, err_refusal, next_header,
    take_payload, wrong_sequence,
};
use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::fields::Fields;
use crate::read::misbehaviour::malformed;

/// The client's part: the greeting, SSLRequest, and no answer.
///
/// A server without TLS, or from before MySQL 4.1, is [`Error::NotOffered`], and the greeting is there for who goes on without. An ERR packet, instead of
/// the greeting or behind it, is [`Error::Goodbye`] with its code, its SQLSTATE ([`Refusal::state`]) and its words.
///
/// ```no_run
/// # fn f(mut plain: starttls_core::Plain) -> Result<(), starttls_core::Error> {
/// use starttls_core::Negotiator;
/// use starttls_protocols::mysql;
///
/// let mut client = mysql::Client::new();
/// let progress = client.advance(&mut plain)?; // or any `upgrade` with `&mut client`
/// if let Some(greeting) = client.greeting() {
///     let greeting = greeting.into_inner();
///     println!("{} bytes of scramble for {:?}", greeting.scramble.len(), greeting.auth_plugin);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Client {
    request: SslRequest,
    greeting: Option<Greeting>,
    at_command: bool,
    dialogue: Dialogue<Greetings>,
}

impl Client {
    /// From the greeting on.
    pub fn new() -> Self {
        Self {
            request: SslRequest {
                capabilities: CLIENT_MYSQL
                    | LONG_FLAG
                    | TRANSACTIONS
                    | PROTOCOL_41
                    | SECURE_CONNECTION
                    | PLUGIN_AUTH,
                max_packet_size: MAX_PACKET,
                character_set: UTF8MB4,
                mariadb_capabilities: 0,
            },
            greeting: None,
            at_command: false,
            dialogue: Dialogue::unbegun(Greetings),
        }
    }

    /// The caller has consumed a greeting that has [`CLIENT_SSL`]: only SSLRequest is left.
    pub fn at_command() -> Self {
        Self {
            at_command: true,
            ..Self::new()
        }
    }

    /// The capability flags to ask for; those that the server does not have are left out, those that TLS needs are added.
    #[must_use]
    pub fn capabilities(mut self, flags: u32) -> Self {
        self.request.capabilities = flags;
        self
    }

    /// MariaDB's further capability flags to ask for, none by default; those that the server does not have are left out.
    #[must_use]
    pub fn mariadb_capabilities(mut self, flags: u32) -> Self {
        self.request.mariadb_capabilities = flags;
        self
    }

    /// The character set to begin with.
    #[must_use]
    pub fn character_set(mut self, number: u8) -> Self {
        self.request.character_set = number;
        self
    }

    /// The largest packet to take.
    #[must_use]
    pub fn max_packet_size(mut self, size: u32) -> Self {
        self.request.max_packet_size = size;
        self
    }

    /// What the server's greeting said, once it is there; also when it does not offer TLS.
    pub fn greeting(&self) -> Option<Untrusted<&Greeting>> {
        self.greeting.as_ref().map(Untrusted::new)
    }

    /// What was asked with, to be repeated in HandshakeResponse.
    pub fn request(&self) -> SslRequest {
        agree(self.request, self.greeting.as_ref())
    }
}

/// What both have of what is wanted, and what TLS needs.
fn agree(wanted: SslRequest, greeting: Option<&Greeting>) -> SslRequest {
    let (offered, mariadb) = greeting.map_or((u32::MAX, u32::MAX), |greeting| {
        (greeting.capabilities, greeting.mariadb_capabilities)
    });
    SslRequest {
        capabilities: (wanted.capabilities & offered)
            | CLIENT_SSL
            | PROTOCOL_41
            | SECURE_CONNECTION,
        mariadb_capabilities: wanted.mariadb_capabilities & mariadb,
        ..wanted
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
                Step::go_ahead(self.request().packet(1))
            });
        }
        let (request, known) = (self.request, &mut self.greeting);
        self.dialogue.advance(plain, |(), heard| match heard {
            Heard::Greeting(greeting, error) => {
                let greeting = known.insert(greeting.clone());
                match error {
                    _ if !greeting.offers_tls() => Err(Error::NotOffered),
                    Some(refusal) => Err(Error::Goodbye(refusal.clone())),
                    // Whatever is behind the greeting was sent by somebody who did not wait for a ClientHello.
                    None => Ok(Step::go_ahead(agree(request, Some(greeting)).packet(1))),
                }
            }
            Heard::Error(refusal) => Err(Error::Goodbye(refusal.clone())),
        })
    }
}

fn understand(payload: &[u8]) -> Result<Greeting, Error> {
    let mut fields = Fields::new(payload);
    match fields.u8() {
        Some(version @ 9..=10) => {
            Greeting::parse(version, fields).ok_or_else(|| malformed("greeting", payload))
        }
        Some(version) => {
            Err(Misbehaviour::Unexpected(Refusal::new(u32::from(version), fields.rest())).into())
        }
        None => Err(malformed("greeting", payload)),
    }
}

#[derive(Debug)]
struct Greetings;

/// What a server begins with.
enum Heard {
    /// And the ERR packet right behind it, if there is one and TLS is offered: the server is shutting down.
    Greeting(Greeting, Option<Refusal>),
    /// Too many connections, host not allowed. Whatever its sequence id, since servers and proxies count differently there.
    Error(Refusal),
}

impl ReadMessages for Greetings {
    type Message = Heard;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Heard>, Error> {
        let Some((length, sequence)) = next_header(plain, "greeting")? else {
            return Ok(None);
        };
        match (sequence, length, plain.peek().get(HEADER)) {
            (1.., 0, _) => return Err(wrong_sequence(plain)),
            (0, ..) | (_, _, None | Some(&ERR)) => {}
            (1.., _, Some(_)) => return Err(wrong_sequence(plain)),
        }
        let Some(payload) = take_payload(plain, length) else {
            return Ok(None);
        };
        if let Some(refusal) = err_refusal(&payload) {
            return Ok(Some(Heard::Error(refusal)));
        }
        let greeting = understand(&payload)?;
        // Behind a greeting without TLS it is the next message.
        let error = greeting.offers_tls().then(|| take_error(plain)).flatten();
        Ok(Some(Heard::Greeting(greeting, error)))
    }
}

/// An ERR packet that is there as a whole, consumed.
fn take_error(plain: &mut Plain) -> Option<Refusal> {
    let (length, _) = next_header(plain, "").ok()??;
    let end = length.saturating_add(HEADER);
    let refusal = err_refusal(plain.peek().get(HEADER..end)?)?;
    plain.consume(end);
    Some(refusal)
}
