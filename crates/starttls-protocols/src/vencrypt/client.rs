use starttls_core::rustls::ClientConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted};

use super::{
    Impossible, Subtype, VENCRYPT, Version, refused, take_array, take_version, unexpected,
};
use crate::read::dialogue::{Dialogue, ReadAwaited, Step};
use crate::read::fields::{Fields, take};
use crate::read::misbehaviour::too_long;

/// The security type TLS: an anonymous key exchange.
const ANONYMOUS_TLS: u8 = 18;
/// The longest reason for a failure that is read. The protocol has no limit; a sentence is enough.
const MAX_REASON: usize = 4 * 1024;

/// The client's part: versions, security type, subtype.
///
/// A server that has no VeNCrypt, or none of the subtypes, is [`Error::NotOffered`]: it is the client's turn to choose another type
/// ([`types`](Self::types)) or subtype ([`offered`](Self::offered)). What the server does not acknowledge ends the connection.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::vencrypt::{Client, Subtype};
///
/// let mut client = Client::new([Subtype::X509None]);
/// let mut plain = Plain::with_prefix(
///     b"RFB 003.008\n\x02\x02\x13\x00\x02\x00\x02\0\0\x01\x02\0\0\x01\x04\x01",
/// );
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// assert_eq!(client.chosen(), Some(Subtype::X509None));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    choice: Choice,
    dialogue: Dialogue<Heard, Awaited>,
}

/// What is wanted, what was heard, and what came of it.
#[derive(Debug)]
struct Choice {
    subtypes: Vec<Subtype>,
    version: Option<Version>,
    types: Option<Vec<u8>>,
    vencrypt: Option<(u8, u8)>,
    offered: Option<Vec<u32>>,
    chosen: Option<Subtype>,
    impossible: Option<Impossible>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Version,
    Types,
    VencryptVersion,
    VersionAnswer,
    Subtypes,
    SubtypeAnswer,
}

impl Client {
    /// RFB from the first byte on, with the subtypes that are wanted, the best first.
    pub fn new(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(Step::Await(Awaited::Version), subtypes)
    }

    /// The caller has consumed the server's list of security types, 19 among them, and has not answered it.
    pub fn at_command(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(Step::say([VENCRYPT], Awaited::VencryptVersion), subtypes)
    }

    fn starting(first: Step<Awaited>, subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self {
            choice: Choice {
                subtypes: subtypes.into_iter().collect(),
                version: None,
                types: None,
                vencrypt: None,
                offered: None,
                chosen: None,
                impossible: None,
            },
            dialogue: Dialogue::new(Heard, first),
        }
    }

    /// The subtype that was chosen of what the server offers, once it is.
    pub fn chosen(&self) -> Option<Subtype> {
        self.choice.chosen
    }

    /// The version of RFB, if it was this negotiator that has heard the server's. A version other than 3.3 is agreed upon; to
    /// 3.3 it has not answered.
    pub fn version(&self) -> Option<Untrusted<Version>> {
        self.choice.version.map(Untrusted::new)
    }

    /// The server's list of security types, once it is there.
    pub fn types(&self) -> Option<Untrusted<&[u8]>> {
        self.choice.types.as_deref().map(Untrusted::new)
    }

    /// The highest version of VeNCrypt that the server has, major and minor, once it is there.
    pub fn vencrypt_version(&self) -> Option<Untrusted<(u8, u8)>> {
        self.choice.vencrypt.map(Untrusted::new)
    }

    /// The server's list of subtypes, once it is there. Not all of them are a [`Subtype`].
    pub fn offered(&self) -> Option<Untrusted<&[u32]>> {
        self.choice.offered.as_deref().map(Untrusted::new)
    }

    /// When the error is [`Error::NotOffered`]: the first thing that the server offers instead and that cannot be, if any.
    pub fn impossible(&self) -> Option<Impossible> {
        self.choice.impossible
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if self.choice.subtypes.is_empty() {
            return Err(Misuse::Configuration("no subtype of VeNCrypt is wanted").into());
        }
        let choice = &mut self.choice;
        self.dialogue
            .advance(plain, |awaited, message| choice.react(awaited, message))
    }
}

impl Choice {
    fn react(&mut self, awaited: Awaited, message: &Message) -> Result<Step<Awaited>, Error> {
        match message {
            Message::Version(version) => {
                self.version = Some(*version);
                match version {
                    Version::V3_3 => Err(Error::NotOffered),
                    Version::V3_7 => Ok(Step::say("RFB 003.007\n", Awaited::Types)),
                    Version::V3_8 => Ok(Step::say("RFB 003.008\n", Awaited::Types)),
                }
            }
            Message::Types(types) => {
                self.types = Some(types.clone());
                if types.contains(&VENCRYPT) {
                    return Ok(Step::say([VENCRYPT], Awaited::VencryptVersion));
                }
                if types.contains(&ANONYMOUS_TLS) {
                    self.impossible = Some(Impossible::Anonymous(u32::from(ANONYMOUS_TLS)));
                }
                Err(Error::NotOffered)
            }
            Message::Failure(reason) => Err(Error::Goodbye(Refusal::new(None, reason))),
            Message::VencryptVersion(major, minor) => {
                self.vencrypt = Some((*major, *minor));
                match (major, minor) {
                    (0, 0..=1) => Err(Error::NotOffered),
                    _ => Ok(Step::say([0, 2], Awaited::VersionAnswer)),
                }
            }
            Message::Status(status) => match (awaited, status) {
                (Awaited::VersionAnswer, 0) => Ok(Step::Await(Awaited::Subtypes)),
                (Awaited::VersionAnswer, no) => Err(refused(*no)),
                (_, 1) => Ok(Step::Done(Boundary::Exact)),
                (_, 0) => Err(refused(0)),
                (_, other) => Err(unexpected(*other)),
            },
            Message::Subtypes(offered) => self.choose(offered),
        }
    }

