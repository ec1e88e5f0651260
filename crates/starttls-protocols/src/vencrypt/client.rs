use starttls_core::rustls::ClientConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, Refusal};

use super::{Impossible, Subtype, VENCRYPT, Version, unexpected, version, version_message};
use crate::read::fields::{Fields, take};
use crate::read::misbehaviour::{malformed, too_long};

/// The security type TLS: an anonymous key exchange.
const ANONYMOUS_TLS: u8 = 18;
/// The longest reason for a failure that is read. The protocol has no limit; a sentence is enough.
const MAX_REASON: usize = 4 * 1024;

/// The client's part: versions, security type, subtype.
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
    subtypes: Vec<Subtype>,
    version: Option<Version>,
    chosen: Option<Subtype>,
    impossible: Option<Impossible>,
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Version,
    Types,
    Command,
    ServerVersion,
    VersionAnswer,
    Subtypes,
    SubtypeAnswer,
}

impl Client {
    /// RFB from the first byte on, with the subtypes that are wanted, the best first.
    pub fn new(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(ClientState::Version, subtypes)
    }

    /// The caller has consumed the server's list of security types, 19 among them, and has not answered it.
    pub fn at_command(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(ClientState::Command, subtypes)
    }

    fn starting(state: ClientState, subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self {
            subtypes: subtypes.into_iter().collect(),
            version: None,
            chosen: None,
            impossible: None,
            state,
        }
    }

    /// The subtype that was agreed upon, once there is one.
    pub fn chosen(&self) -> Option<Subtype> {
        self.chosen
    }

    /// The version of RFB, if it was this negotiator that has agreed upon it.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    /// When the error is [`Error::NotOffered`]: the first thing that the server offers instead and that cannot be, if any.
    pub fn impossible(&self) -> Option<Impossible> {
        self.impossible
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if self.subtypes.is_empty() {
            return Err(Misuse::Configuration("no VeNCrypt subtype is wanted").into());
        }
        loop {
            let known = match self.state {
                ClientState::Version => self.server_version(plain)?,
                ClientState::Types => self.security_types(plain)?,
                ClientState::Command => {
                    plain.write_all(&[VENCRYPT])?;
                    Some(ClientState::ServerVersion)
                }
                ClientState::ServerVersion => match take(plain, 2).as_deref() {
                    None => None,
                    Some([0, 0..=1]) => return Err(Error::NotOffered),
                    Some(_) => {
                        plain.write_all(&[0, 2])?;
                        Some(ClientState::VersionAnswer)
                    }
                },
                ClientState::VersionAnswer => match take(plain, 1).as_deref() {
                    None => None,
                    Some([0]) => Some(ClientState::Subtypes),
                    Some(other) => return Err(refused(other)),
                },
                ClientState::Subtypes => self.server_subtypes(plain)?,
                ClientState::SubtypeAnswer => match take(plain, 1).as_deref() {
                    None => None,
                    Some([1]) => return Ok(Progress::Done(Boundary::Exact)),
                    Some([0]) => return Err(refused(&[0])),
                    Some(other) => return Err(unexpected(other.first().copied())),
                },
            };
            match known {
                Some(state) => self.state = state,
                None => return Ok(Progress::NeedInput),
            }
        }
    }
}

impl Client {
    fn server_version(&mut self, plain: &mut Plain) -> Result<Option<ClientState>, Error> {
        let Some(message) = version_message(plain)? else {
            return Ok(None);
        };
        match version(&message) {
            Some(Ok(version)) => {
                self.version = Some(version);
                plain.write_all(match version {
                    Version::V3_7 => b"RFB 003.007\n",
                    Version::V3_8 => b"RFB 003.008\n",
                })?;
                Ok(Some(ClientState::Types))
            }
            Some(Err(())) => Err(Error::NotOffered),
            None => Err(malformed("RFB version", &message)),
        }
    }

    fn security_types(&mut self, plain: &mut Plain) -> Result<Option<ClientState>, Error> {
        let Some(types) = list(plain, 1) else {
            return Ok(None);
        };
        if types.is_empty() {
            // "for some reason the connection failed ... followed by a string describing the reason"
            return match reason(plain)? {
                Some(words) => Err(Error::Goodbye(Refusal::new(None, &words))),
                None => Ok(None),
            };
        }
        plain.consume(types.len().saturating_add(1));
        if types.contains(&VENCRYPT) {
            return Ok(Some(ClientState::Command));
        }
        if types.contains(&ANONYMOUS_TLS) {
            self.impossible = Some(Impossible::Anonymous(u32::from(ANONYMOUS_TLS)));
        }
        Err(Error::NotOffered)
    }

    fn server_subtypes(&mut self, plain: &mut Plain) -> Result<Option<ClientState>, Error> {
        let Some(offered) = list(plain, 4) else {
            return Ok(None);
        };
        plain.consume(offered.len().saturating_add(1));
        let mut fields = Fields::new(&offered);
        let offered: Vec<_> = std::iter::from_fn(|| fields.u32())
            .map(Subtype::try_from)
            .collect();
        let Some(chosen) = self
            .subtypes
            .iter()
            .find(|wanted| offered.contains(&Ok(**wanted)))
        else {
            self.impossible = offered.into_iter().find_map(Result::err);
            return Err(Error::NotOffered);
        };
        self.chosen = Some(*chosen);
        plain.write_all(&chosen.number().to_be_bytes())?;
        Ok(Some(ClientState::SubtypeAnswer))
    }
}

/// A list with a byte that says how many items it has, without that byte and not consumed; `None` if it is not complete.
fn list(plain: &Plain, item: usize) -> Option<Vec<u8>> {
    let mut fields = Fields::new(plain.peek());
    let count = usize::from(fields.u8()?);
    fields.bytes(count.saturating_mul(item)).map(<[u8]>::to_vec)
}

/// The reason behind an empty list of security types; `None` if it is not complete.
fn reason(plain: &Plain) -> Result<Option<Vec<u8>>, Error> {
    let mut fields = Fields::new(plain.peek());
    let (Some(_count), Some(length)) = (fields.u8(), fields.u32()) else {
        return Ok(None);
    };
    match usize::try_from(length) {
        Ok(length) if length <= MAX_REASON => Ok(fields.bytes(length).map(<[u8]>::to_vec)),
        _ => Err(too_long("reason", MAX_REASON)),
    }
}

/// A status byte that means no.
fn refused(status: &[u8]) -> Error {
    Refusal::new(status.first().copied().map(u32::from), b"").into()
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
    }
}
