use std::net::{IpAddr, SocketAddr};

use starttls_core::rustls::ClientConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress};

use super::{
    Addresses, PATH, Ssl, TYPE_ALPN, TYPE_AUTHORITY, TYPE_CRC32C, TYPE_SSL, TYPE_UNIQUE_ID, V2,
    crc32c,
};
use crate::read::dialogue::Outcome;
use crate::tunnel::Tunnel;

/// The longest unique id (section 2.2.5).
const MAX_UNIQUE_ID: usize = 128;

/// The client's part: writes a header, and waits for nothing.
///
/// ```
/// use starttls_core::{Negotiator, Phase, Plain};
/// use starttls_protocols::proxy;
///
/// let mut writer = proxy::Writer::v1(([192, 0, 2, 1], 50000).into(), ([192, 0, 2, 2], 25).into());
/// let mut plain = Plain::new();
/// let _done = writer.advance(&mut plain)?;
/// let mut sent = Vec::new();
/// plain.poll_transmit(&mut sent);
/// assert_eq!(sent, b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 25\r\n");
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    is_v1: bool,
    addresses: Option<Addresses>,
    tlvs: Vec<(u8, Vec<u8>)>,
    checksum: bool,
    outcome: Outcome,
}

impl Writer {
    /// Version 1: a TCP connection from `source` to `destination`, both of one family.
    pub fn v1(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::with(true, Some(stream(source, destination)))
    }

    /// Version 2 of the same.
    pub fn v2(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::with(false, Some(stream(source, destination)))
    }

    /// Version 2 of datagrams (UDP), where the first thing on a connection is what has come in them.
    pub fn v2_datagram(source: SocketAddr, destination: SocketAddr) -> Self {
        let addresses = Addresses::Datagram {
            source,
            destination,
        };
        Self::with(false, Some(addresses))
    }

    /// Version 2 of a Unix socket, with paths of at most 108 bytes. That of the client is often empty.
    pub fn v2_unix(source: impl Into<Vec<u8>>, destination: impl Into<Vec<u8>>) -> Self {
        let addresses = Addresses::Unix {
            source: source.into(),
            destination: destination.into(),
        };
        Self::with(false, Some(addresses))
    }

    /// Version 1 without addresses (`UNKNOWN`).
    pub fn v1_unknown() -> Self {
        Self::with(true, None)
    }

    /// Version 2 on the sender's own behalf (`LOCAL`).
    pub fn v2_local() -> Self {
        Self::with(false, None)
    }

    /// Adds a TLV, in version 2 with addresses.
    #[must_use]
    pub fn tlv(mut self, kind: u8, value: impl Into<Vec<u8>>) -> Self {
        self.tlvs.push((kind, value.into()));
        self
    }

    /// Adds the protocol that was negotiated with the client, as `h2`.
    #[must_use]
    pub fn alpn(self, protocol: impl Into<Vec<u8>>) -> Self {
        self.tlv(TYPE_ALPN, protocol)
    }

    /// Adds the host name that the client has asked for.
    #[must_use]
    pub fn authority(self, name: &str) -> Self {
        self.tlv(TYPE_AUTHORITY, name)
    }

    /// Adds the connection's name in the proxy's log, of at most 128 bytes.
    #[must_use]
    pub fn unique_id(self, id: impl Into<Vec<u8>>) -> Self {
        self.tlv(TYPE_UNIQUE_ID, id)
    }

    /// Adds what is known of the TLS between the client and the proxy.
    #[must_use]
    pub fn ssl(mut self, ssl: &Ssl) -> Self {
        let mut value = vec![ssl.client];
        value.extend(ssl.verify.to_be_bytes());
        for (kind, detail) in &ssl.tlvs {
            value.push(*kind);
            // One that is too long makes the whole too long, which is found then.
            let length = u16::try_from(detail.len()).unwrap_or(u16::MAX);
            value.extend(length.to_be_bytes());
            value.extend(detail);
        }
        self.tlvs.push((TYPE_SSL, value));
        self
    }

    /// Adds a checksum, in version 2 with addresses.
    #[must_use]
    pub fn crc32c(mut self) -> Self {
        self.checksum = true;
        self
    }

