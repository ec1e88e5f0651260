use std::net::SocketAddr;

use super::{TYPE_ALPN, TYPE_AUTHORITY, TYPE_SSL, TYPE_UNIQUE_ID};
use crate::read::fields::Fields;

const CLIENT_SSL: u8 = 0x01;
const CLIENT_CERT_CONN: u8 = 0x02;
const CLIENT_CERT_SESS: u8 = 0x04;

const SUBTYPE_VERSION: u8 = 0x21;
const SUBTYPE_CN: u8 = 0x22;
const SUBTYPE_CIPHER: u8 = 0x23;

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
    /// The client's address, if it is one of IP.
    pub fn source(&self) -> Option<SocketAddr> {
        Some(self.ends()?.0)
    }

    /// What the client has connected to, or sent to, if it is an address of IP.
    pub fn destination(&self) -> Option<SocketAddr> {
        Some(self.ends()?.1)
    }

    fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        match self.addresses {
            Some(
                Addresses::Stream {
                    source,
                    destination,
                }
                | Addresses::Datagram {
                    source,
                    destination,
                },
            ) => Some((source, destination)),
            Some(Addresses::Unix { .. }) | None => None,
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
    /// The client has used TLS, and sent no certificate.
    pub fn new() -> Self {
        Self {
            client: CLIENT_SSL,
            // "zero if the client presented a certificate and it was successfully verified, and non-zero otherwise"
            verify: 1,
            tlvs: Vec::new(),
        }
    }

    /// The client has sent a certificate that was verified, with this common name.
    #[must_use]
    pub fn with_verified_certificate(mut self, common_name: impl Into<Vec<u8>>) -> Self {
        self.client |= CLIENT_CERT_CONN | CLIENT_CERT_SESS;
        self.verify = 0;
        self.with_tlv(SUBTYPE_CN, common_name)
    }

    /// The version, as `TLSv1.3`.
    #[must_use]
    pub fn with_version(self, version: impl Into<Vec<u8>>) -> Self {
        self.with_tlv(SUBTYPE_VERSION, version)
    }

    /// The cipher suite, in OpenSSL's spelling.
    #[must_use]
    pub fn with_cipher(self, cipher: impl Into<Vec<u8>>) -> Self {
        self.with_tlv(SUBTYPE_CIPHER, cipher)
    }

    /// Another detail, by its type.
    #[must_use]
    pub fn with_tlv(mut self, kind: u8, value: impl Into<Vec<u8>>) -> Self {
        self.tlvs.push((kind, value.into()));
        self
    }

    /// The value of the first detail of this type.
    pub fn tlv(&self, kind: u8) -> Option<&[u8]> {
        find(&self.tlvs, kind)
    }

    /// The client has connected with TLS.
    pub fn is_tls(&self) -> bool {
        self.client & CLIENT_SSL != 0
    }

    /// The client has sent a certificate, at least once, and the proxy has found it good.
    pub fn is_verified(&self) -> bool {
        self.client & (CLIENT_CERT_CONN | CLIENT_CERT_SESS) != 0 && self.verify == 0
    }

    /// The version, as `TLSv1.3`.
    pub fn version(&self) -> Option<&[u8]> {
        self.tlv(SUBTYPE_VERSION)
    }

    /// The common name of the client's certificate.
    pub fn common_name(&self) -> Option<&[u8]> {
        self.tlv(SUBTYPE_CN)
    }

    /// The cipher suite, in OpenSSL's spelling.
    pub fn cipher(&self) -> Option<&[u8]> {
        self.tlv(SUBTYPE_CIPHER)
    }
}

impl Default for Ssl {
    fn default() -> Self {
        Self::new()
    }
}

fn find(tlvs: &[(u8, Vec<u8>)], kind: u8) -> Option<&[u8]> {
    let (_, value) = tlvs.iter().find(|(key, _)| *key == kind)?;
    Some(value)
}

/// Type, length and value, up to the end of `fields`.
pub(super) fn parse_tlvs(mut fields: Fields<'_>) -> Option<Vec<(u8, Vec<u8>)>> {
    let mut tlvs = Vec::new();
    while !fields.rest().is_empty() {
        let kind = fields.u8()?;
        let length = fields.u16()?;
        tlvs.push((kind, fields.bytes(usize::from(length))?.to_vec()));
    }
    Some(tlvs)
}
