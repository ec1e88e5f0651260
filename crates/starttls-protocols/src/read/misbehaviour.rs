//! What a peer does wrong in whichever protocol, as errors.

use starttls_core::{Error, Misbehaviour, UntrustedText};

pub(crate) fn malformed(what: &'static str, sample: &[u8]) -> Error {
    let sample = UntrustedText::new(sample);
    Misbehaviour::Malformed { what, sample }.into()
}

pub(crate) fn too_long(what: &'static str, limit: usize) -> Error {
    Misbehaviour::TooLong { what, limit }.into()
}

/// The peer broke the protocol in plaintext, and can be told so before we hang up. One that speaks TLS already would not read it.
pub(crate) fn is_broken_plaintext(error: &Error) -> bool {
    matches!(
        error,
        Error::UnreadPlaintext { .. }
            | Error::Misbehaved(
                Misbehaviour::Malformed { .. }
                    | Misbehaviour::TooLong { .. }
                    | Misbehaviour::Unexpected(_)
            )
    )
}

/// No line and no message of a plaintext protocol begins like a TLS handshake or alert record: if one does, the port is implicit TLS, or
/// the client did not wait.
pub(crate) fn refuse_tls_record(unread: &[u8]) -> Result<(), Error> {
    match unread {
        [0x15 | 0x16, 0x03, ..] => Err(Misbehaviour::TlsTooEarly.into()),
        _ => Ok(()),
    }
}
