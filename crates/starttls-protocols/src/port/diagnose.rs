//! The two modes mixed up: plaintext where TLS is expected, TLS where plaintext is.

use std::fmt;

use starttls_core::{Error, Misbehaviour};

use crate::registry::{Protocol, Role};

/// What an error shows about the mode of the peer, if it shows something.
///
/// Two errors do: [`Error::NotTls`], if the peer's first bytes are those of a known protocol, and
/// [`Misbehaviour::TlsTooEarly`]. A client that waits for a greeting on a port with implicit TLS hears nothing at all, since there
/// the server waits as well: that is a deadline, and no proof of anything.
///
/// ```
/// use starttls_core::{Error, UntrustedText};
/// use starttls_protocols::diagnose::diagnose;
///
/// let error = Error::NotTls { sample: UntrustedText::new(b"220 mail.example.org ESMTP\r\n") };
/// assert_eq!(
///     diagnose(&error).unwrap().to_string(),
///     "the peer speaks SMTP in plaintext: this port wants STARTTLS (with TLS from the first byte, 465 is usual)",
/// );
/// ```
pub fn diagnose(error: &Error) -> Option<Diagnosis> {
    let found = match error {
        Error::NotTls { sample } => Found::Plaintext(recognise(sample.as_bytes())?),
        Error::Misbehaved(Misbehaviour::TlsTooEarly) => Found::Tls,
        _ => return None,
    };
    Some(Diagnosis {
        found,
        role: None,
        wanted: None,
    })
}

/// What was found, and what the caller was about to do. `Display` says it as advice to people; no word of the peer is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// What the peer did.
    pub found: Found,
    /// Our side of the connection, if it was said.
    pub role: Option<Role>,
    /// The protocol that was to be spoken, if it was said.
    pub wanted: Option<Protocol>,
}

/// What the peer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// It spoke plaintext where TLS should begin: one of these.
    Plaintext(&'static [Spoken]),
    /// It began with TLS where plaintext should have come first.
    Tls,
}

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
}

impl Diagnosis {
    /// Says which side we are, for clearer advice.
    #[must_use]
    pub fn role(self, role: Role) -> Self {
        Self {
            role: Some(role),
            ..self
        }
    }

    /// Says what was to be spoken, for the port of its implicit TLS.
    #[must_use]
    pub fn wanted(self, protocol: Protocol) -> Self {
        Self {
            wanted: Some(protocol),
            ..self
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.found, self.role) {
            (Found::Plaintext(spoken), role) => plaintext(spoken, role, f),
            (Found::Tls, Some(Role::Client)) => {
                f.write_str(
                    "the server speaks TLS from the first byte: this port is implicit TLS",
                )?;
                self.usual_port(f)
            }
            (Found::Tls, Some(Role::Server)) => {
                f.write_str("the client began with TLS: it did not wait for the go-ahead, or it takes this port for implicit TLS")?;
                self.usual_port(f)
            }
            (Found::Tls, None) => {
                f.write_str("the peer began with TLS: the server's port is implicit TLS, or the client did not wait for the go-ahead")?;
                self.usual_port(f)
            }
        }
    }
}

impl Diagnosis {
    fn usual_port(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.wanted.map(Protocol::facts);
        let Some((facts, implicit)) =
            facts.and_then(|facts| Some((facts, facts.implicit_tls_port?)))
        else {
            return Ok(());
        };
        write!(f, " ({} has {implicit} for that", facts.title)?;
        if let Some(port) = facts.port {
            write!(f, ", and {port} for {}", facts.upgrade)?;
        }
        f.write_str(")")
    }
}

fn plaintext(spoken: &[Spoken], role: Option<Role>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("the peer speaks ")?;
    for (index, one) in spoken.iter().enumerate() {
        write!(f, "{}{}", if index == 0 { "" } else { " or " }, one.title())?;
    }
    f.write_str(" in plaintext: ")?;
    let upgradable: Vec<_> = spoken
        .iter()
        .filter_map(|one| match one {
            Spoken::Upgradable(protocol) => Some(protocol.facts()),
            Spoken::Http | Spoken::Ssh => None,
        })
        .collect();
    match (&upgradable[..], role) {
        ([], Some(Role::Server)) => f.write_str("it takes this port for one without TLS"),
        ([], _) => f.write_str("this is no port with TLS"),
        ([only, ..], Some(Role::Server)) => {
            write!(f, "it takes this port for one with {}", only.upgrade)
        }
        (several, _) => {
            f.write_str("this port wants ")?;
            let mut names: Vec<_> = several.iter().map(|facts| facts.upgrade).collect();
            names.dedup();
            f.write_str(&names.join(" or "))?;
            let ports: Vec<_> = several
                .iter()
                .filter_map(|facts| facts.implicit_tls_port)
                .map(|port| port.to_string())
                .collect();
            match &ports[..] {
                [] => Ok(()),
                [one] => write!(f, " (with TLS from the first byte, {one} is usual)"),
                several => write!(
                    f,
                    " (with TLS from the first byte, {} are usual)",
                    several.join(" and ")
                ),
            }
        }
    }
}

