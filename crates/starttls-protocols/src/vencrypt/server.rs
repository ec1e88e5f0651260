use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal, Untrusted};

use super::{Subtype, VENCRYPT, Version, refused, take_array, take_version, unexpected};
use crate::read::dialogue::{Dialogue, ReadAwaited, Step};

/// The server's part: VeNCrypt 0.2 as the only security type, or as one of several ([`optional`](Self::optional)).
#[derive(Debug)]
pub struct Server {
    subtypes: Vec<Subtype>,
    version: Option<Version>,
    chosen: Option<Subtype>,
    dialogue: Dialogue<Heard, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Version,
    Type,
    VencryptVersion,
    Subtype,
}

impl Server {
    /// RFB from the first byte on, with the subtypes that are offered, the best first.
    pub fn new(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(Step::say("RFB 003.008\n", Awaited::Version), subtypes)
    }

    /// The caller has just consumed the client's choice of security type 19: versions and subtypes of VeNCrypt are left.
    pub fn at_command(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(Step::say([0, 2], Awaited::VencryptVersion), subtypes)
    }

    /// TLS is offered and not demanded: behind VeNCrypt these security types are listed (1 is no login, 2 is that of VNC). A client that chooses one of them is
    /// [`Error::NotRequested`], and the connection stands in front of its choice. With RFB 3.3, where it is the server that chooses, it stands behind the
    /// client's version.
    ///
    /// ```
    /// use starttls_core::{Error, Negotiator, Plain};
    /// use starttls_protocols::vencrypt::{Server, Subtype};
    ///
    /// let mut server = Server::new([Subtype::X509None]).optional([2]);
    /// let mut plain = Plain::with_prefix(b"RFB 003.008\n\x02");
    /// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
    /// assert_eq!(plain.peek(), [2]);
    /// ```
    #[must_use]
    pub fn optional(mut self, others: impl IntoIterator<Item = u8>) -> Self {
        self.dialogue.messages().others = others.into_iter().collect();
        self
    }

    fn starting(first: Step<Awaited>, subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        let others = Vec::new();
        Self {
            subtypes: subtypes.into_iter().collect(),
            version: None,
            chosen: None,
            dialogue: Dialogue::new(Heard { others }, first),
        }
    }

    /// The subtype that the client has chosen of those offered, once it has.
    pub fn chosen(&self) -> Option<Untrusted<Subtype>> {
        self.chosen.map(Untrusted::new)
    }

    /// The version of RFB, if it was this negotiator that has heard the client's.
    pub fn version(&self) -> Option<Untrusted<Version>> {
        self.version.map(Untrusted::new)
    }

    /// Each of the two lists has one byte for its length.
    fn check(&self) -> Result<(), Error> {
        let others = &self.dialogue.reader().others;
        if self.subtypes.is_empty() || self.subtypes.len() > 255 {
            return Err(Misuse::Configuration("VeNCrypt needs 1 to 255 subtypes").into());
        }
        if others.len() > 254 || others.iter().any(|other| matches!(*other, 0 | VENCRYPT)) {
            return Err(Misuse::Configuration("no list of other security types").into());
        }
        Ok(())
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        self.check()?;
        let others = self.dialogue.reader().others.clone();
        let (subtypes, version, chosen) = (&self.subtypes, &mut self.version, &mut self.chosen);
        self.dialogue.advance(plain, |_, message| match *message {
            Message::Version(spoken) => {
                *version = Some(spoken);
                offer_types(spoken, &others)
            }
            Message::Type(VENCRYPT) => Ok(Step::say([0, 2], Awaited::VencryptVersion)),
            Message::Type(other) => {
                let has_reason = *version == Some(Version::V3_8);
                let words = if has_reason {
                    [&[0, 0, 0, 1], &reason(REQUIRED)[..]].concat()
                } else {
                    Vec::new()
                };
                Ok(Step::fail(words, unexpected(other)))
            }
            Message::VencryptVersion([0, 2]) => Ok(Step::say(list(subtypes), Awaited::Subtype)),
            // "0.0 if for some reason it can't support the protocol"
            Message::VencryptVersion([0, 0]) => Err(Error::Goodbye(Refusal::new(0, b""))),
            // The obsolete 0.1.
            Message::VencryptVersion([_, other]) => Ok(Step::fail([255], refused(other))),
            Message::Subtype(number) => {
                let mut offered = subtypes.iter().copied();
                *chosen = offered.find(|offered| offered.number() == number);
                Ok(match chosen {
                    Some(_) => Step::go_ahead([1]),
                    None => Step::fail([0], unexpected(number)),
                })
            }
        })
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        match error {
            // The subtype is not acknowledged.
            Error::UnreadPlaintext { .. } => vec![0],
            // In place of the list of security types.
            Error::Misbehaved(Misbehaviour::Malformed { .. }) => {
                [&[0], &reason("not a version of RFB")[..]].concat()
            }
            _ => Vec::new(),
        }
    }
}

const REQUIRED: &str = "This server requires VeNCrypt";

fn offer_types(version: Version, others: &[u8]) -> Result<Step<Awaited>, Error> {
    match version {
        Version::V3_3 if others.is_empty() => {
            // The server decides, and 0 with a reason is how it fails.
            let words = [&[0; 4], &reason(REQUIRED)[..]].concat();
            Ok(Step::fail(words, Refusal::new(None, b"").ending()))
        }
        Version::V3_3 => Err(Error::NotRequested),
        Version::V3_7 | Version::V3_8 => {
            let count = u8::try_from(others.len()).unwrap_or_default();
            let types = [&[count.saturating_add(1), VENCRYPT], others].concat();
            Ok(Step::say(types, Awaited::Type))
        }
    }
}

/// The version is accepted, then the list.
fn list(subtypes: &[Subtype]) -> Vec<u8> {
    let mut words = vec![0, u8::try_from(subtypes.len()).unwrap_or_default()];
    for subtype in subtypes {
        words.extend(subtype.number().to_be_bytes());
    }
    words
}

fn reason(words: &str) -> Vec<u8> {
    let length = u32::try_from(words.len()).unwrap_or_default();
    [&length.to_be_bytes(), words.as_bytes()].concat()
}

#[derive(Debug)]
struct Heard {
    /// The security types that are listed behind VeNCrypt.
    others: Vec<u8>,
}

enum Message {
    Version(Version),
    Type(u8),
    VencryptVersion([u8; 2]),
    Subtype(u32),
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
            Awaited::Type => match plain.peek().first() {
                Some(chosen) if self.others.contains(chosen) => return Err(Error::NotRequested),
                _ => take_array(plain).map(|[chosen]| Message::Type(chosen)),
            },
            Awaited::VencryptVersion => take_array(plain).map(Message::VencryptVersion),
            Awaited::Subtype => {
                take_array(plain).map(|number| Message::Subtype(u32::from_be_bytes(number)))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use starttls_core::Boundary;

    use super::*;

    #[test]
    fn both_sides_know_what_was_agreed() {
        let mut server = Server::new([Subtype::X509Plain, Subtype::X509Vnc]);
        let mut plain = Plain::with_prefix(b"RFB 003.007\n\x13\0\x02\0\0\x01\x05");
        assert_eq!(
            server.advance(&mut plain),
            Ok(Progress::Done(Boundary::Exact))
        );
        assert_eq!(server.chosen(), Some(Untrusted::new(Subtype::X509Vnc)));
        assert_eq!(server.version(), Some(Untrusted::new(Version::V3_7)));
    }
}
