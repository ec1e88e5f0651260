//! What speaks like this.

use crate::registry::Protocol;

/// A protocol that can be recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Spoken {
    /// One that has an upgrade.
    Upgradable(Protocol),
    /// HTTP.
    Http,
    /// SSH.
    Ssh,
    /// TDS, of Microsoft SQL Server and Sybase.
    Tds,
    /// AMQP, of any version.
    Amqp,
    /// Redis.
    Redis,
}

impl Spoken {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Upgradable(protocol) => protocol.facts().title,
            Self::Http => "HTTP",
            Self::Ssh => "SSH",
            Self::Tds => "TDS",
            Self::Amqp => "AMQP",
            Self::Redis => "Redis",
        }
    }
}

/// What speaks like this in plaintext, by the first bytes of a server or of a client. Only what is certain: an unknown beginning is no diagnosis.
///
/// ```
/// use starttls_protocols::diagnose::{Spoken, recognise};
/// use starttls_protocols::registry::Protocol;
///
/// assert_eq!(recognise(b"+OK ready\r\n"), Some(&[Spoken::Upgradable(Protocol::Pop3)][..]));
/// assert_eq!(recognise(b"hello"), None);
/// ```
pub fn recognise(sample: &[u8]) -> Option<&'static [Spoken]> {
    recognise_text(sample).or_else(|| recognise_binary(sample))
}

macro_rules! spoken {
    ($($protocol:ident),+) => {
        &[$(Spoken::Upgradable(Protocol::$protocol)),+]
    };
}

/// The beginnings that need no second look, of servers and of clients.
const TEXTS: &[(&[u8], &[Spoken])] = &[
    (b"* OK", spoken!(Imap)),
    (b"* PREAUTH", spoken!(Imap)),
    (b"* BYE", spoken!(Imap)),
    (b"* NO", spoken!(Imap)),
    (b"* BAD", spoken!(Imap)),
    (b"* CAPABILITY", spoken!(Imap)),
    (b"+OK", spoken!(Pop3)),
    (b"-ERR '", spoken!(Nats)),
    (b"-ERR unknown command", &[Spoken::Redis]),
    (b"-ERR wrong number of arguments", &[Spoken::Redis]),
    (b"-DENIED Redis", &[Spoken::Redis]),
    (b"-NOAUTH", &[Spoken::Redis]),
    (b"-ERR", spoken!(Pop3)),
    (b"200 ", spoken!(Nntp)),
    (b"201 ", spoken!(Nntp)),
    (b"\"IMPLEMENTATION\"", spoken!(Sieve)),
    (b"INFO {", spoken!(Nats)),
    (b"CONNECT {", spoken!(Nats)),
    (b"# munin", spoken!(Munin)),
    (b"RFB ", spoken!(Vencrypt)),
    (b"NBDM", spoken!(Nbd)),
    (b"NOTICE ", spoken!(Irc)),
    (b"ERROR :", spoken!(Irc)),
    (b"CAP LS", spoken!(Irc)),
    (b"NICK ", spoken!(Irc)),
    (b"EHLO", spoken!(Smtp)),
    (b"HELO", spoken!(Smtp)),
    (b"LHLO", spoken!(Lmtp)),
    (b"PROXY ", spoken!(ProxyV1)),
    (b"\r\n\r\n\0\r\nQUIT\n", spoken!(ProxyV2)),
    (b"CONNECT ", spoken!(Connect)),
    // Four bytes are all that is kept where a length was expected.
    (b"HTTP", &[Spoken::Http]),
    (b"GET ", &[Spoken::Http]),
    (b"HEAD", &[Spoken::Http]),
    (b"POST", &[Spoken::Http]),
    (b"PUT ", &[Spoken::Http]),
    (b"DELETE ", &[Spoken::Http]),
    (b"OPTIONS ", &[Spoken::Http]),
    (b"PRI * HTTP/2", &[Spoken::Http]),
    (b"SSH-", &[Spoken::Ssh]),
    (b"AMQP", &[Spoken::Amqp]),
    (b"BYE ", spoken!(Sieve)),
    (b"TLS OK", spoken!(Munin)),
    (b"ERR ", spoken!(Nut)),
    (b"GROUP ", spoken!(Nntp)),
    (b"MODE READER", spoken!(Nntp)),
    (b"AUTH TLS", spoken!(Ftp)),
    (b"AUTH SSL", spoken!(Ftp)),
];

