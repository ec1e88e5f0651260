use starttls_core::rustls::ServerConnection;
use starttls_core::{Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, Refusal};

use super::{Subtype, VENCRYPT, Version, unexpected, version, version_message};
use crate::read::fields::{Fields, take};
use crate::read::misbehaviour::malformed;

/// The server's part: VeNCrypt 0.2 as the only security type.
#[derive(Debug)]
pub struct Server {
    subtypes: Vec<Subtype>,
    version: Option<Version>,
    chosen: Option<Subtype>,
    state: ServerState,
}

#[derive(Debug, Clone, Copy)]
enum ServerState {
    Start,
    Version,
    Type,
    GoAhead,
    ClientVersion,
    Subtype,
}

impl Server {
    /// RFB from the first byte on, with the subtypes that are offered, the best first.
    pub fn new(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(ServerState::Start, subtypes)
    }

    /// The caller has just consumed the client's choice of security type 19: versions and subtypes of VeNCrypt are left.
    pub fn at_command(subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self::starting(ServerState::GoAhead, subtypes)
    }

    fn starting(state: ServerState, subtypes: impl IntoIterator<Item = Subtype>) -> Self {
        Self {
            subtypes: subtypes.into_iter().collect(),
            version: None,
            chosen: None,
            state,
        }
    }

    /// The subtype that the client has chosen, once it has.
    pub fn chosen(&self) -> Option<Subtype> {
        self.chosen
    }

    /// The version of RFB, if it was this negotiator that has agreed upon it.
    pub fn version(&self) -> Option<Version> {
        self.version
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        // The list has one byte for its length.
        if self.subtypes.is_empty() || self.subtypes.len() > 255 {
            return Err(Misuse::Configuration("VeNCrypt needs 1 to 255 subtypes").into());
        }
        loop {
            let known = match self.state {
                ServerState::Start => {
                    plain.write_all(b"RFB 003.008\n")?;
                    Some(ServerState::Version)
                }
                ServerState::Version => self.client_version(plain)?,
                ServerState::Type => match take(plain, 1).as_deref() {
                    None => None,
                    Some([VENCRYPT]) => Some(ServerState::GoAhead),
                    Some(other) => {
                        if self.version == Some(Version::V3_8) {
                            plain.write_all(&[0, 0, 0, 1])?;
                            write_reason(plain)?;
                        }
                        return Err(unexpected(other.first().copied()));
                    }
                },
                ServerState::GoAhead => {
                    plain.write_all(&[0, 2])?;
                    Some(ServerState::ClientVersion)
                }
                ServerState::ClientVersion => match take(plain, 2).as_deref() {
                    None => None,
                    Some([0, 2]) => {
                        self.offer_subtypes(plain)?;
                        Some(ServerState::Subtype)
                    }
                    // "0.0 if for some reason it can't support the protocol"
                    Some([0, 0]) => return Err(Error::Goodbye(Refusal::new(0, b""))),
                    Some(other) => {
                        plain.write_all(&[255])?;
                        return Err(unexpected(other.last().copied()));
                    }
                },
                ServerState::Subtype => match take(plain, 4)
                    .and_then(|choice| Fields::new(&choice).u32())
                {
                    None => None,
                    Some(number) => {
                        self.chosen = self
                            .subtypes
                            .iter()
                            .copied()
                            .find(|offered| offered.number() == number);
                        if self.chosen.is_none() {
                            plain.write_all(&[0])?;
                            return Err(Misbehaviour::Unexpected(Refusal::new(number, b"")).into());
                        }
                        plain.write_all(&[1])?;
                        return Ok(Progress::Done(Boundary::Exact));
                    }
                },
            };
            match known {
                Some(state) => self.state = state,
                None => return Ok(Progress::NeedInput),
            }
        }
    }
}

impl Server {
    fn client_version(&mut self, plain: &mut Plain) -> Result<Option<ServerState>, Error> {
        let Some(message) = version_message(plain)? else {
            return Ok(None);
        };
        match version(&message) {
            Some(Ok(version)) => {
                self.version = Some(version);
                plain.write_all(&[1, VENCRYPT])?;
                Ok(Some(ServerState::Type))
            }
            Some(Err(())) => {
                // In 3.3 the server decides, and 0 with a reason is how it fails.
                plain.write_all(&[0, 0, 0, 0])?;
                write_reason(plain)?;
                Err(Error::NotOffered)
            }
            None => Err(malformed("RFB version", &message)),
        }
    }

    fn offer_subtypes(&self, plain: &mut Plain) -> Result<(), Error> {
        // The version is accepted, then the list.
        plain.write_all(&[0, u8::try_from(self.subtypes.len()).unwrap_or_default()])?;
        for subtype in &self.subtypes {
            plain.write_all(&subtype.number().to_be_bytes())?;
        }
        Ok(())
    }
}

fn write_reason(plain: &mut Plain) -> Result<(), Error> {
    let reason = b"This server requires VeNCrypt";
    plain.write_all(
        &u32::try_from(reason.len())
            .unwrap_or_default()
            .to_be_bytes(),
    )?;
    plain.write_all(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_know_what_was_agreed() {
        let mut server = Server::new([Subtype::X509Plain, Subtype::X509Vnc]);
        let mut plain = Plain::with_prefix(b"RFB 003.007\n\x13\0\x02\0\0\x01\x05");
        assert_eq!(
            server.advance(&mut plain),
            Ok(Progress::Done(Boundary::Exact))
        );
        assert_eq!(server.chosen(), Some(Subtype::X509Vnc));
        assert_eq!(server.version(), Some(Version::V3_7));
    }
}
