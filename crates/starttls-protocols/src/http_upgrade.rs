//! HTTP Upgrade: TLS (RFC 2817).
