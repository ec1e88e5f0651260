//! The PROXY protocol, versions 1 and 2 ([HAProxy's specification]): one header in front of everything, which says where the connection came from.
//!
//! The header has no answer, so what follows may be in the same segment, a ClientHello included; it always is outside of TLS. Both sides are a
//! [`Tunnel`]: a protocol that upgrades may follow.
//!
//! Who sends the header says what it likes: a server reads it only on a port that nobody but its proxies can reach, and on that port always. Whether there is one
//! is never found out by looking (section 5).
//!
//! [HAProxy's specification]: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Misuse, Negotiator, Plain, Progress, rustls};

use crate::fields::{Fields, expect_start, take};
use crate::line::malformed;
use crate::tunnel::Tunnel;

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 1, line end included (section 2.1).
const MAX_V1: usize = 107;
/// The longest header of version 2 taken, behind its first 16 bytes. HAProxy's buffers have 16 KiB; the largest TLV in use is a client's certificate.
const MAX_V2: usize = 16 * 1024;
/// Version, command, family and length.
const V2_FIXED: usize = 16;

const TYPE_ALPN: u8 = 0x01;
const TYPE_AUTHORITY: u8 = 0x02;
const TYPE_CRC32C: u8 = 0x03;
const TYPE_UNIQUE_ID: u8 = 0x05;
const TYPE_SSL: u8 = 0x20;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Where the connection came from and what it was made to. `None`: the proxy speaks for itself (`LOCAL`), or does not know (`UNKNOWN`); then the addresses
    /// of the socket are the right ones.
    pub addresses: Option<Addresses>,
    /// Type and value of everything else (version 2), in order.
    pub tlvs: Vec<(u8, Vec<u8>)>,
}

/// Two ends of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Addresses {
    /// TCP.
    Stream {
        /// The client.
        source: SocketAddr,
        /// What it has connected to.
        destination: SocketAddr,
    },
    /// UDP.
    Datagram {
        /// The client.
        source: SocketAddr,
        /// What it has sent to.
        destination: SocketAddr,
    },
    /// A Unix socket: the paths, without the NULs that fill them up.
    Unix {
        /// The client's, often empty.
        source: Vec<u8>,
        /// The server's.
        destination: Vec<u8>,
    },
}

impl Header {
    /// The client's address, if it is one of TCP.
    pub fn source(&self) -> Option<SocketAddr> {
        match self.addresses {
            Some(Addresses::Stream { source, .. }) => Some(source),
            _ => None,
        }
    }

    /// What the client has connected to, if it is TCP.
    pub fn destination(&self) -> Option<SocketAddr> {
        match self.addresses {
            Some(Addresses::Stream { destination, .. }) => Some(destination),
            _ => None,
        }
    }

    /// The value of the first TLV of this type.
    pub fn tlv(&self, kind: u8) -> Option<&[u8]> {
        find(&self.tlvs, kind)
    }

    /// The protocol that the proxy has negotiated.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tlv(TYPE_ALPN)
    }

    /// The host name that the client has asked for, mostly in SNI. UTF-8 by the specification, not checked.
    pub fn authority(&self) -> Option<&[u8]> {
        self.tlv(TYPE_AUTHORITY)
    }

    /// The connection's name in the proxy's log.
    pub fn unique_id(&self) -> Option<&[u8]> {
        self.tlv(TYPE_UNIQUE_ID)
    }

    /// What the proxy says about the TLS between the client and itself.
    pub fn ssl(&self) -> Option<Ssl> {
        let mut fields = Fields::new(self.tlv(TYPE_SSL)?);
        Some(Ssl {
            client: fields.u8()?,
            verify: fields.u32()?,
            tlvs: parse_tlvs(fields)?,
        })
    }
}

/// TLS between the client and the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ssl {
    /// Bits: 1 the client has used TLS, 2 a certificate came on this connection, 4 one came in this session.
    pub client: u8,
    /// 0 if the client's certificate was verified.
    pub verify: u32,
    /// Type and value of the details.
    pub tlvs: Vec<(u8, Vec<u8>)>,
}

impl Ssl {
    /// The client has connected with TLS.
    pub fn is_tls(&self) -> bool {
        self.client & 1 != 0
    }

