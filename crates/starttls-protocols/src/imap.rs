//! IMAP (RFC 9051 section 6.2.1, RFC 2595).
