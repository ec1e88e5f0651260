use std::net::{IpAddr, SocketAddr};

use starttls_core::rustls::ClientConnection;
use starttls_core::{Boundary, Error, Misuse, Negotiator, Plain, Progress};

use super::{TYPE_AUTHORITY, TYPE_CRC32C, V2, crc32c};
use crate::read::dialogue::Outcome;
use crate::tunnel::Tunnel;

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
    addresses: Option<(SocketAddr, SocketAddr)>,
    tlvs: Vec<(u8, Vec<u8>)>,
    checksum: bool,
    outcome: Outcome,
}

impl Writer {
    /// Version 1: a TCP connection from `source` to `destination`, both of one family.
    pub fn v1(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::with(true, Some((source, destination)))
    }

    /// Version 2 of the same.
    pub fn v2(source: SocketAddr, destination: SocketAddr) -> Self {
        Self::with(false, Some((source, destination)))
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

    /// Adds the host name that the client has asked for.
    #[must_use]
    pub fn authority(self, name: &str) -> Self {
        self.tlv(TYPE_AUTHORITY, name)
    }

    /// Adds a checksum, in version 2 with addresses.
    #[must_use]
    pub fn crc32c(mut self) -> Self {
        self.checksum = true;
        self
    }

    fn with(is_v1: bool, addresses: Option<(SocketAddr, SocketAddr)>) -> Self {
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
        match self.addresses {
            _ if has_more && (self.is_v1 || self.addresses.is_none()) => {
                Err(Misuse::Configuration("TLVs without version 2 and addresses").into())
            }
            Some((source, destination)) if source.is_ipv4() != destination.is_ipv4() => {
                Err(Misuse::Configuration("addresses of two families").into())
            }
            Some((source, destination)) if self.is_v1 => Ok(header_v1(source, destination)),
            Some((source, destination)) => self.header_v2(source, destination),
            None if self.is_v1 => Ok(b"PROXY UNKNOWN\r\n".to_vec()),
            None => Ok([V2, &[0x20, 0, 0, 0]].concat()),
        }
    }

    fn header_v2(&self, source: SocketAddr, destination: SocketAddr) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        for address in [source, destination] {
            match address.ip() {
                IpAddr::V4(address) => body.extend(address.octets()),
                IpAddr::V6(address) => body.extend(address.octets()),
            }
        }
        body.extend(source.port().to_be_bytes());
        body.extend(destination.port().to_be_bytes());
        let too_long = |_| Error::from(Misuse::Configuration("TLVs of more than 64 KiB"));
        for (kind, value) in &self.tlvs {
            body.push(*kind);
            body.extend(u16::try_from(value.len()).map_err(too_long)?.to_be_bytes());
            body.extend(value);
        }
        if self.checksum {
            body.extend([TYPE_CRC32C, 0, 4, 0, 0, 0, 0]);
        }
        let length = u16::try_from(body.len()).map_err(too_long)?;
        let family = if source.is_ipv4() { 0x11 } else { 0x21 };
        let mut header = [V2, &[0x21, family], &length.to_be_bytes(), &body].concat();
        if self.checksum {
            let checksum = crc32c(&header).to_be_bytes();
            header.truncate(header.len().saturating_sub(checksum.len()));
            header.extend(checksum);
        }
        Ok(header)
    }
}

impl Writer {
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
