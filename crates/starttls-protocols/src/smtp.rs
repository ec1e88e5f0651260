//! SMTP (RFC 3207 over RFC 5321) and LMTP (RFC 2033), which differs in the name of its greeting.
//!
//! After TLS both sides forget what was said: the client sends EHLO again (RFC 3207 section 4.2).

use std::net::IpAddr;

mod client;
pub use client::Client;

mod server;
pub use server::Server;

/// What a client without a host name says in EHLO: the address that it comes from, in the form of RFC 5321 section 4.1.3.
///
/// ```
/// use starttls_protocols::smtp;
///
/// assert_eq!(smtp::address_literal([192, 0, 2, 1].into()), "[192.0.2.1]");
/// assert_eq!(smtp::address_literal("2001:db8::1".parse()?), "[IPv6:2001:db8::1]");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn address_literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    }
}
