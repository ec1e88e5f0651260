use std::fmt;

use starttls_core::rustls;

use rustls::{Connection, HandshakeKind, NamedGroup};

use crate::certificate;
use crate::decision::{By, Reason, Requirement};
use crate::pin::Pin;
use crate::tlsrpt::ResultType;

/// What was required of a connection, what the peer offered, what became of it and why: so that a downgrade is always seen.
///
/// `Display` is one line for a log, `key=value`. No word of the peer is in it but the names in a certificate, where they are host names. With the
/// feature `serde` it serialises.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub struct Report {
    /// What the policy required.
    pub required: Requirement,
    /// Why.
    pub reason: Reason,
    /// The policy that is only being tested.
    pub tested: Option<By>,
    /// What the peer had to offer.
    pub offered: Offered,
    /// What became of it.
    pub outcome: Outcome,
    /// What the peer was authenticated by; `None` is nobody in particular.
    pub authenticated: Option<By>,
    /// Where anybody is let in, what a stricter look at the peer has found.
    pub observed: Observed,
    /// What the failure is called in TLS-RPT.
    pub failure: Option<ResultType>,
    /// The error.
    pub error: Option<String>,
    /// Who the peer is, and how the connection is protected.
    pub identity: Option<Identity>,
}

impl Report {
    /// True if the application's data is in plaintext, although TLS was wanted.
    pub fn is_downgraded(&self) -> bool {
        self.outcome == Outcome::Plaintext && self.required != Requirement::Disabled
    }
}

/// What a stricter look at the peer has found, where anybody is let in: the policy that is being tested, or the trusted authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
pub enum Observed {
    /// There was none: nothing to go by, a peer that is authenticated anyway, or no handshake.
    Nothing,
    /// The peer would have been believed.
    Good,
    /// It would not have been; what that is called in TLS-RPT.
    Bad(ResultType),
}

/// What the peer had to offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Offered {
    /// It was not asked.
    NotAsked,
    /// It agreed to TLS.
    Yes,
    /// It does not offer TLS, or refused: or somebody on the path took the offer out.
    No,
    /// The dialogue did not come so far.
    Unknown,
}

/// What became of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Outcome {
    /// It is in TLS.
    Tls,
    /// It is in plaintext.
    Plaintext,
    /// It is lost.
    Failed,
}

/// How many of the names in a certificate are kept: some have hundreds.
const MAX_NAMES: usize = 16;

/// How a connection is protected, and who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub struct Identity {
    /// The TLS version, as rustls names it: `TLSv1_3`.
    pub version: String,
    /// The cipher suite, as rustls names it.
    pub cipher_suite: String,
    /// The group of the key exchange; `None` in a resumed session of TLS 1.2, which has none.
    pub key_exchange: Option<String>,
    /// Whether who records the connection today needs more than a quantum computer to read it: the key exchange has ML-KEM in it.
    pub post_quantum: bool,
    /// Whether a session was resumed: the certificate is then the one of back then.
    pub resumed: bool,
    /// The application protocol that was agreed on.
    pub alpn: Option<String>,
    /// The DNS names in the peer's certificate, 16 at most; what is no host name is left out.
    pub names: Vec<String>,
    /// The peer's key, as a [`Pin`]; `None` without a certificate.
    pub key: Option<String>,
}

impl Identity {
    /// What there is to tell of a connection, of either side; `None` before the handshake is complete.
    pub fn of(connection: &Connection) -> Option<Self> {
        let kind = connection.handshake_kind()?;
        let group = connection
            .negotiated_key_exchange_group()
            .map(rustls::crypto::SupportedKxGroup::name);
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        Some(Self {
            version: format!("{:?}", connection.protocol_version()?),
            cipher_suite: format!("{:?}", connection.negotiated_cipher_suite()?.suite()),
            key_exchange: group.map(|group| format!("{group:?}")),
            post_quantum: group.is_some_and(is_post_quantum),
            resumed: matches!(kind, HandshakeKind::Resumed),
            alpn: connection
                .alpn_protocol()
                .map(|name| name.escape_ascii().to_string()),
            names: certificate.map_or_else(Vec::new, |der| {
                let mut names = certificate::dns_names(der);
                names.truncate(MAX_NAMES);
                names
            }),
            key: certificate
                .and_then(|der| Pin::of_certificate(der))
                .map(|pin| pin.to_string()),
        })
    }
}

fn is_post_quantum(group: NamedGroup) -> bool {
    matches!(
        group,
        NamedGroup::MLKEM512
            | NamedGroup::MLKEM768
            | NamedGroup::MLKEM1024
            | NamedGroup::X25519MLKEM768
            | NamedGroup::secp256r1MLKEM768
    )
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "required={:?} reason={:?} offered={:?} outcome={:?}",
            self.required, self.reason, self.offered, self.outcome
        )?;
        match self.authenticated {
            Some(by) => write!(f, " authenticated={by:?}")?,
            None => write!(f, " authenticated=no")?,
        }
        if self.observed != Observed::Nothing {
            write!(f, " observed={:?}", self.observed)?;
        }
        if let Some(error) = &self.error {
            write!(f, " error={error:?}")?;
        }
        if let Some(identity) = &self.identity {
            write!(f, " {identity}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version={} suite={}", self.version, self.cipher_suite)?;
        if let Some(group) = &self.key_exchange {
            write!(f, " kx={group}")?;
        }
        write!(
            f,
            " post-quantum={} resumed={}",
            self.post_quantum, self.resumed
        )?;
        if let Some(alpn) = &self.alpn {
            write!(f, " alpn={alpn:?}")?;
        }
        if let Some(key) = &self.key {
            write!(f, " key={key}")?;
        }
        if !self.names.is_empty() {
            write!(f, " names={}", self.names.join(","))?;
        }
        Ok(())
    }
}
