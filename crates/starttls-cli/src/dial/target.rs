//! Hosts and protocols as people type them.

use std::fmt;
use std::str::FromStr;

use starttls_protocols::registry::{AfterTls, Protocol};

/// `HOST` or `HOST:PORT`; an IPv6 address with a port has brackets around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    /// A name or an address, without brackets.
    pub(crate) name: String,
    pub(crate) port: Option<u16>,
}

impl Host {
    pub(crate) fn with_port(&self, port: u16) -> String {
        if self.name.contains(':') {
            format!("[{}]:{port}", self.name)
        } else {
            format!("{}:{port}", self.name)
        }
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (name, rest) = rest.split_once(']').ok_or("no ] behind the address")?;
                (name, rest.strip_prefix(':'))
            }
            // More than one colon: an IPv6 address without a port.
            None if text.matches(':').count() > 1 => (text, None),
            None => match text.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (text, None),
            },
        };
        let is_name = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'%')
        };
        if name.is_empty() || name.starts_with('-') || !name.bytes().all(is_name) {
            return Err("a host is a name in ASCII or an address".to_owned());
        }
        let port = match port {
            Some(port) => Some(port.parse().map_err(|_| "a port is 1 to 65535")?),
            None => None,
        };
        if port == Some(0) {
            return Err("a port is 1 to 65535".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => f.write_str(&self.with_port(port)),
            None => f.write_str(&self.name),
        }
    }
}

/// What people call a protocol, and the port that goes with that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    /// `None` is TLS from the first byte, whatever is inside.
    pub(crate) protocol: Option<Protocol>,
    port: Option<u16>,
}

/// Names that go with a port of their own, or that mean an upgrade here only; the others are the registry's.
const NAMES: &[(&str, Protocol, Option<u16>)] = &[
    ("submission", Protocol::Smtp, Some(587)),
    ("http", Protocol::HttpUpgrade, None),
    ("ipp", Protocol::HttpUpgrade, Some(631)),
];

impl Name {
    pub(crate) fn of(protocol: Protocol) -> Self {
        Self {
            protocol: Some(protocol),
            port: None,
        }
    }

    /// TLS from the first byte, with anything inside.
    pub(crate) fn tls() -> Self {
        Self {
            protocol: None,
            port: None,
        }
    }

    /// The port if none is said: that of TLS from the first byte, or that of the upgrade.
    pub(crate) fn default_port(self, implicit: bool) -> Option<u16> {
        let Some(protocol) = self.protocol else {
            return Some(443);
        };
        let facts = protocol.facts();
        if implicit {
            facts.implicit_tls_port
        } else {
            self.port.or(facts.port)
        }
    }

    pub(crate) fn text(self) -> &'static str {
        self.protocol.map_or("tls", Protocol::name)
    }

    /// All protocols that end at a server, and not in another protocol.
    pub(crate) fn ends() -> impl Iterator<Item = Protocol> {
        Protocol::ALL
            .into_iter()
            .filter(|protocol| protocol.facts().after_tls != AfterTls::Inner)
    }

    pub(crate) fn list() -> String {
        let names: Vec<_> = Self::ends().map(Protocol::name).collect();
        let registry = Self::ends().flat_map(|protocol| protocol.facts().aliases);
        let own = NAMES.iter().map(|(name, ..)| name);
        let mut aliases: Vec<_> = registry.chain(own).copied().collect();
        aliases.sort_unstable();
        aliases.dedup();
        format!(
            "known are {}, tls; also {}",
            names.join(", "),
            aliases.join(", ")
        )
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        if lower == "tls" {
            return Ok(Self::tls());
        }
        let alias = NAMES.iter().find(|alias| alias.0 == lower);
        if let Some((_, protocol, port)) = alias {
            return Ok(Self {
                protocol: Some(*protocol),
                port: *port,
            });
        }
        match lower.parse::<Protocol>() {
            Ok(protocol) if protocol.facts().after_tls == AfterTls::Inner => Err(format!(
                "{protocol} leads to another protocol: say that one here, and this with --via or --proxy-header"
            )),
            Ok(protocol) => Ok(Self::of(protocol)),
            Err(_) => Err(Self::list()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_parsed_with_and_without_ports() {
        let host = |text: &str| text.parse::<Host>().map(|host| (host.name, host.port));
        let ok = |name: &str, port| Ok((name.to_owned(), port));
        assert_eq!(host("mail.example.org"), ok("mail.example.org", None));
        assert_eq!(
            host("mail.example.org:2525"),
            ok("mail.example.org", Some(2525))
        );
        assert_eq!(host("[::1]:25"), ok("::1", Some(25)));
        assert_eq!(host("[::1]"), ok("::1", None));
        assert_eq!(host("2001:db8::1"), ok("2001:db8::1", None));
        for wrong in ["", ":25", "a:0", "a:x", "[::1", "a b", "-o:1", "a:99999"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_protocol_has_its_own_name_and_no_alias_hides_one() {
        for protocol in Name::ends() {
            assert_eq!(protocol.name().parse::<Name>(), Ok(Name::of(protocol)));
        }
        for (name, protocol, _) in NAMES {
            assert!(
                name.parse()
                    .is_ok_and(|name: Name| name.protocol == Some(*protocol))
            );
            assert!(
                name.parse()
                    .map_or(true, |known: Protocol| known == *protocol)
            );
        }
        assert_eq!(
            "Submission".parse::<Name>().unwrap().default_port(false),
            Some(587)
        );
        assert_eq!(
            "submission".parse::<Name>().unwrap().default_port(true),
            Some(465)
        );
        assert!("socks5".parse::<Name>().unwrap_err().contains("--via"));
    }
}
