//! What came of an attempt: as data, as an exit code, as text, as advice.

mod advice;
mod escape;
mod failure;
mod outcome;
mod text;

use schemars::JsonSchema;
use serde::Serialize;
use starttls_tokio::starttls_core::{Refusal, UntrustedText};

pub(crate) use advice::{advice, implicit_instead};
pub(crate) use escape::{data, escape, lines};
pub(crate) use failure::{Failure, Stage};
pub(crate) use outcome::Outcome;
pub(crate) use text::{Words, seconds};

use crate::dial::{Said, Side};
use crate::trust::Certificate;

/// One attempt to reach a server and to secure the connection. The version in `schema` changes when a field is taken away or
/// changes its meaning; new fields may come at any time.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// `starttls-connect/1`.
    pub(crate) schema: &'static str,
    /// The protocol, by its name in `docs/protocols.md`; `tls` for TLS from the first byte with anything inside.
    pub(crate) protocol: &'static str,
    /// TLS from the first byte was asked for, and no upgrade.
    pub(crate) implicit: bool,
    /// The host as it was given.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// The proxies on the way, in order.
    pub(crate) via: Vec<String>,
    /// The address that the connection was made to: the server's, or the first proxy's.
    pub(crate) address: Option<String>,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// The exit code that goes with it.
    pub(crate) exit_code: u8,
    /// Why there is no TLS, in a sentence without any word of the peer's.
    pub(crate) error: Option<String>,
    /// What the server said when it refused or ended the dialogue.
    pub(crate) refusal: Option<Refused>,
    /// What the server sent where TLS had to begin: the first bytes, escaped.
    pub(crate) injected: Option<String>,
    /// What to do, or to type, instead.
    pub(crate) advice: Vec<String>,
    /// The server takes a login before TLS; `null` where the protocol, or the server, does not say so.
    pub(crate) plaintext_authentication: Option<bool>,
    /// What was said in plaintext, line by line.
    pub(crate) dialogue: Vec<Line>,
    /// How long each part took.
    pub(crate) seconds: Seconds,
    /// What was negotiated; only when the connection is secured.
    pub(crate) tls: Option<Tls>,
    /// The server's certificate and those that it sent along, also when they are not accepted.
    pub(crate) chain: Vec<Certificate>,
    /// Why the certificate is not accepted.
    pub(crate) certificate_error: Option<String>,
}

/// A line of the plaintext dialogue, or as many bytes as were sent at once if they are no text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Line {
    /// Who said it.
    pub(crate) from: Side,
    /// What, with everything but printable ASCII escaped, and without the line's end.
    pub(crate) text: String,
}

/// A refusal in the peer's terms. Anybody on the path may have written it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "Refusal")]
pub(crate) struct Refused {
    /// The protocol's number, where it has one.
    pub(crate) code: Option<u32>,
    /// The protocol's code that is not a number, such as an SQLSTATE.
    pub(crate) state: Option<String>,
    /// The words, escaped, of which 256 bytes are kept.
    pub(crate) words: String,
}

/// Durations in seconds; what was not reached is `null`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Seconds {
    /// The name resolved, the connection made, proxies passed.
    pub(crate) connect: Option<f64>,
    /// The plaintext dialogue.
    pub(crate) negotiate: Option<f64>,
    /// The TLS handshake.
    pub(crate) handshake: Option<f64>,
    /// All together.
    pub(crate) total: f64,
}

/// What TLS has negotiated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Tls {
    /// `TLS 1.2` or `TLS 1.3`.
    pub(crate) version: String,
    /// The cipher suite, by its name at IANA.
    pub(crate) cipher_suite: String,
    /// The group of the key exchange, by its name at IANA.
    pub(crate) group: Option<String>,
    /// The key exchange withstands a quantum computer.
    pub(crate) post_quantum: bool,
    /// What was chosen by ALPN, escaped.
    pub(crate) alpn: Option<String>,
    /// `full`, `full with a retry` (the server wanted another group) or `resumed`.
    pub(crate) handshake: &'static str,
    /// The channel binding tls-exporter (RFC 9266), in hexadecimal; with TLS 1.3.
    pub(crate) exporter: Option<String>,
    /// The channel binding tls-server-end-point (RFC 5929), in hexadecimal.
    pub(crate) server_end_point: Option<String>,
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        Self {
            code: refusal.code,
            state: refusal.state.as_ref().map(UntrustedText::escaped),
            words: refusal.text.escaped(),
        }
    }
}

impl Line {
    pub(crate) fn all(said: &[Said]) -> Vec<Self> {
        said.iter()
            .flat_map(|said| {
                lines(&said.bytes).into_iter().map(|text| Self {
                    from: said.side,
                    text,
                })
            })
            .collect()
    }
}
