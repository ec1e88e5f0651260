//! The one place where it matters when bytes come: an XMPP server drops the white space behind `<starttls/>` that is there before it says its go-ahead. What comes
//! later it cannot drop, and it is refused. Neither is ever delivered, so that the outcomes count as the same.

use super::negotiators::Role;

/// White space at the boundary may be gone.
pub fn is_dropped(protocol: &str, role: Role) -> bool {
    protocol.starts_with("xmpp") && role == Role::Server
}

/// How many of the bytes behind the boundary are there in any case.
pub fn behind(rest: &[u8]) -> usize {
    rest.iter()
        .skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .count()
}
