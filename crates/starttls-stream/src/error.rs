use std::fmt;
use std::io;
use std::sync::Arc;

use starttls_core::rustls;

/// Why a stream has no TLS, or no longer.
///
/// It can be made an [`io::Error`] and is what the streams' own `io::Error`s are made of: [`Error::from`] takes it out of one again.
///
/// An `io::Error` is made so that those who know nothing of this type find what they look for: a failure of the system has its
/// [`raw_os_error`](io::Error::raw_os_error), and one of TLS holds the `rustls::Error` itself, to be had by `get_ref` and `downcast_ref`.
///
/// ```
/// use std::io;
/// use starttls_stream::{Error, rustls, starttls_core::Error as CoreError};
///
/// let failed = Error::from(CoreError::Tls(rustls::Error::DecryptError));
/// let error = io::Error::from(failed);
/// let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
/// assert_eq!(inner, Some(&rustls::Error::DecryptError));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// What the two sides said to one another led nowhere.
    Protocol(starttls_core::Error),
    /// The transport failed.
    Io(Arc<io::Error>),
    /// The deadline for negotiation and handshake, or the one for closing, has passed.
    #[non_exhaustive]
    Deadline {
        /// What the peer was waited for.
        waiting: Waiting,
        /// The peer has sent something on this connection, be it long ago. If not, it may be that nobody speaks this protocol there.
        heard: bool,
    },
}

/// What a deadline was over when it passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Waiting {
    /// The plaintext dialogue.
    Negotiation,
    /// The TLS handshake.
    Handshake,
    /// Closing: that the peer takes what there is to send, or answers our `close_notify`.
    Close,
}

impl Error {
    /// What was wrong with the dialogue or with TLS, if that is what it was.
    pub fn protocol(&self) -> Option<&starttls_core::Error> {
        match self {
            Self::Protocol(error) => Some(error),
            _ => None,
        }
    }

    /// One word for it, for counters and logs, of a fixed set: `not_offered`, `not_requested`, `refused`, `tunnel_refused`, `goodbye`, `misbehaved`,
    /// `unread_plaintext`, `not_tls`, `tls`, `truncated`, `misuse`, `io`, `deadline`; `other` for what a later version tells apart.
    pub fn reason(&self) -> &'static str {
        use starttls_core::Error as E;
        match self {
            Self::Io(_) => "io",
            Self::Deadline { .. } => "deadline",
            Self::Protocol(E::NotOffered) => "not_offered",
            Self::Protocol(E::NotRequested) => "not_requested",
            Self::Protocol(E::Refused(_)) => "refused",
            Self::Protocol(E::TunnelRefused(_)) => "tunnel_refused",
            Self::Protocol(E::Goodbye(_)) => "goodbye",
            Self::Protocol(E::Misbehaved(_)) => "misbehaved",
            Self::Protocol(E::UnreadPlaintext { .. }) => "unread_plaintext",
            Self::Protocol(E::NotTls { .. }) => "not_tls",
            Self::Protocol(E::Tls(_)) => "tls",
            Self::Protocol(E::Truncated(_)) => "truncated",
            Self::Protocol(E::Misuse(_)) => "misuse",
            Self::Protocol(_) => "other",
        }
    }

    /// The peer's code for its refusal, where it has said one: 454 of SMTP.
    pub fn code(&self) -> Option<u32> {
        use starttls_core::Error as E;
        match self {
            Self::Protocol(E::Refused(said) | E::TunnelRefused(said) | E::Goodbye(said)) => {
                said.code
            }
            _ => None,
        }
    }

    /// The kind that an [`io::Error`] made of this has.
    pub fn kind(&self) -> io::ErrorKind {
        use starttls_core::{Error as E, Misuse};
        match self {
            Self::Io(error) => error.kind(),
            Self::Deadline { .. } => io::ErrorKind::TimedOut,
            Self::Protocol(E::NotOffered | E::NotRequested | E::Refused(_)) => {
                io::ErrorKind::Unsupported
            }
            Self::Protocol(E::TunnelRefused(_)) => io::ErrorKind::ConnectionRefused,
            Self::Protocol(E::Goodbye(_)) => io::ErrorKind::ConnectionAborted,
            Self::Protocol(E::Truncated(_)) => io::ErrorKind::UnexpectedEof,
            Self::Protocol(E::Misuse(Misuse::WriteAfterClose)) => io::ErrorKind::BrokenPipe,
            Self::Protocol(E::Misuse(_)) => io::ErrorKind::InvalidInput,
            Self::Protocol(_) => io::ErrorKind::InvalidData,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
            Self::Deadline { waiting, heard } => f.write_str(match (waiting, heard) {
                (Waiting::Negotiation, true) => "the deadline has passed in the plaintext dialogue",
                (Waiting::Negotiation, false) => {
                    "the deadline has passed and the peer has said nothing at all: \
                     on this port it may expect TLS from the first byte (implicit TLS, as on 465, 993 or 636)"
                }
                (Waiting::Handshake, true) => "the deadline has passed in the TLS handshake",
                (Waiting::Handshake, false) => {
                    "the deadline has passed and the peer has said nothing at all: \
                     on this port it may expect plaintext first (STARTTLS, as on 587, 143 or 389)"
                }
                (Waiting::Close, _) => "the deadline has passed in closing",
            }),
        }
    }
}

/// The text says everything, also of the cause: printing a chain prints nothing twice.
impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Protocol(_) | Self::Deadline { .. } => None,
        }
    }
}

/// So that whatever takes an error of the core takes one of a stream, such as `diagnose` of `starttls-protocols`.
impl<'a> TryFrom<&'a Error> for &'a starttls_core::Error {
    /// Why there is none in it: it is this.
    type Error = &'a Error;

    fn try_from(error: &'a Error) -> Result<Self, &'a Error> {
        error.protocol().ok_or(error)
    }
}

impl From<starttls_core::Error> for Error {
    fn from(error: starttls_core::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match &error {
            Error::Protocol(starttls_core::Error::Tls(tls)) => Self::new(error.kind(), tls.clone()),
            Error::Io(failure) => match failure.raw_os_error() {
                Some(code) => Self::from_raw_os_error(code),
                None => Self::new(error.kind(), error),
            },
            _ => Self::new(error.kind(), error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref();
        if let Some(ours) = inner.and_then(|inner| inner.downcast_ref::<Self>()) {
            ours.clone()
        } else if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            starttls_core::Error::Tls(tls.clone()).into()
        } else {
            Self::Io(Arc::new(error))
        }
    }
}
