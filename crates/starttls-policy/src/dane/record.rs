use std::fmt;

use sha2::{Digest, Sha256, Sha512};

use crate::certificate;
use crate::decision::Dane;

/// How many records of one host are looked at. RFC 7671 section 8 counts on two or three, during a change of keys twice as many.
pub const MAX_RECORDS: usize = 64;

/// Certificate usage (RFC 6698 section 2.1.1, names of RFC 7218).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Usage {
    /// DANE-TA(2): an authority under which the server's certificate must be.
    DaneTa,
    /// DANE-EE(3): the server's own certificate or key.
    DaneEe,
}

/// What of a certificate is compared (RFC 6698 section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Selector {
    /// Cert(0): all of it.
    Cert,
    /// SPKI(1): its SubjectPublicKeyInfo.
    Spki,
}

/// How it is compared (RFC 6698 section 2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Matching {
    /// Full(0): byte by byte.
    Full,
    /// SHA2-256(1)
    Sha256,
    /// SHA2-512(2)
    Sha512,
}

/// A usable TLSA record.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Record {
    usage: Usage,
    selector: Selector,
    matching: Matching,
    data: Vec<u8>,
}

/// Why a record cannot be used. RFC 7672 section 2.2 counts them: hosts that have only such records get TLS without authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unusable {
    /// PKIX-TA(0) or PKIX-EE(1): SMTP servers "SHOULD NOT publish" them, and clients treat them as unusable (RFC 7672 section 3.1.3).
    PkixUsage,
    /// A usage that nobody knows.
    UnknownUsage,
    /// A selector that nobody knows.
    UnknownSelector,
    /// A matching type that nobody knows.
    UnknownMatching,
    /// A digest that is not as long as one.
    DigestLength,
    /// Full data that is no certificate, or no key.
    Malformed,
    /// Behind the first [`MAX_RECORDS`].
    TooMany,
    /// The RDATA is shorter than the three numbers.
    Short,
}

impl Record {
    /// A record of its three numbers and its data.
    ///
    /// # Errors
    /// If it is not usable.
    pub fn new(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Result<Self, Unusable> {
        let usage = match usage {
            0 | 1 => return Err(Unusable::PkixUsage),
            2 => Usage::DaneTa,
            3 => Usage::DaneEe,
            _ => return Err(Unusable::UnknownUsage),
        };
        let selector = match selector {
            0 => Selector::Cert,
            1 => Selector::Spki,
            _ => return Err(Unusable::UnknownSelector),
        };
        let matching = match matching {
            0 => Matching::Full,
            1 => Matching::Sha256,
            2 => Matching::Sha512,
            _ => return Err(Unusable::UnknownMatching),
        };
        match (matching, selector) {
            (Matching::Sha256, _) if data.len() != 32 => return Err(Unusable::DigestLength),
            (Matching::Sha512, _) if data.len() != 64 => return Err(Unusable::DigestLength),
            (Matching::Full, Selector::Cert) if certificate::spki(data).is_none() => {
                return Err(Unusable::Malformed);
            }
            (Matching::Full, Selector::Spki) if !certificate::is_spki(data) => {
                return Err(Unusable::Malformed);
            }
            _ => {}
        }
        Ok(Self {
            usage,
            selector,
            matching,
            data: data.to_vec(),
        })
    }

    /// A record of its RDATA (RFC 6698 section 2.1).
    ///
    /// # Errors
    /// If it is not usable.
    pub fn from_rdata(rdata: &[u8]) -> Result<Self, Unusable> {
        match rdata {
            [usage, selector, matching, data @ ..] => Self::new(*usage, *selector, *matching, data),
            _ => Err(Unusable::Short),
        }
    }

    /// Its certificate usage.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Its selector.
    pub fn selector(&self) -> Selector {
        self.selector
    }

    /// Its matching type.
    pub fn matching(&self) -> Matching {
        self.matching
    }

    /// Its certificate association data.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Whether it names this certificate; its usage does not matter.
    pub fn matches_certificate(&self, der: &[u8]) -> bool {
        match self.selector {
            Selector::Cert => self.matches(der),
            Selector::Spki => certificate::spki(der).is_some_and(|spki| self.matches(&spki)),
        }
    }

    /// Whether it names this key, a SubjectPublicKeyInfo without a certificate (RFC 7250): one of a whole certificate names none.
    pub fn matches_key(&self, spki: &[u8]) -> bool {
        self.selector == Selector::Spki && self.matches(spki)
    }

    fn matches(&self, selected: &[u8]) -> bool {
        match self.matching {
            Matching::Full => self.data == selected,
            Matching::Sha256 => self.data == Sha256::digest(selected)[..],
            Matching::Sha512 => self.data == Sha512::digest(selected)[..],
        }
    }
}

/// As in a zone: `3 1 1 d2ab...`.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usage = match self.usage {
            Usage::DaneTa => 2,
            Usage::DaneEe => 3,
        };
        write!(
            f,
            "{usage} {} {} ",
            self.selector as u8, self.matching as u8
        )?;
        self.data
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({self})")
    }
}

/// The TLSA records of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    usable: Vec<Record>,
    unusable: Vec<Unusable>,
}

impl Records {
    /// All records of the answer, as usage, selector, matching type and data.
    pub fn new<'a>(records: impl IntoIterator<Item = (u8, u8, u8, &'a [u8])>) -> Self {
        Self::collect(
            records
                .into_iter()
                .map(|(usage, selector, matching, data)| {
                    Record::new(usage, selector, matching, data)
                }),
        )
    }

    /// All records of the answer, as RDATA.
    pub fn from_rdata<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self::collect(records.into_iter().map(Record::from_rdata))
    }

    fn collect(records: impl Iterator<Item = Result<Record, Unusable>>) -> Self {
        let mut found = Self::default();
        for record in records {
            match record {
                Ok(_) if found.usable.len() == MAX_RECORDS => {
                    found.unusable.push(Unusable::TooMany);
                }
                Ok(record) => found.usable.push(record),
                Err(why) => found.unusable.push(why),
            }
            if found.unusable.len() > MAX_RECORDS {
                found.unusable.pop();
            }
        }
        found
    }

    /// Those that can be used.
    pub fn usable(&self) -> &[Record] {
        &self.usable
    }

    /// Why the others cannot, [`MAX_RECORDS`] at most.
    pub fn unusable(&self) -> &[Unusable] {
        &self.unusable
    }

    /// What this is for the [decision](crate::decision): no record at all is an answer too, if DNSSEC proves it.
    pub fn outcome(&self) -> Dane {
        if !self.usable.is_empty() {
            Dane::Records
        } else if !self.unusable.is_empty() {
            Dane::Unusable
        } else {
            Dane::NotApplicable
        }
    }

    /// Those of one usage, each selector with its strongest digest alone (digest agility, RFC 7671 section 9); full data always counts.
    pub(crate) fn of(&self, usage: Usage) -> impl Iterator<Item = &Record> {
        self.usable.iter().filter(move |record| {
            record.usage == usage
                && (record.matching == Matching::Full
                    || !self.usable.iter().any(|other| {
                        (other.usage, other.selector) == (record.usage, record.selector)
                            && other.matching > record.matching
                    }))
        })
    }
}
