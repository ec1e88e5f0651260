/// A protocol with an upgrade to TLS inside its own dialogue, or one that carries such a protocol to its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// [`smtp`](crate::smtp)
    Smtp,
    /// [`smtp`](crate::smtp), with the greeting of LMTP
    Lmtp,
    /// [`imap`](crate::imap)
    Imap,
    /// [`pop3`](crate::pop3)
    Pop3,
    /// [`nntp`](crate::nntp)
    Nntp,
    /// [`managesieve`](crate::managesieve)
    Sieve,
    /// [`ftp`](crate::ftp)
    Ftp,
    /// [`xmpp`](crate::xmpp), client to server
    Xmpp,
    /// [`xmpp`](crate::xmpp), server to server
    XmppServer,
    /// [`ldap`](crate::ldap)
    Ldap,
    /// [`postgres`](crate::postgres)
    Postgres,
    /// [`mysql`](crate::mysql)
    Mysql,
    /// [`irc`](crate::irc)
    Irc,
    /// [`telnet`](crate::telnet)
    Telnet,
    /// [`connect`](crate::connect): a tunnel through an HTTP proxy
    Connect,
    /// [`http_upgrade`](crate::http_upgrade)
    HttpUpgrade,
    /// [`socks`](crate::socks): a tunnel with SOCKS 4 or 4a
    Socks4,
    /// [`socks`](crate::socks): a tunnel with SOCKS 5
    Socks5,
    /// [`proxy`](crate::proxy): a header in text
    ProxyV1,
    /// [`proxy`](crate::proxy): a header in binary
    ProxyV2,
    /// [`nbd`](crate::nbd)
    Nbd,
    /// [`rpc`](crate::rpc)
    Rpc,
    /// [`vencrypt`](crate::vencrypt)
    Vencrypt,
    /// [`rdp`](crate::rdp)
    Rdp,
    /// [`nut`](crate::nut)
    Nut,
    /// [`munin`](crate::munin)
    Munin,
    /// [`nats`](crate::nats)
    Nats,
}

impl Protocol {
    /// All of them, in the order of the table in `docs/protocols.md`.
    pub const ALL: [Self; 27] = [
        Self::Smtp,
        Self::Lmtp,
        Self::Imap,
        Self::Pop3,
        Self::Nntp,
        Self::Sieve,
        Self::Ftp,
        Self::Xmpp,
        Self::XmppServer,
        Self::Ldap,
        Self::Postgres,
        Self::Mysql,
        Self::Irc,
        Self::Telnet,
        Self::Connect,
        Self::HttpUpgrade,
        Self::Socks4,
        Self::Socks5,
        Self::ProxyV1,
        Self::ProxyV2,
        Self::Nbd,
        Self::Rpc,
        Self::Vencrypt,
        Self::Rdp,
        Self::Nut,
        Self::Munin,
        Self::Nats,
    ];
}
