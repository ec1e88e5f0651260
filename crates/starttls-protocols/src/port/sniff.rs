//! Port unification: TLS from the first byte and the in-band upgrade on one port, told apart by the first bytes.
//!
//! For servers of protocols in which the client speaks first (HTTP, LDAP, XMPP, PostgreSQL, RPC, ...). Where the server greets,
//! a client that waits for the greeting and one that is about to send its ClientHello cannot be told apart: these protocols
//! have two ports.

use std::fmt;

use rustls::ServerConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress, rustls};

use crate::registry::{First, Protocol, ServerOptions};
use crate::tunnel::{Then, Tunnel};
use crate::{connect, http_upgrade, irc, ldap, nut, postgres, rdp, rpc, socks, xmpp};

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Sniffed {
    /// Both are possible still.
    NeedMore,
    /// A TLS record with the beginning of a ClientHello.
    Tls,
    /// Anything else.
    Plaintext,
}

impl Sniffed {
    /// Where TLS begins, for [`Plain::start_tls_at`]: with [`Tls`](Self::Tls) it is here, and the bytes that were looked at are
    /// its first ones.
    ///
    /// ```
    /// use starttls_core::{Boundary, Plain};
    /// use starttls_protocols::sniff::sniff;
    ///
    /// let plain = Plain::with_prefix(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
    /// assert_eq!(sniff(plain.peek()).boundary(), Some(Boundary::Pipelined));
    /// ```
    pub fn boundary(self) -> Option<Boundary> {
        match self {
            Self::Tls => Some(Boundary::Pipelined),
            Self::NeedMore | Self::Plaintext => None,
        }
    }
}

/// Looks at the first bytes of a connection, of which six decide: the record header (RFC 8446 section 5.1) and the type of the
/// handshake message (section 4). Nothing is consumed.
///
/// ```
/// use starttls_protocols::sniff::{Sniffed, sniff};
///
/// assert_eq!(sniff(b""), Sniffed::NeedMore);
/// assert_eq!(sniff(b"\x16\x03\x01\x02\x00"), Sniffed::NeedMore);
/// assert_eq!(sniff(b"\x16\x03\x01\x02\x00\x01"), Sniffed::Tls);
/// assert_eq!(sniff(b"OPTIONS * HTTP/1.1\r\n"), Sniffed::Plaintext);
/// ```
pub fn sniff(first: &[u8]) -> Sniffed {
    let [kind, major, minor, high, low, message] = [
        |byte| byte == 22,
        |byte| byte == 3,
        // 3.1 by nearly all, 3.3 by RFC 8446; up to 3.4 was seen.
        |byte| byte <= 4,
        // At most 2^14 bytes.
        |byte| byte <= 0x40,
        |_| true,
        // client_hello
        |byte| byte == 1,
    ] as [fn(u8) -> bool; 6];
    let fits = [kind, major, minor, high, low, message];
    if first.iter().zip(fits).any(|(byte, fits)| !fits(*byte)) {
        Sniffed::Plaintext
    } else if first.len() < fits.len() {
        Sniffed::NeedMore
    } else {
        Sniffed::Tls
    }
}

/// A server that says nothing before its client has spoken: [`Unified`] needs one.
///
/// Where the server greets, nothing comes from either side: the client waits for the greeting, and the server to learn what the client is.
/// This does not compile.
///
/// ```compile_fail,E0277
/// use starttls_core::{Negotiator, Plain};
/// use starttls_protocols::{smtp, sniff::Unified};
///
/// let mut server = Unified::new(smtp::Server::new("mail.example.org"));
/// let _ = server.advance(&mut Plain::new());
/// ```
///
/// Implement it for servers of your own of which it is true.
#[diagnostic::on_unimplemented(
    message = "the server `{Self}` may speak first, so that a port cannot be shared with TLS from the first byte",
    note = "only a client that speaks first shows which of the two it is"
)]
pub trait ClientFirst: Negotiator<Tls = ServerConnection> {}

impl ClientFirst for connect::Server {}
impl ClientFirst for http_upgrade::Server {}
impl ClientFirst for irc::Server {}
impl ClientFirst for ldap::Server {}
impl ClientFirst for nut::Server {}
impl ClientFirst for postgres::Server {}
impl ClientFirst for rdp::Server {}
impl ClientFirst for rpc::Server {}
impl ClientFirst for socks::Server {}
impl ClientFirst for xmpp::Server {}
impl<N: ClientFirst + ?Sized> ClientFirst for &mut N {}
impl<N: ClientFirst + ?Sized> ClientFirst for Box<N> {}
impl<A: ClientFirst + Tunnel, B: Negotiator<Tls = ServerConnection>> ClientFirst for Then<A, B> {}

/// The server of a protocol by its name, if its client speaks first.
///
/// ```
/// use starttls_protocols::registry::{Protocol, ServerOptions};
/// use starttls_protocols::sniff::{AnyClientFirst, Unified};
///
/// let options = ServerOptions::new("example.org");
/// let server = Unified::new(AnyClientFirst::new(Protocol::Ldap, &options)?);
/// assert!(AnyClientFirst::new(Protocol::Smtp, &options).is_err());
/// # Ok::<(), starttls_core::Error>(())
/// ```
pub struct AnyClientFirst(Box<dyn Negotiator<Tls = ServerConnection> + Send>);

