//! Tunnels: negotiations after which not TLS comes but another negotiation.
//!
//! HTTP CONNECT, SOCKS and the PROXY header lead to a server, or lead a client here, and whoever is at the other end may speak first: what follows the last
//! byte of the tunnel's own dialogue is then the beginning of the next one. [`Tunnel::then`] hands it on to that and to nothing else. A tunnel
//! that is not followed by anything refuses it like every other negotiation.
//!
//! ```
//! use starttls_core::{Boundary, Negotiator, Plain, Progress};
//! use starttls_protocols::tunnel::Tunnel;
//! use starttls_protocols::{connect, smtp};
//!
//! // The greeting of the mail server comes along with the answer of the proxy.
//! let mut plain = Plain::with_prefix(
//!     b"HTTP/1.1 200 OK\r\n\r\n220 mail.example.org\r\n250-mail.example.org\r\n250 STARTTLS\r\n220 go\r\n",
//! );
//! let mut client = connect::Client::new("mail.example.org", 25).then(smtp::Client::new("me.example.net"));
//! assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
//! # Ok::<(), starttls_core::Error>(())
//! ```

use std::fmt;
use std::net::IpAddr;

use starttls_core::{Error, Negotiator, Plain, Progress, rustls};

mod access;
pub(crate) use access::Access;
pub use access::Login;

/// A negotiator that leads to another one. Bytes behind its end may belong to that.
pub trait Tunnel: Negotiator {
    /// This one, and then `inner` through it.
    fn then<B: Negotiator<Tls = Self::Tls>>(self, inner: B) -> Then<Self, B>
    where
        Self: Sized,
    {
        Then {
            outer: self,
            inner,
            through: false,
        }
    }
}

impl<T: Tunnel + ?Sized> Tunnel for &mut T {}

impl<T: Tunnel + ?Sized> Tunnel for Box<T> {}

/// Two negotiations in one; what [`Tunnel::then`] makes. Lend the outer one (`&mut`) to look at it afterwards.
#[derive(Debug)]
#[must_use = "a negotiation does nothing until it is advanced"]
pub struct Then<A, B> {
    outer: A,
    inner: B,
    through: bool,
}

impl<A: Tunnel, B: Negotiator<Tls = A::Tls>> Negotiator for Then<A, B> {
    type Tls = B::Tls;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.through {
            // Whoever was asked for a tunnel is not the peer: what it declines, the peer has not declined.
            match self.outer.advance(plain).map_err(Error::of_tunnel)? {
                Progress::NeedInput => return Ok(Progress::NeedInput),
                // Whatever is unread now was sent by the far end of the tunnel.
                Progress::Done(_) => self.through = true,
            }
        }
        self.inner.advance(plain)
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        if self.through {
            self.inner.farewell(error)
        } else {
            self.outer.farewell(error)
        }
    }
}

impl<A: Tunnel, B: Tunnel<Tls = A::Tls>> Tunnel for Then<A, B> {}

/// Where a tunnel leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
}

/// A host as a client of a proxy names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name in ASCII: letters, digits, `-`, `_` and `.`, 255 at most. It is never an address in disguise of a name.
    Name(String),
}

impl Host {
    pub(crate) fn parse(host: &str) -> Option<Self> {
        if let Ok(address) = host.parse() {
            return Some(Self::Ip(address));
        }
        let is_name_byte =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        // "127.1" and "0x7f.1" are addresses for many a resolver: it is the last label that decides.
        let last = host
            .trim_end_matches('.')
            .rsplit('.')
            .next()
            .unwrap_or_default();
        let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
            || hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let is_name = (1..=255).contains(&host.len()) && host.bytes().all(is_name_byte);
        (is_name && !is_number).then(|| Self::Name(host.to_owned()))
    }
}

/// `host:port`, with brackets around an IPv6 address (RFC 3986 section 3.2.2).
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            Host::Ip(address) => write!(f, "{address}:{}", self.port),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// A user's name and password. Neither `Debug` nor anything else shows the password.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Credentials {
    pub(crate) fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            password: password.into(),
        }
    }

    /// The time this takes does not depend on where the difference is.
    pub(crate) fn are(&self, user: &[u8], password: &[u8]) -> bool {
        same(self.user.as_bytes(), user) & same(self.password.as_bytes(), password)
    }
}