fn recognise_text(sample: &[u8]) -> Option<&'static [Spoken]> {
    let contains = |word: &[u8]| {
        sample
            .windows(word.len())
            .any(|window| window.eq_ignore_ascii_case(word))
    };
    if let Some((_, spoken)) = TEXTS.iter().find(|(start, _)| sample.starts_with(start)) {
        return Some(spoken);
    }
    match sample {
        // SMTP, LMTP and FTP greet alike; most servers name the protocol.
        [b'2', b'2', b'0', b' ' | b'-', ..]
        | [b'4' | b'5', b'0'..=b'9', b'0'..=b'9', b' ' | b'-', ..] => Some(
            match (contains(b"SMTP"), contains(b"LMTP"), contains(b"FTP")) {
                (true, false, false) => spoken!(Smtp),
                (false, true, false) => spoken!(Lmtp),
                (false, false, true) => spoken!(Ftp),
                _ => match sample {
                    // "no SMTP service here" (RFC 5321 section 3.1), "host never accepts mail" (RFC 7504)
                    [b'5', b'5', b'4', ..] | [b'5', b'2', b'1', ..] => spoken!(Smtp),
                    // "service temporarily" and "permanently unavailable" (RFC 3977 section 5.1)
                    [b'4', b'0', b'0', ..] | [b'5', b'0', b'2', ..] => spoken!(Nntp),
                    _ => spoken!(Smtp, Ftp),
                },
            },
        ),
        [b'<', b'?', b'x', b'm', b'l', ..] | [b'<', b's', b't', b'r', b'e', b'a', b'm', ..] => {
            Some(if contains(b"jabber:server") {
                spoken!(XmppServer)
            } else {
                spoken!(Xmpp)
            })
        }
        [b':', ..] if contains(b" NOTICE ") => Some(spoken!(Irc)),
        _ => None,
    }
}

