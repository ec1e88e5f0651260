use std::fmt;

use crate::UntrustedText;

/// Why there is no TLS, sorted by who is to blame.
///
/// Errors are final: whoever returned one returns an equal one from then on. The peer's own words are never part of the text
/// made by `Display`; they are [`UntrustedText`] in the variants.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The peer speaks the protocol and does not offer TLS here. It may also be that somebody on the path took the offer out.
    NotOffered,
    /// The client goes on in plaintext: it was offered TLS and did not ask for it, where the server does not demand it. What it said instead
    /// is unread, and the connection stands in front of it.
    NotRequested,
    /// The peer was asked and said no.
    Refused(Refusal),
    /// The way to the peer was not made: a proxy was asked for a tunnel and said no. The proxy is not the peer, so that nothing is known of the
    /// peer, and what was meant for it must not be said here.
    TunnelRefused(Refusal),
    /// The peer ended the dialogue by the protocol's own means: `421`, `BYE`, `QUIT`, a stream error, a notice of disconnection.
    Goodbye(Refusal),
    /// The peer broke the protocol of the plaintext dialogue.
    Misbehaved(Misbehaviour),
    /// Plaintext was left where TLS must begin: an injection, or a peer that does not wait for its turn. Not one of these
    /// bytes is ever read as something that came through TLS.
    UnreadPlaintext {
        /// How many bytes.
        count: usize,
        /// The first of them.
        sample: UntrustedText,
    },
    /// Where the handshake should begin, the peer sent something that is not TLS: it may not have switched, or speak
    /// plaintext only on this port.
    NotTls {
        /// The first bytes it sent instead.
        sample: UntrustedText,
    },
    /// TLS itself failed; the alert that says so to the peer was handed out before this error.
    Tls(rustls::Error),
    /// The connection ended in the middle.
    Truncated(Stage),
    /// The caller did what cannot be done.
    Misuse(Misuse),
}

impl Error {
    /// True when nothing has gone wrong but that the peer does not want TLS, and the protocol lets the connection go on without: it did not
    /// offer TLS, it did not ask for it, or it refused in words behind which the next message may come ([`Refusal::ends_connection`]).
    pub fn is_declined(&self) -> bool {
        match self {
            Self::NotOffered | Self::NotRequested => true,
            Self::Refused(refusal) => !refusal.ends_connection,
            _ => false,
        }
    }

    /// What a negotiator makes of a decline that is not the peer's, but that of a proxy on the way to it.
    #[must_use]
    pub fn of_tunnel(self) -> Self {
        match self {
            Self::NotOffered => Self::TunnelRefused(Refusal::new(None, b"")),
            Self::Refused(refusal) => Self::TunnelRefused(refusal),
            other => other,
        }
    }

    pub(crate) fn unread(bytes: &[u8]) -> Self {
        Self::UnreadPlaintext {
            count: bytes.len(),
            sample: UntrustedText::new(bytes),
        }
    }
}

/// A refusal in the peer's own terms.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The protocol's numeric code, where it has one: 454 of SMTP, resultCode 2 of LDAP.
    pub code: Option<u32>,
    /// The protocol's code where it is not a number: the SQLSTATE of PostgreSQL and MySQL, five letters and digits.
    pub state: Option<UntrustedText>,
    /// The peer's words.
    pub text: UntrustedText,
    /// By the protocol, the peer closes the connection after these words: there is no way on in plaintext either.
    pub ends_connection: bool,
}

impl Refusal {
    /// A refusal with the protocol's code, if it has codes, and what the peer said. The connection may go on.
    pub fn new(code: impl Into<Option<u32>>, text: &[u8]) -> Self {
        Self {
            code: code.into(),
            state: None,
            text: UntrustedText::new(text),
            ends_connection: false,
        }
    }

    /// The same with a code that is not a number.
    #[must_use]
    pub fn state(mut self, state: &[u8]) -> Self {
        self.state = Some(UntrustedText::new(state));
        self
    }

    /// The same of a peer that closes after it.
    #[must_use]
    pub fn ending(mut self) -> Self {
        self.ends_connection = true;
        self
    }
}

