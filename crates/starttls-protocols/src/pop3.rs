//! POP3 (RFC 2595 section 4).