fn recognise_binary(sample: &[u8]) -> Option<&'static [Spoken]> {
    match sample {
        // IAC and a verb
        [255, 250..=254, ..] => Some(spoken!(Telnet)),
        // Length, sequence id 0, protocol version 10 and the digit of a version; or an error packet.
        [_, _, 0, 0, 10, b'0'..=b'9', ..] | [_, _, 0, 0, 255, ..] => Some(spoken!(Mysql)),
        // ErrorResponse; SSLRequest and GSSENCRequest, whatever is behind them; CancelRequest, whose key has 4 to 256 bytes; StartupMessage
        [b'E', 0, 0, ..]
        | [0, 0, 0, 8, 4, 210, 22, 47 | 48, ..]
        | [0, 0, 0 | 1, _, 4, 210, 22, 46, ..]
        | [0, 0, _, _, 0, 3, 0..=2, 0..=2, ..] => Some(spoken!(Postgres)),
        // PRELOGIN of a client; the answer of a server, which says how long it is
        [0x12, 0 | 1, _, _, 0, 0, _, 0, ..] => Some(&[Spoken::Tds]),
        [4, 1, high, low, 0, 0, _, _, ..]
            if usize::from(u16::from_be_bytes([*high, *low])) == sample.len() =>
        {
            Some(&[Spoken::Tds])
        }
        // A request of SOCKS 4, up to the NUL of its user id; a reply
        [4, 1 | 2, _, _, _, _, _, _, user @ ..] if user.contains(&0) => Some(spoken!(Socks4)),
        [0, 90..=93, _, _, _, _, _, _] => Some(spoken!(Socks4)),
        // LDAPMessage: a SEQUENCE with an INTEGER in front
        [0x30, 0..=0x7f, 2, ..]
        | [0x30, 0x81, _, 2, ..]
        | [0x30, 0x82, _, _, 2, ..]
        | [0x30, 0x84, _, _, _, _, 2, ..] => Some(spoken!(Ldap)),
        // TPKT with a Connection Request or a Confirm
        [3, 0, 0, _, _, 0xe0 | 0xd0, ..] => Some(spoken!(Rdp)),
        // A record of a call of RPC version 2
        [0x80, 0, _, _, _, _, _, _, 0, 0, 0, 0, 0, 0, 0, 2, ..] => Some(spoken!(Rpc)),
        [5, methods @ 1..=9, rest @ ..] if rest.len() == usize::from(*methods) => {
            Some(spoken!(Socks5))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_recognised() {
        let cases: &[(&[u8], &[Spoken])] = &[
            (b"220 mail.example.org ESMTP Postfix\r\n", spoken!(Smtp)),
            (b"220-mail.example.org ESMTP\r\n220 hi\r\n", spoken!(Smtp)),
            (b"220 mail.example.org LMTP\r\n", spoken!(Lmtp)),
            (b"220 (vsFTPd 3.0.3)\r\n", spoken!(Ftp)),
            (b"220 ProFTPD Server ready.\r\n", spoken!(Ftp)),
            (b"220 ready\r\n", spoken!(Smtp, Ftp)),
            (b"220 FTP and SMTP\r\n", spoken!(Smtp, Ftp)),
            (b"421 too many connections\r\n", spoken!(Smtp, Ftp)),
            (
                b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n",
                spoken!(Imap),
            ),
            (b"+OK Dovecot ready.\r\n", spoken!(Pop3)),
            (b"200 news.example.org\r\n", spoken!(Nntp)),
            (b"201 news.example.org\r\n", spoken!(Nntp)),
            (
                b"\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"\r\n",
                spoken!(Sieve),
            ),
            (b"HTTP/1.1 400 Bad Request\r\n", &[Spoken::Http]),
            (b"SSH-2.0-OpenSSH_9.2\r\n", &[Spoken::Ssh]),
            (b"RFB 003.008\n", spoken!(Vencrypt)),
            (b"NBDMAGICIHAVEOPT\0\x03", spoken!(Nbd)),
            (b"INFO {\"server_id\":\"x\"}\r\n", spoken!(Nats)),
            (b"# munin node at example\n", spoken!(Munin)),
            (
                b":irc.example.org NOTICE * :*** Looking up\r\n",
                spoken!(Irc),
            ),
            (b"\xff\xfd\x18\xff\xfd\x20", spoken!(Telnet)),
            (b"\x4a\0\0\0\x0a8.0.36\0", spoken!(Mysql)),
            (b"\x45\0\0\0\xff\x6a\x04Host", spoken!(Mysql)),
            (b"E\0\0\0\x8bSFATAL\0", spoken!(Postgres)),
            (b"-ERR [SYS/TEMP] busy\r\n", spoken!(Pop3)),
            (b"-ERR 'Authorization Violation'\r\n", spoken!(Nats)),
            (
                b"-ERR unknown command 'EHLO', with args\r\n",
                &[Spoken::Redis],
            ),
            (b"554 no SMTP service here\r\n", spoken!(Smtp)),
            (b"521 mail not accepted\r\n", spoken!(Smtp)),
            (b"530 too many FTP users\r\n", spoken!(Ftp)),
            (b"502 no permission\r\n", spoken!(Nntp)),
            (b"* NO too many connections\r\n", spoken!(Imap)),
            (b"AMQP\x00\x00\x09\x01", &[Spoken::Amqp]),
            (b"\x04\x01\0\x0c\0\0\x01\0\0\0\0\0", &[Spoken::Tds]),
            (b"\0\x5b\0\0\0\0\0\0", spoken!(Socks4)),
            (b"\x30\x24\x02\x01\x00\x78\x1f", spoken!(Ldap)),
            (
                b"<?xml version='1.0'?><stream:stream xmlns='jabber:client'>",
                spoken!(Xmpp),
            ),
            (
                b"<stream:stream xmlns='jabber:server'>",
                spoken!(XmppServer),
            ),
        ];
        for (sample, expected) in cases {
            assert_eq!(
                recognise(sample),
                Some(*expected),
                "{}",
                sample.escape_ascii()
            );
        }
    }

    #[test]
    fn what_clients_say_to_a_server_is_recognised() {
        let cases: &[(&[u8], &[Spoken])] = &[
            (b"EHLO me.example.net\r\n", spoken!(Smtp)),
            (b"GET / HTTP/1.1\r\n", &[Spoken::Http]),
            (b"CONNECT example.org:443 HTTP/1.1\r\n", spoken!(Connect)),
            (b"CONNECT {\"verbose\":false}\r\n", spoken!(Nats)),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", spoken!(ProxyV1)),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", spoken!(ProxyV2)),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", spoken!(Postgres)),
            (b"\0\0\0\x54\0\x03\0\0user\0", spoken!(Postgres)),
            (b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0", spoken!(Rdp)),
            (b"\x80\0\0\x28\0\0\0\x01\0\0\0\0\0\0\0\x02", spoken!(Rpc)),
            (b"\x05\x01\x00", spoken!(Socks5)),
            (b"\x04\x01\0\x19\xc0\0\x02\x01me\0", spoken!(Socks4)),
            (
                b"\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x54\0\x03\0\0",
                spoken!(Postgres),
            ),
            (
                b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\x30\x39\x12\x34\x56\x78",
                spoken!(Postgres),
            ),
            (b"\x12\x01\0\x2f\0\0\x01\0\0\0\x1a\0\x06", &[Spoken::Tds]),
            (b"AMQP\x03\x01\x00\x00", &[Spoken::Amqp]),
        ];
        for (sample, expected) in cases {
            assert_eq!(
                recognise(sample),
                Some(*expected),
                "{}",
                sample.escape_ascii()
            );
        }
    }

    #[test]
    fn what_is_unknown_is_no_diagnosis() {
        for sample in [
            &b""[..],
            b"2",
            b"220",
            b"hello",
            b"\x16\x03\x01",
            b"\0\0\0\0",
            b"<html>",
        ] {
            assert_eq!(recognise(sample), None, "{}", sample.escape_ascii());
        }
    }
}