fn same(ours: &[u8], theirs: &[u8]) -> bool {
    let pairs = ours.iter().zip(theirs);
    ours.len() == theirs.len() && pairs.fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The TLS of a negotiator behind which none can begin: there is no value of it.
///
/// What reads a client's request and stops there (`RequestReader`) has this as its [`Negotiator::Tls`]. It can be negotiated with, and not be
/// upgraded with.
///
/// ```compile_fail,E0308
/// # fn f(plain: starttls_core::Plain, connection: starttls_core::rustls::ServerConnection) {
/// let reader = starttls_protocols::connect::RequestReader::new();
/// let _ = starttls_core::Upgrade::with_plain(plain, reader, connection);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoTls {}

impl From<NoTls> for rustls::Connection {
    fn from(none: NoTls) -> Self {
        match none {}
    }
}

#[cfg(test)]
mod tests {
    use starttls_core::{Boundary, Phase};

    use super::*;
    use crate::{connect, imap, proxy, smtp, socks};

    /// What a negotiator says to these bytes, whole and byte by byte, which must be the same.
    fn said<N: Negotiator>(
        make: impl Fn() -> N,
        input: &[u8],
    ) -> (String, Result<Progress, Error>, String) {
        let outcome = |chunk: usize| {
            let (mut negotiator, mut plain, mut sent) = (make(), Plain::new(), Vec::new());
            let mut progress = negotiator.advance(&mut plain);
            plain.poll_transmit(&mut sent);
            for piece in input.chunks(chunk) {
                assert_eq!(plain.handle_input(piece), piece.len());
                if progress == Ok(Progress::NeedInput) {
                    progress = negotiator.advance(&mut plain);
                    plain.poll_transmit(&mut sent);
                }
            }
            let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
            (text(&sent), progress, text(plain.peek()))
        };
        let whole = outcome(usize::MAX);
        assert_eq!(outcome(1), whole);
        whole
    }

    #[test]
    fn connect_then_smtp_with_the_greeting_in_the_same_segment() {
        let make = || connect::Client::new("mail.example.org", 25).then(smtp::Client::new("me"));
        let (sent, progress, unread) = said(
            make,
            b"HTTP/1.1 200 OK\r\n\r\n220 mail\r\n250-mail\r\n250 STARTTLS\r\n220 go\r\nNOOP",
        );
        assert_eq!(progress, Ok(Progress::Done(Boundary::Exact)));
        assert!(sent.ends_with(r"\r\n\r\nEHLO me\r\nSTARTTLS\r\n"));
        assert_eq!(unread, "NOOP", "the injected line is left to be refused");
    }

    #[test]
    fn proxy_header_then_smtp_server() {
        let make = || proxy::Reader::new().then(smtp::Server::new("mail"));
        let input = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\nEHLO me\r\nSTARTTLS\r\n";
        let (sent, progress, unread) = said(make, input);
        // The boundary is the inner one: the reader alone would take what follows for TLS.
        assert_eq!(progress, Ok(Progress::Done(Boundary::Exact)));
        assert!(sent.starts_with("220 mail ESMTP") && sent.ends_with(r"Ready to start TLS\r\n"));
        assert_eq!(unread, "");
    }

    #[test]
    fn socks_then_imap_with_the_greeting_in_the_same_segment() {
        let make = || socks::Client::new("imap.example.org", 143).then(imap::Client::new());
        let input = b"\x05\x00\x05\x00\x00\x01\x7f\0\0\x01\x00\x8f* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n";
        let (sent, progress, unread) = said(make, input);
        assert_eq!(progress, Ok(Progress::NeedInput));
        assert!(
            sent.contains("imap.example.org") && sent.ends_with(r"STARTTLS\r\n"),
            "{sent}"
        );
        assert_eq!(unread, "");
    }

    #[test]
    fn three_in_a_row() {
        let source = ([192, 0, 2, 1], 1000).into();
        let make = || {
            connect::Client::new("relay.example.org", 25)
                .then(proxy::Writer::v1(source, source))
                .then(smtp::Client::new("me"))
        };
        let (sent, progress, _) = said(make, b"HTTP/1.1 200 OK\r\n\r\n220 mail\r\n");
        assert_eq!(progress, Ok(Progress::NeedInput));
        assert!(sent.ends_with(r"PROXY TCP4 192.0.2.1 192.0.2.1 1000 1000\r\nEHLO me\r\n"));
    }

    #[test]
    fn what_looks_like_another_address_is_not_a_name() {
        for host in [
            "127.1",
            "1",
            "0x7f000001",
            "a.0X1.",
            "0x",
            "a.1.",
            "",
            "a b",
            "a:1",
            "[::1]",
            &"a".repeat(256),
        ] {
            assert_eq!(Host::parse(host), None, "{host}");
        }
        assert_eq!(
            Host::parse("::1"),
            Some(Host::Ip([0, 0, 0, 0, 0, 0, 0, 1].into()))
        );
        assert_eq!(Host::parse("3f2a.1b"), Some(Host::Name("3f2a.1b".into())));
        assert_eq!(
            Host::parse("a_b.example"),
            Some(Host::Name("a_b.example".into()))
        );
    }
}
