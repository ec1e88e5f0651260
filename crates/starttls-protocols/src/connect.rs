//! HTTP CONNECT (RFC 9110 section 9.3.6).