/// What the peer did wrong, as far as TLS itself is not concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// It said something that has no place here: a code, a tag or a message other than the ones the protocol allows.
    Unexpected(Refusal),
    /// It said something that cannot be parsed.
    Malformed {
        /// What was being parsed.
        what: &'static str,
        /// What it said.
        sample: UntrustedText,
    },
    /// It said more than is ever needed.
    TooLong {
        /// What there was too much of: `line`, `lines`, `negotiation`, `handshake`, ...
        what: &'static str,
        /// The most that is taken, in bytes or in the items named by `what`.
        limit: usize,
    },
    /// It is authenticated already, where a switch is no longer allowed (IMAP `PREAUTH`): an attack.
    AlreadyAuthenticated,
    /// It began with TLS: on this port TLS is implicit, or the client did not wait.
    TlsTooEarly,
    /// It said a second time that TLS should begin, or when it had begun.
    AlreadyTls,
    /// It went on in plaintext without having ended TLS by `close_notify`, after we had ended our side.
    PlaintextInTls {
        /// What it said.
        sample: UntrustedText,
    },
}

/// How far the connection had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// In the plaintext dialogue.
    Negotiation,
    /// After it, before the handshake was complete.
    Handshake,
    /// In the traffic, without a `close_notify`: what came before is authentic, but there may have been more.
    Traffic,
}

/// What the caller did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misuse {
    /// Data written after `close`.
    WriteAfterClose,
    /// `stop_tls` before both sides have sent `close_notify` and everything before it was read.
    NotClosed,
    /// More plaintext was queued at once than is ever held back for sending.
    OutputFull,
    /// A stream was used whose upgrade was dropped half-done.
    HalfUpgraded,
    /// A machine was asked again after it had given its result away.
    Finished,
    /// Early data (0-RTT, RFC 8446 section 2.3): a client's connection into which some was written, or a server's whose configuration takes
    /// it (`max_early_data_size` above 0). It can be replayed and is no part of the stream.
    EarlyData,
    /// A rustls connection that has shaken hands before it was handed over: what it has received is not known here.
    UsedConnection,
    /// The caller's [`Negotiator`](crate::Negotiator) refused to start as it was configured; what it names.
    Configuration(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => f.write_str("the peer does not offer TLS"),
            Self::NotRequested => f.write_str("the peer did not ask for TLS"),
            Self::Refused(refusal) => write!(f, "the peer refused TLS{}", Code(refusal.code)),
            Self::TunnelRefused(refusal) => {
                write!(f, "the proxy did not make the tunnel{}", Code(refusal.code))
            }
            Self::Goodbye(said) => write!(f, "the peer ended the dialogue{}", Code(said.code)),
            Self::Misbehaved(what) => write!(f, "the peer broke the protocol: {what}"),
            Self::UnreadPlaintext { count, .. } => {
                write!(
                    f,
                    "{count} bytes of plaintext were left where TLS must begin"
                )
            }
            Self::NotTls { .. } => f.write_str(
                "the peer sent something that is not TLS where the handshake should begin",
            ),
            Self::Tls(error) => write!(f, "TLS failed: {error}"),
            Self::Truncated(Stage::Negotiation) => {
                f.write_str("the connection ended in the plaintext negotiation")
            }
            Self::Truncated(Stage::Handshake) => {
                f.write_str("the connection ended in the TLS handshake")
            }
            Self::Truncated(Stage::Traffic) => {
                f.write_str("the connection ended without close_notify")
            }
            Self::Misuse(what) => write!(f, "misuse: {what}"),
        }
    }
}

struct Code(Option<u32>);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |code| write!(f, " (code {code})"))
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unexpected(said) => {
                write!(f, "an answer that has no place here{}", Code(said.code))
            }
            Self::Malformed { what, .. } => write!(f, "a malformed {what}"),
            Self::TooLong { what, limit } => write!(f, "{what} over the limit of {limit}"),
            Self::AlreadyAuthenticated => f.write_str("authenticated before TLS"),
            Self::TlsTooEarly => f.write_str("TLS without negotiation"),
            Self::AlreadyTls => f.write_str("TLS was asked for twice"),
            Self::PlaintextInTls { .. } => f.write_str("plaintext without close_notify before it"),
        }
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteAfterClose => f.write_str("data written after close"),
            Self::NotClosed => f.write_str("TLS stopped before both sides have closed it"),
            Self::OutputFull => f.write_str("more plaintext than can be queued"),
            Self::HalfUpgraded => f.write_str("the upgrade of this stream was abandoned half-done"),
            Self::Finished => f.write_str("the result was given away before"),
            Self::EarlyData => f.write_str("early data (0-RTT) has no place here"),
            Self::UsedConnection => f.write_str("a connection that has shaken hands already"),
            Self::Configuration(what) => write!(f, "this negotiation cannot be: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tls(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Misbehaviour> for Error {
    fn from(what: Misbehaviour) -> Self {
        Self::Misbehaved(what)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Misuse> for Error {
    fn from(what: Misuse) -> Self {
        Self::Misuse(what)
    }
}
