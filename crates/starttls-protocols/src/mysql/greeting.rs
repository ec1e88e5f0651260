use starttls_core::UntrustedText;

use super::{CLIENT_MYSQL, CLIENT_SSL, PROTOCOL_41};
use crate::read::fields::Fields;

/// What the server's greeting said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Greeting {
    /// The version of the handshake: 10, or 9 of servers before MySQL 3.21, whose greeting ends behind the scramble.
    pub protocol_version: u8,
    /// The server's version. MariaDB puts `5.5.5-` in front of its own.
    pub server_version: UntrustedText,
    /// The connection id, as in `KILL`.
    pub connection_id: u32,
    /// The random bytes that a password is hashed with: 20, any bytes, without the terminator behind them. From servers before 4.1, which have no
    /// second part of it, 8.
    pub scramble: Vec<u8>,
    /// The capability flags; with [`CLIENT_SSL`] the server offers TLS.
    pub capabilities: u32,
    /// MariaDB's further capability flags, 0 from MySQL.
    pub mariadb_capabilities: u32,
    /// The default character set and collation.
    pub character_set: u8,
    /// The status flags.
    pub status: u16,
    /// The authentication plugin that the server begins with.
    pub auth_plugin: UntrustedText,
}

impl Greeting {
    /// TLS, in the protocol since 4.1: a server before it has TLS, if at all, with another SSLRequest.
    pub(super) fn offers_tls(&self) -> bool {
        let needed = CLIENT_SSL | PROTOCOL_41;
        self.capabilities & needed == needed
    }

    /// The payload of a greeting behind its version byte, `protocol_version`.
    pub(super) fn parse(protocol_version: u8, mut fields: Fields<'_>) -> Option<Self> {
        let mut greeting = Self {
            protocol_version,
            server_version: UntrustedText::new(fields.until_nul()?),
            connection_id: u32::from_le_bytes(fields.array()?),
            scramble: Vec::new(),
            capabilities: 0,
            mariadb_capabilities: 0,
            character_set: 0,
            status: 0,
            auth_plugin: UntrustedText::default(),
        };
        if protocol_version == 9 {
            greeting.scramble = fields.until_nul()?.to_vec();
            return Some(greeting);
        }
        greeting.scramble = fields.bytes(8)?.to_vec();
        fields.u8()?;
        let [low, lower] = fields.array()?;
        greeting.capabilities = u32::from_le_bytes([low, lower, 0, 0]);
        if fields.rest().is_empty() {
            return Some(greeting);
        }
        greeting.character_set = fields.u8()?;
        greeting.status = u16::from_le_bytes(fields.array()?);
        let [upper, high] = fields.array()?;
        greeting.capabilities = u32::from_le_bytes([low, lower, upper, high]);
        let scramble_length = usize::from(fields.u8()?);
        fields.bytes(6)?;
        let mariadb = fields.array().map(u32::from_le_bytes)?;
        // With CLIENT_MYSQL these four bytes are filler.
        if greeting.capabilities & CLIENT_MYSQL == 0 {
            greeting.mariadb_capabilities = mariadb;
        }
        if !fields.rest().is_empty() {
            greeting.parse_second_part(scramble_length, &mut fields)?;
        }
        Some(greeting)
    }

    /// `$length` bytes, "max(13, length of auth-plugin-data - 8)", the last of them a terminator whatever it is; and the plugin.
    fn parse_second_part(&mut self, scramble_length: usize, fields: &mut Fields<'_>) -> Option<()> {
        let rest = fields.bytes(scramble_length.saturating_sub(8).max(13))?;
        self.scramble.extend(rest.iter().take(12));
        // Some servers leave the NUL behind the plugin's name out.
        let auth_plugin = fields.until_nul().unwrap_or(fields.rest());
        self.auth_plugin = UntrustedText::new(auth_plugin);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A greeting with this scramble, `length` as the length that it says, and what is behind the fixed part.
    fn parse(length: u8, rest: &[u8]) -> Option<Greeting> {
        let fixed = b"8.0.36\0\x07\0\0\0ABCDEFGH\0\xff\xff\x2d\x02\0\xff\xdf";
        let payload = [&fixed[..], &[length], &[0; 10], rest].concat();
        Greeting::parse(10, Fields::new(&payload))
    }

    #[test]
    fn the_scramble_has_20_bytes_whatever_they_are() {
        for (length, rest) in [
            (21, &b"IJKLMNOPQRST\0plugin\0"[..]),
            (21, b"IJKLMNOPQRSTUplugin\0"),
            (0, b"IJKLMNOPQRST\0plugin\0"),
            (21, b"\0\0KLMNOP\0RS\0\0plugin\0"),
            (24, b"IJKLMNOPQRSTUVW\0plugin"),
        ] {
            let greeting = parse(length, rest).unwrap();
            assert_eq!(greeting.scramble, [b"ABCDEFGH", &rest[..12]].concat());
            assert_eq!(greeting.auth_plugin.as_bytes(), b"plugin");
        }
        assert_eq!(parse(21, b"IJKL"), None, "cut off");
    }

    #[test]
    fn a_second_part_may_be_missing() {
        let greeting = parse(0, b"").unwrap();
        assert_eq!(greeting.scramble, b"ABCDEFGH");
        assert!(greeting.auth_plugin.is_empty());

        let short =
            Greeting::parse(10, Fields::new(b"3.23.58\0\x07\0\0\0ABCDEFGH\0\x0c\0")).unwrap();
        assert_eq!((short.capabilities, short.offers_tls()), (0x0c, false));
        let oldest = Greeting::parse(9, Fields::new(b"3.20.32\0\x07\0\0\0ABCDEFGH\0")).unwrap();
        assert_eq!(oldest.scramble, b"ABCDEFGH");
    }

    #[test]
    fn flags_of_mariadb_are_read_where_it_has_them() {
        let payload = [
            &b"5.5.5-10.11.6-MariaDB\0\x01\0\0\0ABCDEFGH\0\xfe\xff\x2d\x02\0\xff\x81\x15"[..],
            &[0; 6],
            &[0x1d, 0, 0, 0],
            b"IJKLMNOPQRST\0mysql_native_password",
        ];
        let greeting = Greeting::parse(10, Fields::new(&payload.concat())).unwrap();
        assert_eq!(greeting.mariadb_capabilities, 0x1d);
        assert_eq!(greeting.status, 2);
        let plugin = greeting.auth_plugin.as_bytes();
        assert_eq!(plugin, b"mysql_native_password", "without its NUL");
    }
}
