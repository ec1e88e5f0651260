//! The two modes mixed up: plaintext where TLS is expected, TLS where plaintext is.

use std::fmt;

use starttls_core::{Error, Misbehaviour};

use crate::registry::{Protocol, Role};

mod recognise;
pub use recognise::{Spoken, recognise};

/// What an error shows about the peer, if it shows something.
///
/// - [`Error::NotTls`], where the peer's first bytes are those of a known protocol: it speaks plaintext where TLS should begin.
/// - [`Misbehaviour::TlsTooEarly`], and [`Error::UnreadPlaintext`] where that is the beginning of TLS: the two modes, the other way round.
/// - A greeting, a command or a message that was malformed or unexpected, and is that of another known protocol.
/// - [`Error::Goodbye`] and [`Error::TunnelRefused`]: the peer, or a proxy, said no, and neither the port nor TLS is the matter.
///
/// A client that waits for a greeting on a port with implicit TLS hears nothing at all, since there
/// the server waits as well: that is a deadline, and no proof of anything.
///
/// The errors of the streams have this error inside: their method `protocol()` hands it out, and an `io::Error` of theirs is one of them again by
/// `From`.
///
/// ```
/// use starttls_core::{Error, UntrustedText};
/// use starttls_protocols::diagnose::diagnose;
///
/// let error = Error::NotTls { sample: UntrustedText::new(b"220 mail.example.org ESMTP\r\n") };
/// assert_eq!(
///     diagnose(&error).unwrap().to_string(),
///     "the peer speaks SMTP in plaintext: this port wants STARTTLS (with TLS from the first byte, 465 is usual)",
/// );
/// ```
///
/// It takes the errors of the streams as they are: whatever a core [`Error`] can be found in by `TryInto`.
pub fn diagnose<'a, E: ?Sized>(error: &'a E) -> Option<Diagnosis>
where
    &'a E: TryInto<&'a Error>,
{
    let found = match error.try_into().ok()? {
        Error::NotTls { sample } => Found::Plaintext(recognise(sample.as_bytes())?),
        Error::Misbehaved(Misbehaviour::TlsTooEarly) => Found::Tls,
        Error::UnreadPlaintext { sample, .. } if is_tls(sample.as_bytes()) => Found::Tls,
        Error::Misbehaved(Misbehaviour::Malformed { sample, .. }) => {
            Found::Other(recognise(sample.as_bytes())?)
        }
        Error::Misbehaved(Misbehaviour::Unexpected(said)) => {
            Found::Other(recognise(said.text.as_bytes())?)
        }
        Error::Goodbye(_) => Found::Goodbye,
        Error::TunnelRefused(_) => Found::NoTunnel,
        _ => return None,
    };
    Some(Diagnosis {
        found,
        role: None,
        wanted: None,
    })
}

/// The beginning of a TLS record with a handshake message or an alert in it.
fn is_tls(sample: &[u8]) -> bool {
    matches!(sample, [0x15 | 0x16, 3, ..])
}

/// What was found, and what the caller was about to do. `Display` says it as advice to people; no word of the peer is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// What the peer did.
    pub found: Found,
    /// Our side of the connection, if it was said.
    pub role: Option<Role>,
    /// The protocol that was to be spoken, if it was said.
    pub wanted: Option<Protocol>,
}

/// What the peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// It spoke plaintext where TLS should begin: one of these.
    Plaintext(&'static [Spoken]),
    /// It began with TLS where plaintext should have come first.
    Tls,
    /// It spoke plaintext where plaintext should come, but another protocol: one of these.
    Other(&'static [Spoken]),
    /// It ended the dialogue by the protocol's own means.
    Goodbye,
    /// It is a proxy, and did not make the tunnel.
    NoTunnel,
}

impl Diagnosis {
    /// Says which side we are, for clearer advice.
    #[must_use]
    pub fn role(self, role: Role) -> Self {
        Self {
            role: Some(role),
            ..self
        }
    }

    /// Says what was to be spoken, for the port of its implicit TLS.
    #[must_use]
    pub fn wanted(self, protocol: Protocol) -> Self {
        Self {
            wanted: Some(protocol),
            ..self
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.found, self.role) {
            (Found::Plaintext(spoken), role) => plaintext(spoken, role, f),
            (Found::Other(spoken), _) => self.other(spoken, f),
            (Found::Goodbye, Some(Role::Server)) => f.write_str("the client left: nothing is wrong with the port"),
            (Found::Goodbye, _) => f.write_str(
                "the peer speaks the protocol and does not want this connection now: neither the port nor TLS is the matter",
            ),
            (Found::NoTunnel, _) => f.write_str(
                "a proxy said no before anything reached the server: nothing is known of the server",
            ),
            (Found::Tls, Some(Role::Client)) => {
                f.write_str(
                    "the server speaks TLS from the first byte: this port is implicit TLS",
                )?;
                self.usual_port(f)
            }
            (Found::Tls, Some(Role::Server)) => {
                f.write_str("the client began with TLS: it did not wait for the go-ahead, or it takes this port for implicit TLS")?;
                self.usual_port(f)
            }
            (Found::Tls, None) => {
                f.write_str("the peer began with TLS: the server's port is implicit TLS, or the client did not wait for the go-ahead")?;
                self.usual_port(f)
            }
        }
    }
}

impl Diagnosis {
    fn other(&self, spoken: &[Spoken], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_wanted = |one: &Spoken| matches!((one, self.wanted), (Spoken::Upgradable(is), Some(wanted)) if *is == wanted);
        if spoken.iter().any(is_wanted) {
            return f.write_str("the peer speaks the protocol that was wanted, and breaks it");
        }
        f.write_str("the peer speaks ")?;
        names(spoken, f)?;
        match self.wanted {
            Some(wanted) => write!(f, " on this port, and not {}", wanted.facts().title),
            None => f.write_str(" on this port"),
        }
    }

    fn usual_port(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.wanted.map(Protocol::facts);
        let Some((facts, implicit)) =
            facts.and_then(|facts| Some((facts, facts.implicit_tls_port?)))
        else {
            return Ok(());
        };
        write!(f, " ({} has {implicit} for that", facts.title)?;
        if let Some(port) = facts.port {
            write!(f, ", and {port} for {}", facts.upgrade)?;
        }
        f.write_str(")")
    }
}

fn names(spoken: &[Spoken], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, one) in spoken.iter().enumerate() {
        write!(f, "{}{}", if index == 0 { "" } else { " or " }, one.title())?;
    }
    Ok(())
}

