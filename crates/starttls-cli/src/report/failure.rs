//! Why there is no TLS.

use std::fmt;
use std::io;

use starttls_tokio::Error;
use starttls_tokio::rustls;
use starttls_tokio::starttls_core::{Error as CoreError, Misuse, Refusal, Stage as CoreStage};

use crate::report::Outcome;

/// How far an attempt had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Connecting,
    Proxy,
    Negotiation,
    Handshake,
    /// Behind the handshake.
    Traffic,
}

/// Why there is no TLS. `Display` has no word of the peer's.
#[derive(Debug)]
pub(crate) enum Failure {
    Usage(String),
    /// The transport failed, in this stage.
    Io(Stage, io::Error),
    /// The two sides did not come to TLS, in this stage.
    Protocol(Stage, CoreError),
    Timeout(Stage),
    /// The server behind us was not reached, or has broken its protocol.
    Backend(String),
}

impl Failure {
    pub(crate) fn of(stage: Stage, error: Error) -> Self {
        match error {
            Error::Protocol(error) => Self::Protocol(stage, error),
            Error::Deadline { .. } => Self::Timeout(stage),
            other => Self::Io(stage, other.into()),
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Usage(_) => Outcome::Usage,
            Self::Timeout(_) => Outcome::Timeout,
            // A server that resets the connection instead of closing it has still left the dialogue.
            Self::Io(Stage::Negotiation, _) => Outcome::Negotiation,
            Self::Io(Stage::Handshake, _) => Outcome::Handshake,
            Self::Io(Stage::Connecting | Stage::Proxy | Stage::Traffic, _) | Self::Backend(_) => {
                Outcome::Network
            }
            Self::Protocol(_, CoreError::Misuse(Misuse::Configuration(_))) => Outcome::Usage,
            // The server is at the other end of the tunnel, and was not reached.
            Self::Protocol(Stage::Connecting | Stage::Proxy, _) => Outcome::Network,
            Self::Protocol(stage, error) => by_error(*stage, error),
        }
    }

    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        use starttls_tokio::starttls_core::Misbehaviour::Unexpected;
        match self {
            Self::Protocol(
                _,
                CoreError::Refused(refusal)
                | CoreError::TunnelRefused(refusal)
                | CoreError::Goodbye(refusal)
                | CoreError::Misbehaved(Unexpected(refusal)),
            ) => Some(refusal),
            _ => None,
        }
    }

    /// What was there instead of TLS, escaped.
    pub(crate) fn injected(&self) -> Option<String> {
        match self {
            Self::Protocol(
                _,
                CoreError::UnreadPlaintext { sample, .. } | CoreError::NotTls { sample },
            ) => Some(sample.escaped()),
            _ => None,
        }
    }
}

fn by_error(stage: Stage, error: &CoreError) -> Outcome {
    use rustls::Error::{InvalidCertificate, NoCertificatesPresented};
    match error {
        CoreError::NotOffered => Outcome::NotOffered,
        CoreError::Refused(_) | CoreError::Goodbye(_) => Outcome::Refused,
        CoreError::TunnelRefused(_) => Outcome::Network,
        // The same bytes are the one or the other depending on when they arrive.
        CoreError::UnreadPlaintext { .. } | CoreError::NotTls { .. } => Outcome::Injection,
        CoreError::Tls(InvalidCertificate(_) | NoCertificatesPresented) => Outcome::Certificate,
        CoreError::Tls(_) | CoreError::Truncated(CoreStage::Handshake | CoreStage::Traffic) => {
            Outcome::Handshake
        }
        _ if stage == Stage::Handshake => Outcome::Handshake,
        _ => Outcome::Negotiation,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => f.write_str(what),
            Self::Io(Stage::Connecting, error) => write!(f, "cannot connect: {error}"),
            Self::Io(stage, error) => write!(f, "the connection failed in {stage}: {error}"),
            Self::Protocol(Stage::Proxy, error) => write!(f, "the proxy leads nowhere: {error}"),
            Self::Protocol(_, error) => error.fmt(f),
            Self::Backend(what) => write!(f, "the back end: {what}"),
            Self::Timeout(Stage::Connecting) => {
                f.write_str("the time is over, and there is no connection")
            }
            Self::Timeout(stage) => write!(f, "the time is over in {stage}"),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Proxy => "the dialogue with the proxy",
            Self::Negotiation => "the plaintext dialogue",
            Self::Handshake => "the TLS handshake",
            Self::Traffic => "the traffic",
        })
    }
}
