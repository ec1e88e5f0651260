//! HTTP CONNECT (RFC 9110 section 9.3.6), with Basic and Bearer authentication (RFC 7617, RFC 6750).
//!
//! A [`Tunnel`](crate::tunnel::Tunnel): what comes behind the blank line of the answer belongs to the far end. Alone, as the way to a server that speaks TLS at
//! once, it refuses that. Nothing said to the proxy is said again inside.
//!
//! A proxy says no in an answer of its own, and nothing is known of the far end then: the error is
//! [`TunnelRefused`](starttls_core::Error::TunnelRefused) with the status, at the client and at the server, and never a decline.

use crate::tunnel::{Host, Target};

mod client;
pub use client::Client;

mod request;
pub use request::RequestReader;

mod server;
pub use server::Server;

pub use crate::read::http::{Headers, Request, Response};

/// `host:port`, both of them always (RFC 9110 section 9.3.6).
fn parse_authority(authority: &str) -> Option<Target> {
    let (host, port) = authority.rsplit_once(':')?;
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(address) => Host::Ip(std::net::IpAddr::V6(address.parse().ok()?)),
        None => {
            Host::parse(host).filter(|host| !matches!(host, Host::Ip(std::net::IpAddr::V6(_))))?
        }
    };
    Some(Target { host, port })
}

#[cfg(test)]
mod tests;
