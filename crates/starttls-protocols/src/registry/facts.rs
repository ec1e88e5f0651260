use starttls_core::Boundary;

use super::protocol::Protocol;
use super::services::{self, Service};

/// A side of a dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The one that connects, and that asks for TLS.
    Client,
    /// The one that is asked.
    Server,
}

/// Who may speak first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum First {
    /// The client; the server waits for it.
    Client,
    /// The server; the client waits for it.
    Server,
    /// Either, at once, or whatever the protocol inside the tunnel has.
    Either,
}

/// What to do first when TLS is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AfterTls {
    /// The client says hello again, and the server has forgotten the first hello (SMTP, LMTP).
    HelloAgain,
    /// The client asks again for what the server can: what was said in plaintext is forgotten.
    CapabilitiesAgain,
    /// The server speaks first and unasked: the client reads before it writes.
    ServerSpeaks,
    /// The client opens a new stream, as if the connection were new (XMPP).
    NewStream,
    /// The client protects the data connections: `PBSZ 0`, `PROT P` (FTP).
    ProtectData,
    /// The client begins with its first request, or with its login: nothing of that was said before.
    Begin,
    /// The dialogue goes on where it was: with the next message, not from its beginning.
    GoOn,
    /// Every option is negotiated anew (Telnet).
    OptionsAgain,
    /// The protocol inside the tunnel begins.
    Inner,
}

/// What is to be known of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The name that [`Protocol`] is parsed from.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Where the upgrade is specified.
    pub specification: &'static str,
    /// What the upgrade is called there.
    pub upgrade: &'static str,
    /// The port for plaintext with the upgrade. Not every protocol has one of its own.
    pub port: Option<u16>,
    /// The port for TLS from the first byte.
    pub implicit_tls_port: Option<u16>,
    /// The SRV records by which its servers are found, TLS from the first byte first, as RFC 8314 prefers it. Where nothing specifies one there is none.
    pub services: &'static [Service],
    /// Other names that [`Protocol`] is parsed from.
    pub aliases: &'static [&'static str],
    /// Who speaks first in plaintext.
    pub first_in_plaintext: First,
    /// Who speaks first inside TLS.
    pub first_inside_tls: First,
    /// What comes first inside TLS.
    pub after_tls: AfterTls,
    /// The sides that this crate has.
    pub roles: &'static [Role],
    /// What bytes behind the end of plaintext are at the client.
    pub boundary_at_client: Boundary,
    /// What bytes behind the end of plaintext are at the server.
    pub boundary_at_server: Boundary,
    /// The shortest words with which a server may begin, where a client waits for words and no more than that: for who stands between a client and a
    /// server that has greeted already.
    pub greeting: Option<&'static str>,
}

const CLIENT_FIRST: Facts = Facts {
    name: "",
    title: "",
    specification: "",
    upgrade: "STARTTLS",
    port: None,
    implicit_tls_port: None,
    services: &[],
    aliases: &[],
    first_in_plaintext: First::Client,
    first_inside_tls: First::Client,
    after_tls: AfterTls::Begin,
    roles: &[Role::Client, Role::Server],
    boundary_at_client: Boundary::Exact,
    boundary_at_server: Boundary::Exact,
    greeting: None,
};

const SERVER_FIRST: Facts = Facts {
    first_in_plaintext: First::Server,
    ..CLIENT_FIRST
};

const TUNNEL: Facts = Facts {
    first_inside_tls: First::Either,
    after_tls: AfterTls::Inner,
    ..CLIENT_FIRST
};

