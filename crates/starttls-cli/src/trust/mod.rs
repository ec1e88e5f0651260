//! Whom to trust, what to ask for in TLS, and what the peer's certificates say.

mod certificate;
mod config;
mod verifier;

pub(crate) use certificate::{Certificate, describe, end_point, hex};
pub(crate) use config::{Group, Trust, TrustArguments, Versions, certificates, private_key};
pub(crate) use verifier::{Recorder, Seen, Verdict};
