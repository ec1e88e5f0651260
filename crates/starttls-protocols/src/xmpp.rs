//! XMPP (RFC 6120 section 5).