    fn choose(&mut self, offered: &[u32]) -> Result<Step<Awaited>, Error> {
        self.offered = Some(offered.to_vec());
        if offered.is_empty() {
            // "if there are none the connection is closed"
            return Err(refused(0));
        }
        let known = || offered.iter().copied().map(Subtype::try_from);
        let mut wanted = self.subtypes.iter();
        let Some(chosen) = wanted.find(|wanted| known().any(|one| one == Ok(**wanted))) else {
            self.impossible = known().find_map(Result::err);
            return Err(Error::NotOffered);
        };
        self.chosen = Some(*chosen);
        Ok(Step::say(
            chosen.number().to_be_bytes(),
            Awaited::SubtypeAnswer,
        ))
    }
}

#[derive(Debug)]
struct Heard;

enum Message {
    Version(Version),
    Types(Vec<u8>),
    /// No security type, and the reason.
    Failure(Vec<u8>),
    VencryptVersion(u8, u8),
    Status(u8),
    Subtypes(Vec<u32>),
}

impl ReadAwaited<Awaited> for Heard {
    type Message = Message;

    fn next_awaited(
        &mut self,
        awaited: Awaited,
        plain: &mut Plain,
    ) -> Result<Option<Message>, Error> {
        Ok(match awaited {
            Awaited::Version => take_version(plain)?.map(Message::Version),
            Awaited::Types => match plain.peek().first() {
                // "for some reason the connection failed ... followed by a string describing the reason"
                Some(0) => take_reason(plain)?.map(Message::Failure),
                _ => take_list(plain, 1).map(Message::Types),
            },
            Awaited::VencryptVersion => {
                take_array(plain).map(|[major, minor]| Message::VencryptVersion(major, minor))
            }
            Awaited::VersionAnswer | Awaited::SubtypeAnswer => {
                take_array(plain).map(|[status]| Message::Status(status))
            }
            Awaited::Subtypes => take_list(plain, 4).map(|list| {
                let mut fields = Fields::new(&list);
                Message::Subtypes(std::iter::from_fn(|| fields.u32()).collect())
            }),
        })
    }
}

/// A list with a byte that says how many items it has, consumed, without that byte; `None` if it is not complete.
fn take_list(plain: &mut Plain, item: usize) -> Option<Vec<u8>> {
    let count = usize::from(*plain.peek().first()?);
    let mut list = take(plain, count.saturating_mul(item).saturating_add(1))?;
    Some(list.split_off(1))
}

/// The reason behind an empty list of security types, consumed with it; `None` if it is not complete.
fn take_reason(plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
    const HEADER: usize = 1 + 4;
    let mut fields = Fields::new(plain.peek());
    let (Some(_count), Some(length)) = (fields.u8(), fields.u32()) else {
        return Ok(None);
    };
    match usize::try_from(length) {
        Ok(length) if length <= MAX_REASON => {
            let reason = take(plain, length.saturating_add(HEADER));
            Ok(reason.map(|mut reason| reason.split_off(HEADER)))
        }
        _ => Err(too_long("reason", MAX_REASON)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_offers_instead_can_be_asked_for() {
        let instead = |said: &[u8]| {
            let mut client = Client::new(Subtype::ALL);
            let error = client.advance(&mut Plain::with_prefix(said));
            assert_eq!(error, Err(Error::NotOffered));
            assert_eq!(client.chosen(), None);
            client.impossible()
        };
        assert_eq!(
            instead(b"RFB 003.008\n\x02\x01\x12"),
            Some(Impossible::Anonymous(18))
        );
        assert_eq!(
            instead(b"RFB 003.008\n\x01\x13\0\x02\0\x02\0\0\x01\x03\0\0\x01\0"),
            Some(Impossible::Anonymous(259))
        );
        assert_eq!(instead(b"RFB 003.008\n\x01\x02"), None);
        assert_eq!(instead(b"RFB 003.003\n"), None);
    }

    #[test]
    fn what_was_heard_is_there_after_a_decline() {
        let mut client = Client::new([Subtype::X509None]);
        let said = b"RFB 003.008\n\x02\x02\x13\0\x02\0\x01\0\0\x01\0";
        let outcome = client.advance(&mut Plain::with_prefix(said));
        assert_eq!(outcome, Err(Error::NotOffered));
        assert_eq!(client.version(), Some(Untrusted::new(Version::V3_8)));
        assert_eq!(client.types(), Some(Untrusted::new(&[2, 19][..])));
        assert_eq!(client.vencrypt_version(), Some(Untrusted::new((0, 2))));
        assert_eq!(client.offered(), Some(Untrusted::new(&[256][..])));
    }
}
