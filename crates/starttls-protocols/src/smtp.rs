//! SMTP (RFC 3207 over RFC 5321) and LMTP (RFC 2033), which differs in the name of its greeting.
//!
//! After TLS both sides forget what was said: the client sends EHLO again (RFC 3207 section 4.2).

mod client;
pub use client::Client;

mod server;
pub use server::Server;
