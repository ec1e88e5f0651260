//! What is said in an attack, as data: harmless commands of each protocol.

use starttls_protocols::registry::Protocol;

/// Harmless words of a protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    /// A command that is answered and changes nothing.
    pub(crate) noop: &'static [u8],
    /// The same in two parts.
    pub(crate) halves: Option<(&'static [u8], &'static [u8])>,
    /// Ends the session.
    pub(crate) end: &'static [u8],
    /// A command that a session remembers, and one that is answered differently after it.
    pub(crate) state: Option<(&'static [u8], &'static [u8])>,
    /// A request for the upgrade with a fault.
    pub(crate) faulty: Option<&'static [u8]>,
    /// An answer that nobody has asked for.
    pub(crate) reply: &'static [u8],
    /// A refusal of the upgrade; `TAG` is the first word of the request.
    pub(crate) refusal: Option<&'static [u8]>,
}

const LINES: Words = Words {
    noop: b"NOOP\r\n",
    halves: Some((b"NO", b"OP\r\n")),
    end: b"QUIT\r\n",
    state: None,
    faulty: Some(b"STARTTLS now\r\n"),
    reply: b"250 injected\r\n",
    refusal: None,
};

/// `None` where no harmless command is known.
pub(crate) fn words(protocol: Protocol) -> Option<Words> {
    Some(match protocol {
        Protocol::Smtp | Protocol::Lmtp => Words {
            state: Some((
                b"MAIL FROM:<probe@example.org>\r\n",
                b"RCPT TO:<probe@example.org>\r\n",
            )),
            refusal: Some(b"454 4.7.0 TLS is not available\r\n"),
            ..LINES
        },
        Protocol::Imap => Words {
            noop: b"i NOOP\r\n",
            halves: Some((b"i NO", b"OP\r\n")),
            end: b"q LOGOUT\r\n",
            faulty: Some(b"s STARTTLS now\r\n"),
            reply: b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",
            refusal: Some(b"TAG NO TLS is not available\r\n"),
            ..LINES
        },
        Protocol::Pop3 => Words {
            noop: b"CAPA\r\n",
            halves: Some((b"CA", b"PA\r\n")),
            state: Some((b"USER probe\r\n", b"PASS probe\r\n")),
            faulty: Some(b"STLS now\r\n"),
            reply: b"+OK injected\r\n",
            refusal: Some(b"-ERR TLS is not available\r\n"),
            ..LINES
        },
        Protocol::Nntp => Words {
            noop: b"DATE\r\n",
            halves: Some((b"DA", b"TE\r\n")),
            reply: b"101 injected\r\n.\r\n",
            refusal: Some(b"580 TLS is not available\r\n"),
            ..LINES
        },
        Protocol::Sieve => Words {
            noop: b"CAPABILITY\r\n",
            halves: Some((b"CAPA", b"BILITY\r\n")),
            end: b"LOGOUT\r\n",
            reply: b"OK \"injected\"\r\n",
            refusal: Some(b"NO \"TLS is not available\"\r\n"),
            ..LINES
        },
        Protocol::Ftp => Words {
            state: Some((b"USER anonymous\r\n", b"PASS probe@example.org\r\n")),
            faulty: Some(b"AUTH NOTHING\r\n"),
            reply: b"232 injected\r\n",
            refusal: Some(b"431 TLS is not available\r\n"),
            ..LINES
        },
        Protocol::Irc => Words {
            noop: b"PING i\r\n",
            halves: Some((b"PI", b"NG i\r\n")),
            faulty: None,
            reply: b":localhost 001 injected :Welcome\r\n",
            refusal: Some(b":localhost 691 * :TLS is not available\r\n"),
            ..LINES
        },
        Protocol::Nut => Words {
            noop: b"VER\n",
            halves: Some((b"VE", b"R\n")),
            end: b"LOGOUT\n",
            faulty: None,
            reply: b"OK\n",
            refusal: Some(b"ERR FEATURE-NOT-CONFIGURED\n"),
            ..LINES
        },
        Protocol::Munin => Words {
            noop: b"version\n",
            halves: Some((b"vers", b"ion\n")),
            end: b"quit\n",
            faulty: None,
            reply: b"injected\n",
            refusal: Some(b"# TLS is not available\n"),
            ..LINES
        },
        Protocol::Xmpp => Words {
            noop: b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>",
            halves: None,
            end: b"</stream:stream>",
            faulty: None,
            reply: b"<message xmlns='jabber:client'><body>injected</body></message>",
            refusal: Some(b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>"),
            ..LINES
        },
        Protocol::Ldap => Words {
            // A search of the root DSE for nothing, message 9; and an unbind.
            noop: b"\x30\x25\x02\x01\x09\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0bobjectClass\x30\x00",
            halves: None,
            end: b"\x30\x05\x02\x01\x0a\x42\x00",
            faulty: None,
            reply: b"\x30\x0c\x02\x01\x09\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
            refusal: Some(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00"),
            ..LINES
        },
        Protocol::Postgres => Words {
            // A StartupMessage of a user that nobody is, and Terminate.
            noop: b"\0\0\0\x14\0\x03\0\0user\0probe\0\0",
            halves: None,
            end: b"X\0\0\0\x04",
            faulty: None,
            reply: b"R\0\0\0\x08\0\0\0\0",
            refusal: Some(b"N"),
            ..LINES
        },
        _ => return None,
    })
}
