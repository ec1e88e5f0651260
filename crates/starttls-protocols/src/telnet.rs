//! Telnet START_TLS.