fn plaintext(spoken: &[Spoken], role: Option<Role>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("the peer speaks ")?;
    names(spoken, f)?;
    f.write_str(" in plaintext: ")?;
    let upgradable: Vec<_> = spoken
        .iter()
        .filter_map(|one| match one {
            Spoken::Upgradable(protocol) => Some(protocol.facts()),
            _ => None,
        })
        .collect();
    match (&upgradable[..], role) {
        ([], Some(Role::Server)) => f.write_str("it takes this port for one without TLS"),
        ([], _) => f.write_str("this is no port with TLS"),
        ([only, ..], Some(Role::Server)) => {
            write!(f, "it takes this port for one with {}", only.upgrade)
        }
        (several, _) => {
            f.write_str("this port wants ")?;
            let mut names: Vec<_> = several.iter().map(|facts| facts.upgrade).collect();
            names.dedup();
            f.write_str(&names.join(" or "))?;
            let ports: Vec<_> = several
                .iter()
                .filter_map(|facts| facts.implicit_tls_port)
                .map(|port| port.to_string())
                .collect();
            match &ports[..] {
                [] => Ok(()),
                [one] => write!(f, " (with TLS from the first byte, {one} is usual)"),
                several => write!(
                    f,
                    " (with TLS from the first byte, {} are usual)",
                    several.join(" and ")
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use starttls_core::{Refusal, UntrustedText};

    #[test]
    fn the_advice_names_upgrade_and_ports() {
        let advice = |sample: &[u8]| {
            let sample = UntrustedText::new(sample);
            diagnose(&Error::NotTls { sample }).unwrap()
        };
        assert_eq!(
            advice(b"220 ready\r\n").to_string(),
            "the peer speaks SMTP or FTP in plaintext: this port wants STARTTLS or AUTH TLS \
             (with TLS from the first byte, 465 and 990 are usual)"
        );
        assert_eq!(
            advice(b"SSH-2.0-x").to_string(),
            "the peer speaks SSH in plaintext: this is no port with TLS"
        );
        assert_eq!(
            advice(b"PROXY TCP4 ").role(Role::Server).to_string(),
            "the peer speaks PROXY protocol 1 in plaintext: it takes this port for one with PROXY header"
        );
        let tls = diagnose(&Misbehaviour::TlsTooEarly.into()).unwrap();
        assert_eq!(tls.found, Found::Tls);
        assert_eq!(
            tls.role(Role::Client).wanted(Protocol::Imap).to_string(),
            "the server speaks TLS from the first byte: this port is implicit TLS \
             (IMAP has 993 for that, and 143 for STARTTLS)"
        );
        assert_eq!(
            tls.role(Role::Server).wanted(Protocol::Rpc).to_string(),
            "the client began with TLS: it did not wait for the go-ahead, or it takes this port for implicit TLS"
        );
    }

    #[test]
    fn another_protocol_on_the_port_is_named() {
        let sample = UntrustedText::new(b"220 mail.example.org ESMTP");
        let malformed = Misbehaviour::Malformed {
            what: "greeting",
            sample,
        };
        let advice = diagnose(&malformed.into()).unwrap();
        assert_eq!(advice.to_string(), "the peer speaks SMTP on this port");
        assert_eq!(
            advice.wanted(Protocol::Imap).to_string(),
            "the peer speaks SMTP on this port, and not IMAP"
        );
        assert_eq!(
            advice.wanted(Protocol::Smtp).to_string(),
            "the peer speaks the protocol that was wanted, and breaks it"
        );
        let unexpected = Misbehaviour::Unexpected(Refusal::new(405, b"GET / HTTP/1.1"));
        let found = diagnose(&unexpected.into()).map(|advice| advice.found);
        assert_eq!(found, Some(Found::Other(&[Spoken::Http])));
    }

    #[test]
    fn a_hello_that_did_not_wait_is_tls_and_other_bytes_are_not() {
        let unread = |sample: &[u8]| {
            let sample = UntrustedText::new(sample);
            diagnose(&Error::UnreadPlaintext { count: 9, sample }).map(|advice| advice.found)
        };
        assert_eq!(unread(b"\x16\x03\x01\x02\x00"), Some(Found::Tls));
        assert_eq!(unread(b"MAIL FROM:<a>"), None);
    }

    #[test]
    fn who_says_no_is_no_wrong_port() {
        let said = || Refusal::new(421, b"too many connections");
        let advice = |error: Error| diagnose(&error).unwrap().to_string();
        assert!(advice(Error::Goodbye(said())).contains("neither the port nor TLS"));
        let proxy = advice(Error::TunnelRefused(said()));
        assert!(proxy.contains("proxy") && !proxy.contains("421"), "{proxy}");
    }
}
