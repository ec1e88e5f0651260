use std::fmt;
use std::io;
use std::sync::Arc;

/// Why a stream has no TLS, or no longer.
///
/// It can be made an [`io::Error`] and is what the streams' own `io::Error`s are made of: [`Error::from`] takes it out of one again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// What the two sides said to one another led nowhere.
    Protocol(starttls_core::Error),
    /// The transport failed.
    Io(Arc<io::Error>),
    /// The deadline for negotiation and handshake, or the one for closing, has passed.
    Deadline,
}

impl Error {
    /// What was wrong with the dialogue or with TLS, if that is what it was.
    pub fn protocol(&self) -> Option<&starttls_core::Error> {
        match self {
            Self::Protocol(error) => Some(error),
            _ => None,
        }
    }

    /// The kind that an [`io::Error`] made of this has.
    pub fn kind(&self) -> io::ErrorKind {
        use starttls_core::{Error as E, Misuse};
        match self {
            Self::Io(error) => error.kind(),
            Self::Deadline => io::ErrorKind::TimedOut,
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
            Self::Deadline => f.write_str("the deadline has passed"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Protocol(error) => error.source(),
            Self::Io(error) => error.source(),
            Self::Deadline => None,
        }
    }
}

impl From<starttls_core::Error> for Error {
    fn from(error: starttls_core::Error) -> Self {
        Self::Protocol(error)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Self>())
        {
            Some(ours) => ours.clone(),
            None => Self::Io(Arc::new(error)),
        }
    }
}