    /// The client has sent a certificate, at least once, and the proxy has found it good.
    pub fn is_verified(&self) -> bool {
        self.client & 6 != 0 && self.verify == 0
    }

    /// The version, as `TLSv1.3`.
    pub fn version(&self) -> Option<&[u8]> {
        find(&self.tlvs, 0x21)
    }

    /// The common name of the client's certificate.
    pub fn common_name(&self) -> Option<&[u8]> {
        find(&self.tlvs, 0x22)
    }

    /// The cipher suite, in OpenSSL's spelling.
    pub fn cipher(&self) -> Option<&[u8]> {
        find(&self.tlvs, 0x23)
    }
}

fn find(tlvs: &[(u8, Vec<u8>)], kind: u8) -> Option<&[u8]> {
    let (_, value) = tlvs.iter().find(|(key, _)| *key == kind)?;
    Some(value)
}

/// The server's part: reads a header of either version. What follows it goes to TLS, or to the negotiator behind it.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::proxy;
///
/// let mut reader = proxy::Reader::new();
/// let mut plain = Plain::with_prefix(b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 993\r\n\x16\x03\x01");
/// assert_eq!(reader.advance(&mut plain)?, Progress::Done(Boundary::Pipelined));
/// assert_eq!(plain.peek(), b"\x16\x03\x01");
/// let source = reader.header().and_then(|header| header.source());
/// assert_eq!(source, Some(([192, 0, 2, 1], 50000).into()));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    header: Option<Header>,
}

impl Reader {
    /// Reads one header, which must be there.
    pub fn new() -> Self {
        Self { header: None }
    }

    /// What the header said, once it was read.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Negotiator for Reader {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let header = match plain.peek() {
            [] => None,
            [b'\r', ..] => read_v2(plain)?,
            _ => read_v1(plain)?,
        };
        if header.is_none() {
            return Ok(Progress::NeedInput);
        }
        self.header = header;
        Ok(Progress::Done(Boundary::Pipelined))
    }
}

impl Tunnel for Reader {}

fn read_v1(plain: &mut Plain) -> Result<Option<Header>, Error> {
    let unread = plain.peek();
    expect_start(unread, V1, "PROXY header")?;
    let window = unread.get(..MAX_V1).unwrap_or(unread);
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        if window.len() == MAX_V1 {
            return Err(Misbehaviour::TooLong {
                what: "PROXY header",
                limit: MAX_V1,
            }
            .into());
        }
        return Ok(None);
    };
    let line = window.get(..end).unwrap_or_default();
    let header = parse_v1(line).ok_or_else(|| malformed("PROXY header", line))?;
    plain.consume(end.saturating_add(1));
    Ok(Some(header))
}

fn parse_v1(line: &[u8]) -> Option<Header> {
    let text = std::str::from_utf8(line.strip_suffix(b"\r")?).ok()?;
    let mut words = text.strip_prefix("PROXY ")?.split(' ');
    let is_v4 = match words.next()? {
        "TCP4" => true,
        "TCP6" => false,
        // "the receiver must ignore anything presented before the CRLF" (section 2.1)
        "UNKNOWN" => {
            let (addresses, tlvs) = (None, Vec::new());
            return Some(Header { addresses, tlvs });
        }
        _ => return None,
    };
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        if is_v4 {
            word.parse::<Ipv4Addr>().ok().map(IpAddr::from)
        } else {
            word.parse::<Ipv6Addr>().ok().map(IpAddr::from)
        }
    };
    let (source, destination) = (address()?, address()?);
    let mut port = || -> Option<u16> {
        let word = words.next()?;
        // "Heading zeroes are not permitted"
        let is_plain = word.bytes().all(|byte| byte.is_ascii_digit())
            && (word == "0" || !word.starts_with('0'));
        word.parse().ok().filter(|_| is_plain)
    };
    let (source, destination) = (
        SocketAddr::new(source, port()?),
        SocketAddr::new(destination, port()?),
    );
    match words.next() {
        None => Some(Header {
            addresses: Some(Addresses::Stream {
                source,
                destination,
            }),
            tlvs: Vec::new(),
        }),
        Some(_) => None,
    }
}