impl Protocol {
    /// The row of this protocol in the table.
    pub fn facts(self) -> Facts {
        match self {
            Self::Smtp => Facts {
                name: "smtp",
                title: "SMTP",
                specification: "RFC 3207, RFC 5321",
                services: services::SMTP,
                port: Some(25),
                implicit_tls_port: Some(465),
                after_tls: AfterTls::HelloAgain,
                greeting: Some("220 localhost ESMTP\r\n"),
                aliases: &["esmtp", "submission"],
                ..SERVER_FIRST
            },
            Self::Lmtp => Facts {
                name: "lmtp",
                title: "LMTP",
                specification: "RFC 2033, RFC 3207",
                port: Some(24),
                after_tls: AfterTls::HelloAgain,
                greeting: Some("220 localhost LMTP\r\n"),
                ..SERVER_FIRST
            },
            Self::Imap => Facts {
                name: "imap",
                title: "IMAP",
                specification: "RFC 9051 section 6.2.1",
                services: services::IMAP,
                port: Some(143),
                implicit_tls_port: Some(993),
                after_tls: AfterTls::CapabilitiesAgain,
                greeting: Some("* OK ready\r\n"),
                aliases: &["imap4"],
                ..SERVER_FIRST
            },
            Self::Pop3 => Facts {
                name: "pop3",
                title: "POP3",
                specification: "RFC 2595 section 4",
                upgrade: "STLS",
                services: services::POP3,
                port: Some(110),
                implicit_tls_port: Some(995),
                after_tls: AfterTls::CapabilitiesAgain,
                greeting: Some("+OK ready\r\n"),
                aliases: &["pop"],
                ..SERVER_FIRST
            },
            Self::Nntp => Facts {
                name: "nntp",
                title: "NNTP",
                specification: "RFC 4642",
                port: Some(119),
                implicit_tls_port: Some(563),
                after_tls: AfterTls::CapabilitiesAgain,
                greeting: Some("200 ready\r\n"),
                aliases: &["news"],
                ..SERVER_FIRST
            },
            Self::Sieve => Facts {
                name: "sieve",
                title: "ManageSieve",
                specification: "RFC 5804 section 2.2",
                services: services::SIEVE,
                port: Some(4190),
                first_inside_tls: First::Server,
                after_tls: AfterTls::ServerSpeaks,
                aliases: &["managesieve"],
                ..SERVER_FIRST
            },
            Self::Ftp => Facts {
                name: "ftp",
                title: "FTP",
                specification: "RFC 4217, RFC 2228",
                upgrade: "AUTH TLS",
                port: Some(21),
                implicit_tls_port: Some(990),
                after_tls: AfterTls::ProtectData,
                greeting: Some("220 ready\r\n"),
                ..SERVER_FIRST
            },
            Self::Xmpp => Facts {
                name: "xmpp",
                title: "XMPP",
                specification: "RFC 6120 section 5, RFC 7590",
                services: services::XMPP,
                port: Some(5222),
                implicit_tls_port: Some(5223),
                after_tls: AfterTls::NewStream,
                aliases: &["xmpp-client", "jabber"],
                ..CLIENT_FIRST
            },
            Self::XmppServer => Facts {
                name: "xmpp-server",
                title: "XMPP between servers",
                specification: "RFC 6120 section 5, RFC 7590",
                services: services::XMPP_SERVER,
                port: Some(5269),
                implicit_tls_port: Some(5270),
                after_tls: AfterTls::NewStream,
                aliases: &["xmpp-s2s"],
                ..CLIENT_FIRST
            },
            Self::Ldap => Facts {
                name: "ldap",
                title: "LDAP",
                specification: "RFC 4511 section 4.14",
                upgrade: "StartTLS",
                services: services::LDAP,
                port: Some(389),
                implicit_tls_port: Some(636),
                after_tls: AfterTls::CapabilitiesAgain,
                ..CLIENT_FIRST
            },
            Self::Postgres => Facts {
                name: "postgres",
                title: "PostgreSQL",
                specification: "PostgreSQL documentation, Frontend/Backend Protocol",
                upgrade: "SSLRequest",
                port: Some(5432),
                aliases: &["postgresql", "pgsql"],
                ..CLIENT_FIRST
            },
            Self::Mysql => Facts {
                name: "mysql",
                title: "MySQL",
                specification: "MySQL documentation, Protocol::SSLRequest",
                upgrade: "SSLRequest",
                port: Some(3306),
                after_tls: AfterTls::GoOn,
                boundary_at_server: Boundary::Pipelined,
                aliases: &["mariadb"],
                ..SERVER_FIRST
            },
            Self::Irc => Facts {
                name: "irc",
                title: "IRC",
                specification: "IRCv3 tls 3.1",
                port: Some(6667),
                implicit_tls_port: Some(6697),
                aliases: &["ircu"],
                ..CLIENT_FIRST
            },
            Self::Telnet => Facts {
                name: "telnet",
                title: "Telnet",
                specification: "draft-altman-telnet-starttls",
                upgrade: "START_TLS",
                port: Some(23),
                implicit_tls_port: Some(992),
                first_inside_tls: First::Either,
                after_tls: AfterTls::OptionsAgain,
                boundary_at_server: Boundary::Pipelined,
                ..SERVER_FIRST
            },
            Self::Connect => Facts {
                name: "connect",
                title: "HTTP CONNECT",
                specification: "RFC 9110 section 9.3.6",
                upgrade: "CONNECT",
                aliases: &["http-connect"],
                ..TUNNEL
            },
            Self::HttpUpgrade => Facts {
                name: "http-upgrade",
                title: "HTTP Upgrade",
                specification: "RFC 2817",
                upgrade: "Upgrade: TLS",
                port: Some(80),
                implicit_tls_port: Some(443),
                first_inside_tls: First::Server,
                after_tls: AfterTls::ServerSpeaks,
                aliases: &["ipp"],
                ..CLIENT_FIRST
            },
            Self::Socks4 => Facts {
                name: "socks4",
                title: "SOCKS 4",
                specification: "SOCKS protocol 4 and 4A",
                upgrade: "CONNECT",
                port: Some(1080),
                aliases: &["socks4a"],
                ..TUNNEL
            },
            Self::Socks5 => Facts {
                name: "socks5",
                title: "SOCKS 5",
                specification: "RFC 1928, RFC 1929",
                upgrade: "CONNECT",
                port: Some(1080),
                aliases: &["socks", "socks5h"],
                ..TUNNEL
            },
            Self::ProxyV1 => Facts {
                name: "proxy-v1",
                title: "PROXY protocol 1",
                specification: "HAProxy documentation, proxy-protocol section 2.1",
                upgrade: "PROXY header",
                boundary_at_server: Boundary::Pipelined,
                ..TUNNEL
            },
            Self::ProxyV2 => Facts {
                name: "proxy-v2",
                title: "PROXY protocol 2",
                specification: "HAProxy documentation, proxy-protocol section 2.2",
                upgrade: "PROXY header",
                boundary_at_server: Boundary::Pipelined,
                ..TUNNEL
            },
            Self::Nbd => Facts {
                name: "nbd",
                title: "NBD",
                specification: "NetworkBlockDevice/nbd, doc/proto.md",
                upgrade: "NBD_OPT_STARTTLS",
                port: Some(10809),
                after_tls: AfterTls::GoOn,
                ..SERVER_FIRST
            },
            Self::Rpc => Facts {
                name: "rpc",
                title: "ONC RPC",
                specification: "RFC 9289, RFC 5531",
                upgrade: "AUTH_TLS",
                port: Some(2049),
                aliases: &["nfs", "sunrpc", "oncrpc"],
                ..CLIENT_FIRST
            },
            Self::Vencrypt => Facts {
                name: "vencrypt",
                title: "VNC",
                specification: "rfbproto, VeNCrypt",
                upgrade: "VeNCrypt",
                port: Some(5900),
                first_inside_tls: First::Server,
                after_tls: AfterTls::ServerSpeaks,
                aliases: &["vnc", "rfb"],
                ..SERVER_FIRST
            },
            Self::Rdp => Facts {
                name: "rdp",
                title: "RDP",
                specification: "MS-RDPBCGR 2.2.1.1 and 2.2.1.2",
                upgrade: "RDP_NEG_REQ",
                port: Some(3389),
                after_tls: AfterTls::GoOn,
                aliases: &["ms-wbt-server"],
                ..CLIENT_FIRST
            },
            Self::Nut => Facts {
                name: "nut",
                title: "NUT",
                specification: "RFC 9271",
                port: Some(3493),
                aliases: &["upsd"],
                ..CLIENT_FIRST
            },
            Self::Munin => Facts {
                name: "munin",
                title: "Munin",
                specification: "Munin documentation, munin-node protocol",
                port: Some(4949),
                greeting: Some("# munin node at localhost\n"),
                aliases: &["munin-node"],
                ..SERVER_FIRST
            },
            Self::Nats => Facts {
                name: "nats",
                title: "NATS",
                specification: "NATS documentation, client protocol",
                upgrade: "TLS after INFO",
                port: Some(4222),
                boundary_at_server: Boundary::Pipelined,
                ..SERVER_FIRST
            },
        }
    }
}