impl AnyClientFirst {
    /// As [`Protocol::server`].
    ///
    /// # Errors
    /// [`Misuse::Configuration`] if the server of the protocol speaks first, if a PROXY header has to come before anything else, and as [`Protocol::server`].
    pub fn new(protocol: Protocol, options: &ServerOptions) -> Result<Self, Error> {
        let is_header = matches!(protocol, Protocol::ProxyV1 | Protocol::ProxyV2);
        if protocol.facts().first_in_plaintext != First::Client || is_header {
            return Err(Misuse::Configuration(
                "a port can be shared with TLS from the first byte only where the client speaks first",
            )
            .into());
        }
        protocol.server(options).map(Self)
    }
}

impl Negotiator for AnyClientFirst {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        self.0.advance(plain)
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        self.0.farewell(error)
    }
}

impl ClientFirst for AnyClientFirst {}

impl fmt::Debug for AnyClientFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyClientFirst")
    }
}

/// A server that takes TLS from the first byte as well as the upgrade that `N` negotiates.
///
/// With TLS the negotiation is over before it has begun, and what was received goes to the handshake; otherwise everything is
/// `N`'s, which says nothing before the client has spoken.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::{rpc, sniff::Unified};
///
/// let mut server = Unified::new(rpc::Server::new());
/// let mut plain = Plain::with_prefix(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
/// assert_eq!(server.advance(&mut plain)?, Progress::Done(Boundary::Pipelined));
/// assert_eq!(server.was_implicit(), Some(true));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Unified<N> {
    negotiator: N,
    sniffed: Sniffed,
}

impl<N> Unified<N> {
    /// `negotiator` is for clients that begin in plaintext.
    pub fn new(negotiator: N) -> Self {
        Self {
            negotiator,
            sniffed: Sniffed::NeedMore,
        }
    }

    /// The client began with TLS, or with plaintext; `None` as long as it is not known.
    pub fn was_implicit(&self) -> Option<bool> {
        match self.sniffed {
            Sniffed::NeedMore => None,
            Sniffed::Tls => Some(true),
            Sniffed::Plaintext => Some(false),
        }
    }

    /// The negotiator for the other clients, with what it has learnt.
    pub fn into_inner(self) -> N {
        self.negotiator
    }
}

impl<N: ClientFirst> Negotiator for Unified<N> {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if self.sniffed == Sniffed::NeedMore {
            self.sniffed = sniff(plain.peek());
        }
        match self.sniffed {
            Sniffed::NeedMore => Ok(Progress::NeedInput),
            Sniffed::Tls => Ok(Progress::Done(Boundary::Pipelined)),
            Sniffed::Plaintext => self.negotiator.advance(plain),
        }
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        match self.sniffed {
            Sniffed::Plaintext => self.negotiator.farewell(error),
            Sniffed::NeedMore | Sniffed::Tls => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc;
    use starttls_core::Phase;

    const HELLO: [u8; 8] = [22, 3, 1, 2, 0, 1, 0, 1];

    #[test]
    fn every_prefix_of_a_client_hello_is_undecided_until_the_sixth_byte() {
        for length in 0..HELLO.len() {
            let expected = if length < 6 {
                Sniffed::NeedMore
            } else {
                Sniffed::Tls
            };
            assert_eq!(sniff(&HELLO[..length]), expected);
        }
    }

    #[test]
    fn one_wrong_byte_is_enough() {
        for (at, wrong) in [(0, 21), (1, 2), (2, 5), (3, 0x41), (5, 2)] {
            let mut bytes = HELLO;
            bytes[at] = wrong;
            assert_eq!(sniff(&bytes[..=at]), Sniffed::Plaintext, "byte {at}");
        }
    }

    #[test]
    fn plaintext_is_untouched_and_tls_too() {
        let mut server = Unified::new(rpc::Server::new());
        let mut plain = Plain::new();
        assert_eq!(server.advance(&mut plain), Ok(Progress::NeedInput));
        assert!(!plain.has_output());
        assert_eq!(plain.handle_input(&HELLO), HELLO.len());
        let done = Ok(Progress::Done(Boundary::Pipelined));
        assert_eq!(server.advance(&mut plain), done);
        assert_eq!(plain.peek(), HELLO);

        let call = b"\x80\0\0\x28\0\0\0\x01\0\0\0\0\0\0\0\x02\0\x01\x86\xa3\0\0\0\x04\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0";
        let mut server = Unified::new(rpc::Server::new());
        let done = Ok(Progress::Done(Boundary::Exact));
        assert_eq!(server.advance(&mut Plain::with_prefix(call)), done);
        assert_eq!(server.was_implicit(), Some(false));
    }

    #[test]
    fn the_registry_shares_a_port_where_the_client_speaks_first() {
        let options = ServerOptions::new("example.org").random([7; 20]);
        for protocol in Protocol::ALL {
            let Ok(server) = AnyClientFirst::new(protocol, &options) else {
                continue;
            };
            let mut plain = Plain::new();
            let mut server = Unified::new(server);
            assert_eq!(server.advance(&mut plain), Ok(Progress::NeedInput));
            assert!(!plain.has_output(), "{protocol} speaks first");
            assert_eq!(plain.handle_input(&HELLO), HELLO.len());
            let done = Ok(Progress::Done(Boundary::Pipelined));
            assert_eq!(server.advance(&mut plain), done, "{protocol}");
        }
        for greets in [
            Protocol::Smtp,
            Protocol::Mysql,
            Protocol::Telnet,
            Protocol::ProxyV2,
        ] {
            assert!(AnyClientFirst::new(greets, &options).is_err(), "{greets}");
        }
    }

    #[test]
    fn what_is_neither_is_told_why() {
        let mut server = Unified::new(http_upgrade::Server::new());
        let mut plain = Plain::with_prefix(b"hello\n");
        assert!(plain.negotiate(&mut server).is_err());
        assert!(plain.into_parts().1.starts_with(b"HTTP/1.1 400 "));
    }
}
