use starttls_core::{Error, Misbehaviour};

/// Why a server hangs up, in words that each protocol puts into its own form. `None` where nothing is said: the client has left itself, or speaks
/// TLS and would not read it.
pub(crate) fn reason(error: &Error) -> Option<&'static str> {
    match error {
        Error::Misbehaved(Misbehaviour::TooLong { what: "line", .. }) => Some("line too long"),
        Error::Misbehaved(Misbehaviour::TooLong { .. }) => Some("too much before TLS"),
        Error::Misbehaved(Misbehaviour::Malformed {
            what: "line end", ..
        }) => Some("a line ends in CR LF"),
        Error::Misbehaved(Misbehaviour::Malformed { .. } | Misbehaviour::Unexpected(_)) => {
            Some("syntax error")
        }
        Error::UnreadPlaintext { .. } => Some("plaintext behind the command that begins TLS"),
        _ => None,
    }
}

/// That as a line behind `code`, which is all that most protocols have for it.
pub(crate) fn line(code: &str, error: &Error) -> Vec<u8> {
    reason(error).map_or_else(Vec::new, |reason| {
        format!("{code}{reason}\r\n").into_bytes()
    })
}
