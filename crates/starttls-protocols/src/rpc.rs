//! RPC-with-TLS (RFC 9289).
