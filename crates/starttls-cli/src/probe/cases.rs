//! What a hostile server does to its clients.

use clap::ValueEnum;

/// One way to be hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    Honest,
    InjectedReply,
    Refused,
    Stripped,
    Preauth,
    UnknownAuthority,
    WrongName,
    Expired,
}

impl Case {
    pub(crate) const ALL: [Self; 8] = [
        Self::Honest,
        Self::InjectedReply,
        Self::Refused,
        Self::Stripped,
        Self::Preauth,
        Self::UnknownAuthority,
        Self::WrongName,
        Self::Expired,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::InjectedReply => "injected-reply",
            Self::Refused => "refused",
            Self::Stripped => "stripped",
            Self::Preauth => "preauth",
            Self::UnknownAuthority => "unknown-authority",
            Self::WrongName => "wrong-name",
            Self::Expired => "expired",
        }
    }

    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Honest => "A server without a fault: the client comes to TLS",
            Self::InjectedReply => {
                "A reply in the segment of the go-ahead is taken for one from inside TLS"
            }
            Self::Refused => "The upgrade is refused, and the client goes on in plaintext",
            Self::Stripped => "The upgrade is not offered, and the client goes on in plaintext",
            Self::Preauth => {
                "The session is authenticated already, and the client goes on in plaintext"
            }
            Self::UnknownAuthority => "The certificate is of an authority that nobody knows",
            Self::WrongName => "The certificate is for another name",
            Self::Expired => "The certificate has expired",
        }
    }
}
