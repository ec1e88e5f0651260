//! Exit codes. They are promises: docs/cli.md.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// TLS is up and the certificate accepted: 0.
    Secured,
    /// The command was not understood, or a file of ours cannot be read: 2.
    Usage,
    /// The server was not reached: no address, no connection, no way through a proxy: 3.
    Network,
    /// The server speaks the protocol and does not offer TLS: 4.
    NotOffered,
    /// The server was asked and said no, or goodbye: 5.
    Refused,
    /// The server broke the protocol, or hung up in the plaintext dialogue: 6.
    Negotiation,
    /// TLS itself failed: 7.
    Handshake,
    /// The certificate is not accepted: 8.
    Certificate,
    /// It took too long: 9.
    Timeout,
    /// Plaintext was where TLS must begin: 10.
    Injection,
}

impl Outcome {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Secured => 0,
            Self::Usage => 2,
            Self::Network => 3,
            Self::NotOffered => 4,
            Self::Refused => 5,
            Self::Negotiation => 6,
            Self::Handshake => 7,
            Self::Certificate => 8,
            Self::Timeout => 9,
            Self::Injection => 10,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        outcome.code().into()
    }
}