    fn with(is_v1: bool, addresses: Option<Addresses>) -> Self {
        Self {
            is_v1,
            addresses,
            tlvs: Vec::new(),
            checksum: false,
            outcome: Outcome::default(),
        }
    }

    fn header(&self) -> Result<Vec<u8>, Error> {
        let has_more = self.checksum || !self.tlvs.is_empty();
        match &self.addresses {
            _ if has_more && (self.is_v1 || self.addresses.is_none()) => {
                Err(Misuse::Configuration("TLVs without version 2 and addresses").into())
            }
            Some(
                Addresses::Stream {
                    source,
                    destination,
                }
                | Addresses::Datagram {
                    source,
                    destination,
                },
            ) if source.is_ipv4() != destination.is_ipv4() => {
                Err(Misuse::Configuration("addresses of two families").into())
            }
            Some(Addresses::Stream {
                source,
                destination,
            }) if self.is_v1 => Ok(header_v1(*source, *destination)),
            Some(addresses) => self.header_v2(addresses),
            None if self.is_v1 => Ok(b"PROXY UNKNOWN\r\n".to_vec()),
            None => Ok([V2, &[0x20, 0, 0, 0]].concat()),
        }
    }

    fn header_v2(&self, addresses: &Addresses) -> Result<Vec<u8>, Error> {
        let (family, mut body) = match addresses {
            Addresses::Stream {
                source,
                destination,
            } => {
                let family = if source.is_ipv4() { 0x11 } else { 0x21 };
                (family, ip_block(*source, *destination))
            }
            Addresses::Datagram {
                source,
                destination,
            } => {
                let family = if source.is_ipv4() { 0x12 } else { 0x22 };
                (family, ip_block(*source, *destination))
            }
            Addresses::Unix {
                source,
                destination,
            } => (
                0x31,
                [path_block(source)?, path_block(destination)?].concat(),
            ),
        };
        let too_long = |_| Error::from(Misuse::Configuration("TLVs of more than 64 KiB"));
        for (kind, value) in &self.tlvs {
            if *kind == TYPE_UNIQUE_ID && value.len() > MAX_UNIQUE_ID {
                return Err(Misuse::Configuration("a unique id of more than 128 bytes").into());
            }
            body.push(*kind);
            body.extend(u16::try_from(value.len()).map_err(too_long)?.to_be_bytes());
            body.extend(value);
        }
        if self.checksum {
            body.extend([TYPE_CRC32C, 0, 4, 0, 0, 0, 0]);
        }
        let length = u16::try_from(body.len()).map_err(too_long)?;
        let mut header = [V2, &[0x21, family], &length.to_be_bytes(), &body].concat();
        if self.checksum {
            let checksum = crc32c(&header).to_be_bytes();
            header.truncate(header.len().saturating_sub(checksum.len()));
            header.extend(checksum);
        }
        Ok(header)
    }

    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        plain.write_all(&self.header()?)?;
        Ok(Progress::Done(Boundary::Exact))
    }
}

impl Negotiator for Writer {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if let Some(outcome) = self.outcome.get() {
            return outcome;
        }
        let progress = self.go_on(plain);
        self.outcome.keep(progress)
    }
}

impl Tunnel for Writer {}

fn header_v1(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!(
        "PROXY {family} {from} {to} {} {}\r\n",
        source.port(),
        destination.port()
    )
    .into_bytes()
}

fn stream(source: SocketAddr, destination: SocketAddr) -> Addresses {
    Addresses::Stream {
        source,
        destination,
    }
}

fn ip_block(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let mut block = Vec::new();
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(address) => block.extend(address.octets()),
            IpAddr::V6(address) => block.extend(address.octets()),
        }
    }
    block.extend(source.port().to_be_bytes());
    block.extend(destination.port().to_be_bytes());
    block
}

/// A path, filled up with NULs.
fn path_block(path: &[u8]) -> Result<[u8; PATH], Error> {
    let mut block = [0; PATH];
    block
        .get_mut(..path.len())
        .ok_or(Misuse::Configuration("a path of more than 108 bytes"))?
        .copy_from_slice(path);
    Ok(block)
}