fn read_v2(plain: &mut Plain) -> Result<Option<Header>, Error> {
    let unread = plain.peek();
    expect_start(unread, V2, "PROXY header")?;
    let Some(fixed) = unread.get(..V2_FIXED) else {
        return Ok(None);
    };
    let [.., command, family, high, low] = fixed else {
        return Ok(None);
    };
    let (command, family) = (*command, *family);
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > MAX_V2 {
        return Err(Misbehaviour::TooLong {
            what: "PROXY header",
            limit: MAX_V2,
        }
        .into());
    }
    let Some(header) = take(plain, length.saturating_add(V2_FIXED)) else {
        return Ok(None);
    };
    let fixed = header.get(..V2_FIXED).unwrap_or_default();
    let malformed = || malformed("PROXY header", fixed);
    parse_v2(&header, command, family)
        .map(Some)
        .ok_or_else(malformed)
}

fn parse_v2(header: &[u8], command: u8, family: u8) -> Option<Header> {
    let mut fields = Fields::new(header.get(V2_FIXED..)?);
    match command {
        // LOCAL: everything is there to be skipped.
        0x20 => {
            let (addresses, tlvs) = (None, Vec::new());
            return Some(Header { addresses, tlvs });
        }
        0x21 => {}
        _ => return None,
    }
    let addresses = match family {
        // UNSPEC: where addresses of an unknown family end cannot be known.
        0x00 => {
            let (addresses, tlvs) = (None, Vec::new());
            return Some(Header { addresses, tlvs });
        }
        0x11 | 0x12 | 0x21 | 0x22 => {
            let is_v4 = family & 0xf0 == 0x10;
            let (source, destination) = (ip(&mut fields, is_v4)?, ip(&mut fields, is_v4)?);
            let source = SocketAddr::new(source, fields.u16()?);
            let destination = SocketAddr::new(destination, fields.u16()?);
            if family & 0x0f == 1 {
                Addresses::Stream {
                    source,
                    destination,
                }
            } else {
                Addresses::Datagram {
                    source,
                    destination,
                }
            }
        }
        0x31 | 0x32 => Addresses::Unix {
            source: path(fields.bytes(108)?),
            destination: path(fields.bytes(108)?),
        },
        _ => return None,
    };
    let addresses = Some(addresses);
    let tlvs = parse_tlvs(fields)?;
    if !is_checksum_right(header, &tlvs)? {
        return None;
    }
    Some(Header { addresses, tlvs })
}

fn ip(fields: &mut Fields<'_>, is_v4: bool) -> Option<IpAddr> {
    if is_v4 {
        fields.array::<4>().map(IpAddr::from)
    } else {
        fields.array::<16>().map(IpAddr::from)
    }
}

fn path(bytes: &[u8]) -> Vec<u8> {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last.saturating_add(1));
    bytes.get(..end).unwrap_or_default().to_vec()
}

fn parse_tlvs(mut fields: Fields<'_>) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut tlvs = Vec::new();
    while !fields.rest().is_empty() {
        let kind = fields.u8()?;
        let length = fields.u16()?;
        tlvs.push((kind, fields.bytes(usize::from(length))?.to_vec()));
    }
    Some(tlvs)
}

/// The checksum is that of the whole header with zeros in its own place (section 2.2.3); without one everything is right.
fn is_checksum_right(header: &[u8], tlvs: &[(u8, Vec<u8>)]) -> Option<bool> {
    // The TLVs are the end of the header, so that places are counted from there.
    let mut behind = 0_usize;
    for (kind, value) in tlvs.iter().rev() {
        if *kind == TYPE_CRC32C {
            let said = u32::from_be_bytes(value.as_slice().try_into().ok()?);
            let place = header.len().checked_sub(behind.saturating_add(4))?;
            let (before, rest) = header.split_at_checked(place)?;
            let after = rest.get(4..)?;
            return Some(crc32c([before, &[0; 4], after].concat().as_slice()) == said);
        }
        behind = behind.saturating_add(value.len()).saturating_add(3);
    }
    Some(true)
}

/// CRC-32C (RFC 9260 appendix A), bit by bit: a header is short.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| {
        if crc & 1 == 0 {
            crc >> 1
        } else {
            (crc >> 1) ^ 0x82f6_3b78
        }
    };
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    })
}

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

