//! Which mode a port is in: TLS from the first byte, or plaintext with an upgrade.

pub mod diagnose;
pub mod sniff;
