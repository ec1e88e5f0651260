use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use starttls_core::rustls::ServerConnection;
use starttls_core::{Boundary, Error, Negotiator, Plain, Progress, Untrusted};

use super::header::parse_tlvs;
use super::{Addresses, Header, PATH, TYPE_CRC32C, V1, V2, crc32c};
use crate::read::dialogue::Outcome;
use crate::read::fields::{Fields, expect_start, take};
use crate::read::misbehaviour::{malformed, too_long};
use crate::tunnel::Tunnel;

/// The longest header of version 1, line end included (section 2.1).
const MAX_V1: usize = 107;
/// What says, in version 1, that nothing is known, and what has to be skipped behind it.
const UNKNOWN: &[u8] = b"PROXY UNKNOWN ";
/// The longest header of version 2 taken, behind its first 16 bytes. HAProxy's buffers have 16 KiB; the largest TLV in use is a client's certificate.
const MAX_V2: usize = 16 * 1024;
/// Version, command, family and length.
pub(super) const V2_FIXED: usize = 16;

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
/// let source = reader.header().and_then(|header| header.get().source());
/// assert_eq!(source, Some(([192, 0, 2, 1], 50000).into()));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    header: Option<Header>,
    outcome: Outcome,
}

impl Reader {
    /// Reads one header, which must be there.
    pub fn new() -> Self {
        Self {
            header: None,
            outcome: Outcome::default(),
        }
    }

    /// What the header said, once it was read: by whoever sent it, which should be a proxy of one's own.
    pub fn header(&self) -> Option<Untrusted<&Header>> {
        self.header.as_ref().map(Untrusted::new)
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
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

impl Negotiator for Reader {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if let Some(outcome) = self.outcome.get() {
            return outcome;
        }
        let progress = self.go_on(plain);
        self.outcome.keep(progress)
    }
}

impl Tunnel for Reader {}

fn read_v1(plain: &mut Plain) -> Result<Option<Header>, Error> {
    let unread = plain.peek();
    expect_start(plain, V1, "PROXY header")?;
    let window = unread.get(..MAX_V1).unwrap_or(unread);
    let mut ends = window
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(end, _)| end);
    // "the receiver must ignore anything presented before the CRLF" (section 2.1)
    let is_end = |end: &usize| {
        let line = window.get(..*end).unwrap_or_default();
        line.ends_with(b"\r") || !line.starts_with(UNKNOWN)
    };
    let Some(end) = ends.find(is_end) else {
        if window.len() == MAX_V1 {
            return Err(too_long("PROXY header", MAX_V1));
        }
        return Ok(None);
    };
    let line = window.get(..end).unwrap_or_default();
    let header = parse_v1(line).ok_or_else(|| malformed("PROXY header", line))?;
    plain.consume(end.saturating_add(1));
    Ok(Some(header))
}

fn parse_v1(line: &[u8]) -> Option<Header> {
    let line = line.strip_suffix(b"\r")?;
    if line.starts_with(UNKNOWN) || line == UNKNOWN.trim_ascii_end() {
        let (addresses, tlvs) = (None, Vec::new());
        return Some(Header { addresses, tlvs });
    }
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.strip_prefix("PROXY ")?.split(' ');
    let is_v4 = match words.next()? {
        "TCP4" => true,
        "TCP6" => false,
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
    expect_start(plain, V2, "PROXY header")?;
    let Some(fixed) = unread.get(..V2_FIXED) else {
        return Ok(None);
    };
    let [.., command, family, high, low] = fixed else {
        return Ok(None);
    };
    let (command, family) = (*command, *family);
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > MAX_V2 {
        return Err(too_long("PROXY header", MAX_V2));
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
            source: path(fields.bytes(PATH)?),
            destination: path(fields.bytes(PATH)?),
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