impl Spoken {
    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Upgradable(protocol) => protocol.facts().title,
            Self::Http => "HTTP",
            Self::Ssh => "SSH",
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
    (b"+OK", spoken!(Pop3)),
    (b"200 ", spoken!(Nntp)),
    (b"201 ", spoken!(Nntp)),
    (b"554 ", spoken!(Smtp)),
    (b"\"IMPLEMENTATION\"", spoken!(Sieve)),
    (b"INFO {", spoken!(Nats)),
    (b"CONNECT {", spoken!(Nats)),
    (b"# munin", spoken!(Munin)),
    (b"RFB ", spoken!(Vencrypt)),
    (b"NBDMAGIC", spoken!(Nbd)),
    (b"NOTICE ", spoken!(Irc)),
    (b"ERROR :", spoken!(Irc)),
    (b"CAP LS", spoken!(Irc)),
    (b"NICK ", spoken!(Irc)),
    (b"EHLO ", spoken!(Smtp)),
    (b"HELO ", spoken!(Smtp)),
    (b"LHLO ", spoken!(Lmtp)),
    (b"PROXY ", spoken!(ProxyV1)),
    (b"\r\n\r\n\0\r\nQUIT\n", spoken!(ProxyV2)),
    (b"CONNECT ", spoken!(Connect)),
    (b"HTTP/", &[Spoken::Http]),
    (b"GET ", &[Spoken::Http]),
    (b"HEAD ", &[Spoken::Http]),
    (b"POST ", &[Spoken::Http]),
    (b"PUT ", &[Spoken::Http]),
    (b"DELETE ", &[Spoken::Http]),
    (b"OPTIONS ", &[Spoken::Http]),
    (b"PRI * HTTP/2", &[Spoken::Http]),
    (b"SSH-", &[Spoken::Ssh]),
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
        [b'2', b'2', b'0', b' ' | b'-', ..] | [b'4', b'2', b'1', b' ' | b'-', ..] => Some(
            match (contains(b"SMTP"), contains(b"LMTP"), contains(b"FTP")) {
                (true, false, false) => spoken!(Smtp),
                (false, true, false) => spoken!(Lmtp),
                (false, false, true) => spoken!(Ftp),
                _ => spoken!(Smtp, Ftp),
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
        // ErrorResponse; SSLRequest, GSSENCRequest, StartupMessage
        [b'E', 0, 0, ..] | [0, 0, 0, 8, 4, 210, 22, 47 | 48] | [0, 0, _, _, 0, 3, 0, 0, ..] => {
            Some(spoken!(Postgres))
        }
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
    use starttls_core::UntrustedText;

    fn found(sample: &[u8]) -> Option<&'static [Spoken]> {
        let sample = UntrustedText::new(sample);
        match diagnose(&Error::NotTls { sample })?.found {
            Found::Plaintext(spoken) => Some(spoken),
            Found::Tls => panic!("not from plaintext"),
        }
    }

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
            assert_eq!(found(sample), Some(*expected), "{}", sample.escape_ascii());
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
        ];
        for (sample, expected) in cases {
            assert_eq!(found(sample), Some(*expected), "{}", sample.escape_ascii());
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
            assert_eq!(found(sample), None, "{}", sample.escape_ascii());
        }
        assert_eq!(diagnose(&Error::NotOffered), None);
    }

    #[test]
    fn the_advice_names_upgrade_and_ports() {
        let advice = |sample: &[u8]| {
            let sample = UntrustedText::new(sample);
            diagnose(&Error::NotTls { sample }).unwrap()
        };
        assert_eq!(
            advice(b"220 ready\r\n").to_string(),
            "the peer speaks SMTP or FTP in plaintext: this port wants STARTTLS or AUTH TLS \
             (with TLS from the first byte, 465 and 990 are usual)"
        );
        assert_eq!(
            advice(b"SSH-2.0-x").to_string(),
            "the peer speaks SSH in plaintext: this is no port with TLS"
        );
        assert_eq!(
            advice(b"PROXY TCP4 ").role(Role::Server).to_string(),
            "the peer speaks PROXY protocol 1 in plaintext: it takes this port for one with PROXY header"
        );
        let tls = diagnose(&Misbehaviour::TlsTooEarly.into()).unwrap();
        assert_eq!(tls.found, Found::Tls);
        assert_eq!(
            tls.role(Role::Client).wanted(Protocol::Imap).to_string(),
            "the server speaks TLS from the first byte: this port is implicit TLS \
             (IMAP has 993 for that, and 143 for STARTTLS)"
        );
        assert_eq!(
            tls.role(Role::Server).wanted(Protocol::Rpc).to_string(),
            "the client began with TLS: it did not wait for the go-ahead, or it takes this port for implicit TLS"
        );
    }
}
