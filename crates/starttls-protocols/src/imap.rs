//! IMAP (RFC 9051 section 6.2.1, RFC 3501 section 6.2.1).
//!
//! After TLS there is no second greeting. The client forgets every capability it was told and asks again (RFC 9051 section 6.2.1); the
//! server forgets nothing, since before TLS it let nothing be said that it could keep.

mod client;
pub use client::Client;

mod server;
pub use server::Server;

/// Up to the first blank, and behind it.
fn split_word(line: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = line.splitn(2, |byte| *byte == b' ');
    (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    )
}
