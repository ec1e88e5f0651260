//! The PROXY protocol, versions 1 and 2 ([HAProxy's specification]): one header in front of everything, which says where the connection came from.
//!
//! The header has no answer, so what follows may be in the same segment, a ClientHello included; it always is outside of TLS. Both sides are a
//! [`Tunnel`](crate::tunnel::Tunnel): a protocol that upgrades may follow.
//!
//! Who sends the header says what it likes: a server reads it only on a port that nobody but its proxies can reach, and on that port
//! always. Whether there is one is never found out by looking (section 5).
//!
//! [HAProxy's specification]: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt

mod header;
pub use header::{Addresses, Header, Ssl};

mod reader;
pub use reader::Reader;

mod writer;
pub use writer::Writer;

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

const TYPE_ALPN: u8 = 0x01;
const TYPE_AUTHORITY: u8 = 0x02;
const TYPE_CRC32C: u8 = 0x03;
const TYPE_UNIQUE_ID: u8 = 0x05;
const TYPE_SSL: u8 = 0x20;

/// The length of a path of a Unix socket in a header.
const PATH: usize = 108;

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

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr, SocketAddr};

    use starttls_core::{Boundary, Error, Negotiator, Phase, Plain, Progress};

    use super::reader::V2_FIXED;
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
        Ok(reader.header().unwrap().into_inner().clone())
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
        let ssl = Ssl::new()
            .with_version("TLSv1.3")
            .with_verified_certificate("me")
            .with_cipher("AES..");
        let header = written(
            Writer::v2(SOURCE, DESTINATION)
                .alpn("imap")
                .authority("example.org")
                .unique_id("id")
                .ssl(&ssl)
                .crc32c(),
        );
        let header = read(&header).unwrap();
        assert_eq!(header.alpn(), Some(&b"imap"[..]));
        assert_eq!(header.authority(), Some(&b"example.org"[..]));
        assert_eq!(header.unique_id(), Some(&b"id"[..]));
        let said = header.ssl().unwrap();
        assert_eq!(said, ssl);
        assert!(said.is_tls() && said.is_verified());
        assert_eq!(said.version(), Some(&b"TLSv1.3"[..]));
        assert_eq!(said.common_name(), Some(&b"me"[..]));
        assert_eq!(said.cipher(), Some(&b"AES.."[..]));
        assert!(!Ssl::new().is_verified());
    }

    #[test]
    fn other_families_are_written_and_read() {
        let header = read(&written(Writer::v2_datagram(SOURCE, DESTINATION))).unwrap();
        assert!(matches!(header.addresses, Some(Addresses::Datagram { .. })));
        assert_eq!(
            (header.source(), header.destination()),
            (Some(SOURCE), Some(DESTINATION))
        );
        let header = read(&written(Writer::v2_unix("/run/a", "/run/b").alpn("x"))).unwrap();
        let (source, destination) = (b"/run/a".to_vec(), b"/run/b".to_vec());
        assert_eq!(
            header.addresses,
            Some(Addresses::Unix {
                source,
                destination
            })
        );
        assert_eq!((header.source(), header.alpn()), (None, Some(&b"x"[..])));
        for writer in [
            Writer::v2_unix([b'a'; 109], "/run/b"),
            Writer::v2(SOURCE, DESTINATION).unique_id([0; 129]),
            Writer::v2(SOURCE, ([192, 0, 2, 1], 1).into()),
            Writer::v1(SOURCE, DESTINATION).alpn("x"),
        ] {
            let mut writer = writer;
            assert!(matches!(
                writer.advance(&mut Plain::new()),
                Err(Error::Misuse(_))
            ));
        }
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
