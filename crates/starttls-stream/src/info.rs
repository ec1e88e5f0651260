use std::fmt;
use std::io;
use std::net::SocketAddr;

use rustls::crypto::SupportedKxGroup;
use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, Connection, HandshakeKind, NamedGroup, ProtocolVersion};
use starttls_core::rustls;

/// Who is at the other end of a connection and how it is protected, as `info()` of the streams tells it. It is a copy and may outlive the stream.
///
/// ```no_run
/// # fn f() -> std::io::Result<()> {
/// let plain = starttls_stream::connect("127.0.0.1:2525")?;
/// let info = plain.info();
/// assert!(info.tls.is_none());
/// println!("connected to {:?} from {:?}", info.peer_addr, info.local_addr);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The peer's address; `None` if the system does not know it any more: some forget it when the connection is gone.
    pub peer_addr: Option<SocketAddr>,
    /// Our own address, as `peer_addr`.
    pub local_addr: Option<SocketAddr>,
    /// What was negotiated; `None` in plaintext.
    pub tls: Option<TlsInfo>,
}

impl Info {
    /// For adapters: what the socket says of its addresses, and the connection of the TLS phase.
    #[doc(hidden)]
    pub fn new(
        peer_addr: io::Result<SocketAddr>,
        local_addr: io::Result<SocketAddr>,
        connection: Option<&Connection>,
    ) -> Self {
        Self {
            peer_addr: peer_addr.ok(),
            local_addr: local_addr.ok(),
            tls: connection.and_then(TlsInfo::of),
        }
    }
}

/// One line: whom it is connected to, and behind it what was negotiated, or `plaintext`.
impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer_addr {
            Some(peer) => write!(f, "{peer} ")?,
            None => f.write_str("(gone) ")?,
        }
        match &self.tls {
            Some(tls) => tls.fmt(f),
            None => f.write_str("plaintext"),
        }
    }
}

/// What a TLS connection has negotiated, and with whom.
///
/// Its text is one line: `TLSv1_3 TLS13_AES_128_GCM_SHA256 X25519MLKEM768 alpn=h2 certificates=2`. What the peer has chosen freely in it is escaped.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The TLS version.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub cipher_suite: CipherSuite,
    /// In which group the keys were agreed on; `None` where they were not: a session of TLS 1.2 that was resumed.
    pub key_exchange_group: Option<NamedGroup>,
    /// An earlier session was resumed, without certificates being sent again.
    pub resumed: bool,
    /// The handshake took another round trip, since the server wanted another key share than the client had guessed (RFC 8446 section 4.1.4).
    pub hello_retry: bool,
    /// The application protocol that both sides agreed on (RFC 7301), if they did.
    pub alpn: Option<Vec<u8>>,
    /// The peer's certificate and those it sent to vouch for it, the peer's own first; empty if it has shown none, as most clients.
    pub peer_certificates: Vec<CertificateDer<'static>>,
    /// At a server: the name that the client asked for (RFC 6066 section 3), if it named one. A client knows whom it asked for.
    pub server_name: Option<String>,
}

impl TlsInfo {
    /// What there is to tell of this connection; `None` as long as its handshake has not come so far.
    pub fn of(connection: &Connection) -> Option<Self> {
        let kind = connection.handshake_kind();
        Some(Self {
            version: connection.protocol_version()?,
            cipher_suite: connection.negotiated_cipher_suite()?.suite(),
            key_exchange_group: connection
                .negotiated_key_exchange_group()
                .map(SupportedKxGroup::name),
            resumed: kind == Some(HandshakeKind::Resumed),
            hello_retry: kind == Some(HandshakeKind::FullWithHelloRetryRequest),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: connection.peer_certificates().unwrap_or_default().to_vec(),
            server_name: match connection {
                Connection::Server(server) => server.server_name().map(str::to_owned),
                Connection::Client(_) => None,
            },
        })
    }
}

impl fmt::Display for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.version, self.cipher_suite)?;
        if let Some(group) = self.key_exchange_group {
            write!(f, " {group:?}")?;
        }
        for (flag, name) in [(self.resumed, "resumed"), (self.hello_retry, "hello-retry")] {
            if flag {
                write!(f, " {name}")?;
            }
        }
        if let Some(alpn) = &self.alpn {
            write!(f, " alpn={}", alpn.escape_ascii())?;
        }
        if let Some(name) = &self.server_name {
            write!(f, " server-name={}", name.escape_default())?;
        }
        write!(f, " certificates={}", self.peer_certificates.len())
    }
}

/// The certificates by their number: a dump of them helps nobody.
impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsInfo")
            .field("version", &self.version)
            .field("cipher_suite", &self.cipher_suite)
            .field("key_exchange_group", &self.key_exchange_group)
            .field("resumed", &self.resumed)
            .field("hello_retry", &self.hello_retry)
            .field(
                "alpn",
                &self
                    .alpn
                    .as_ref()
                    .map(|alpn| alpn.escape_ascii().to_string()),
            )
            .field("peer_certificates", &self.peer_certificates.len())
            .field("server_name", &self.server_name)
            .finish()
    }
}
