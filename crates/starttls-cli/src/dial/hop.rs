//! Proxies on the way, and the PROXY header in front of a server.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use starttls_protocols::registry::{ClientOptions, Protocol};

use crate::dial::Host;
use crate::secret;

/// The way to the peer.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ViaArguments {
    /// A proxy: (connect|socks4|socks5)://[USER@]HOST
    #[arg(long, value_name = "URL")]
    pub(crate) via: Vec<Hop>,
    /// The password of that USER; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) via_password: Option<PathBuf>,
    /// Begin with a PROXY header: v1 or v2
    #[arg(long, value_name = "VERSION", value_enum, hide_possible_values = true)]
    pub(crate) proxy_header: Option<ProxyHeader>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyHeader {
    V1,
    V2,
}

impl ProxyHeader {
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::V1 => Protocol::ProxyV1,
            Self::V2 => Protocol::ProxyV2,
        }
    }
}

/// One proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) protocol: Protocol,
    user: Option<String>,
    password: String,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl ViaArguments {
    /// The proxies with their password, in the order in which they are passed.
    pub(crate) fn hops(&self) -> Result<Vec<Hop>, String> {
        let password = self.via_password.as_deref().map(secret::read).transpose()?;
        let with_password = |mut hop: Hop| {
            if let (Some(_), Some(password)) = (&hop.user, &password) {
                hop.password.clone_from(password);
            }
            hop
        };
        Ok(self.via.iter().cloned().map(with_password).collect())
    }
}

impl Hop {
    /// What this proxy is told: to lead there.
    pub(crate) fn options(&self, host: &str, port: u16) -> ClientOptions {
        let options = ClientOptions::new(host).port(port);
        match &self.user {
            Some(user) => options.credentials(user, &self.password),
            None => options,
        }
    }
}

impl FromStr for Hop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("a proxy is connect://HOST:PORT, socks4://... or socks5://...")?;
        let protocol = match scheme.to_ascii_lowercase().as_str() {
            "connect" | "http" => Protocol::Connect,
            "socks4" | "socks4a" => Protocol::Socks4,
            "socks" | "socks5" | "socks5h" => Protocol::Socks5,
            _ => return Err("a proxy is connect://, socks4:// or socks5://".to_owned()),
        };
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, rest),
        };
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            return Err("passwords do not belong into arguments: use --via-password".to_owned());
        }
        let host: Host = host.trim_end_matches('/').parse()?;
        let usual = protocol.facts().port;
        let port = host.port.or(usual).ok_or("the proxy's port is missing")?;
        Ok(Self {
            protocol,
            user,
            password: String::new(),
            host: host.name,
            port,
        })
    }
}

/// As it was typed, without the user.
impl std::fmt::Display for Hop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = Host {
            name: self.host.clone(),
            port: Some(self.port),
        };
        write!(f, "{}://{host}", self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_parsed_and_passwords_refused() {
        let hop: Hop = "socks5://me@[::1]".parse().unwrap();
        assert_eq!(hop.to_string(), "socks5://[::1]:1080");
        assert_eq!(hop.user.as_deref(), Some("me"));
        let hop: Hop = "connect://proxy.example:3128/".parse().unwrap();
        assert_eq!(hop.to_string(), "connect://proxy.example:3128");
        for wrong in [
            "proxy:1",
            "ftp://a:1",
            "connect://a",
            "socks5://u:secret@a:1",
        ] {
            let error = wrong.parse::<Hop>().unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