impl Negotiator for Writer {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        plain.write_all(&self.header()?)?;
        Ok(Progress::Done(Boundary::Exact))
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

#[cfg(test)]
mod tests {
    use starttls_core::Phase;

    use super::*;

    const SOURCE: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 50000);
    const DESTINATION: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 25);

    fn written(mut writer: Writer) -> Vec<u8> {
        let mut plain = Plain::new();
        assert_eq!(
            writer.advance(&mut plain),
            Ok(Progress::Done(Boundary::Exact))
        );
        let mut sent = Vec::new();
        plain.poll_transmit(&mut sent);
        sent
    }

    fn read(bytes: &[u8]) -> Result<Header, Error> {
        let mut reader = Reader::new();
        let mut plain = Plain::with_prefix(bytes);
        assert_eq!(
            reader.advance(&mut plain)?,
            Progress::Done(Boundary::Pipelined)
        );
        assert_eq!(plain.peek(), b"");
        Ok(reader.header().cloned().unwrap())
    }

    #[test]
    fn what_is_written_is_read() {
        for writer in [
            Writer::v1(SOURCE, DESTINATION),
            Writer::v2(SOURCE, DESTINATION),
            Writer::v2(SOURCE, DESTINATION).crc32c(),
        ] {
            let header = read(&written(writer)).unwrap();
            assert_eq!(
                (header.source(), header.destination()),
                (Some(SOURCE), Some(DESTINATION))
            );
        }
        for writer in [Writer::v1_unknown(), Writer::v2_local()] {
            assert_eq!(read(&written(writer)).unwrap().addresses, None);
        }
    }

    #[test]
    fn tlvs_are_handed_over() {
        let ssl = b"\x03\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x02me\x23\0\x05AES..";
        let header = written(
            Writer::v2(SOURCE, DESTINATION)
                .tlv(TYPE_ALPN, "imap")
                .authority("example.org")
                .tlv(TYPE_UNIQUE_ID, "id")
                .tlv(TYPE_SSL, *ssl)
                .crc32c(),
        );
        let header = read(&header).unwrap();
        assert_eq!(header.alpn(), Some(&b"imap"[..]));
        assert_eq!(header.authority(), Some(&b"example.org"[..]));
        assert_eq!(header.unique_id(), Some(&b"id"[..]));
        let ssl = header.ssl().unwrap();
        assert!(ssl.is_tls() && ssl.is_verified());
        assert_eq!(ssl.version(), Some(&b"TLSv1.3"[..]));
        assert_eq!(ssl.common_name(), Some(&b"me"[..]));
        assert_eq!(ssl.cipher(), Some(&b"AES.."[..]));
    }

    #[test]
    fn a_checksum_guards_every_byte() {
        let header = written(Writer::v2(SOURCE, DESTINATION).authority("a").crc32c());
        assert!(read(&header).is_ok());
        // Behind the length: the addresses, the name, the checksum.
        let (addresses, checksum) = (V2_FIXED, header.len() - 4);
        let name = addresses + 36 + 3;
        for place in (addresses..addresses + 36)
            .chain([name])
            .chain(checksum..header.len())
        {
            for bit in 0..8 {
                let mut wrong = header.clone();
                wrong[place] ^= 1 << bit;
                assert!(read(&wrong).is_err(), "bit {bit} of byte {place}");
            }
        }
    }

    #[test]
    fn the_checksum_is_crc32c() {
        // RFC 3720 appendix B.4: 32 bytes of zeros, of ones, and ascending.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
    }

    #[test]
    fn unix_sockets_have_paths() {
        let (source, destination) = (
            [0; 108],
            b"/run/x\0"
                .iter()
                .chain([&0; 101])
                .copied()
                .collect::<Vec<u8>>(),
        );
        let header = [V2, &[0x21, 0x31, 0, 216], &source, &destination].concat();
        let addresses = read(&header).unwrap().addresses;
        let (source, destination) = (Vec::new(), b"/run/x".to_vec());
        assert_eq!(
            addresses,
            Some(Addresses::Unix {
                source,
                destination
            })
        );
    }
}
