//! DANE-TA(2): a path from the server's certificate to an anchor that a record names.

use starttls_core::rustls;

use rustls::CertificateError;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, Der, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use super::record::{Matching, Record, Selector};
use crate::certificate::{self, NoAuthority};
use crate::domain;

/// How many certificates of a chain are looked at, the server's own not counted: webpki's own depth is six.
const MAX_CHAIN: usize = 10;

/// How many keys that stand in records without a certificate are tried as anchors: each costs signatures.
const MAX_BARE_KEYS: usize = 4;

pub(super) struct Chain<'a> {
    pub(super) leaf: &'a CertificateDer<'a>,
    pub(super) rest: &'a [CertificateDer<'a>],
    pub(super) now: UnixTime,
}

/// `Ok(false)` if no record names an anchor of this chain; an error if one does, and the chain is not good.
pub(super) fn is_anchored<'r>(
    records: impl Iterator<Item = &'r Record>,
    chain: &Chain<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<bool, CertificateError> {
    let rest = chain.rest.get(..MAX_CHAIN).unwrap_or(chain.rest);
    let mut anchors: Vec<Anchor> = Vec::new();
    let mut why_not = None;
    let mut bare_keys: usize = 0;
    for record in records {
        let full = CertificateDer::from(record.data());
        let in_record = (record.matching(), record.selector()) == (Matching::Full, Selector::Cert);
        let candidates = rest
            .iter()
            .filter(|certificate| record.matches_certificate(certificate))
            .chain(in_record.then_some(&full));
        for certificate in candidates {
            match anchor(certificate, chain.now) {
                Ok(anchor) => anchors.push(anchor),
                Err(error) => why_not = Some(error),
            }
        }
        if (record.matching(), record.selector()) == (Matching::Full, Selector::Spki)
            && bare_keys < MAX_BARE_KEYS
        {
            bare_keys = bare_keys.saturating_add(1);
            anchors.extend(bare_anchors(record.data(), chain.leaf, rest));
        }
    }
    if anchors.is_empty() {
        return why_not.map_or(Ok(false), Err);
    }
    let trusted: Vec<_> = anchors.iter().map(|anchor| anchor.trust.clone()).collect();
    let leaf = EndEntityCert::try_from(chain.leaf).map_err(error)?;
    leaf.verify_for_usage(
        algorithms.all,
        &trusted,
        rest,
        chain.now,
        KeyUsage::server_auth(),
        None,
        Some(&|path: &VerifiedPath<'_>| signs_only_what_it_may(path, &anchors)),
    )
    .map_err(error)?;
    Ok(true)
}

/// What webpki takes, and how many authorities may be below it: the anchor's own limit is not webpki's business.
struct Anchor {
    trust: TrustAnchor<'static>,
    path_length: Option<u32>,
}

/// A certificate as an anchor. webpki takes its name and key and asks no more; as the top of a chain it must be an authority's.
fn anchor(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<Anchor, CertificateError> {
    let path_length = certificate::is_authority(certificate, now).map_err(|why| match why {
        NoAuthority::Malformed => CertificateError::BadEncoding,
        NoAuthority::NotYetValid => CertificateError::NotValidYet,
        NoAuthority::Expired => CertificateError::Expired,
        NoAuthority::NotACa => CertificateError::InvalidPurpose,
    })?;
    let trust = webpki::anchor_from_trusted_cert(certificate).map_err(error)?;
    Ok(Anchor {
        trust: trust.to_owned(),
        path_length,
    })
}

/// What webpki leaves out of a path: the anchor's limit of its length, and whether the keys may sign certificates.
fn signs_only_what_it_may(
    path: &VerifiedPath<'_>,
    anchors: &[Anchor],
) -> Result<(), webpki::Error> {
    let mut length: u32 = 0;
    for authority in path.intermediate_certificates() {
        let der = authority.der();
        let certificate = certificate::parse(&der).ok_or(webpki::Error::BadDer)?;
        if !certificate::may_sign(&certificate) {
            return Err(webpki::Error::EndEntityUsedAsCa);
        }
        // Self-issued ones do not count (RFC 5280 section 4.2.1.9).
        if certificate.subject().as_raw() != certificate.issuer().as_raw() {
            length = length.saturating_add(1);
        }
    }
    let long_enough = |anchor: &&Anchor| anchor.path_length.is_none_or(|most| length <= most);
    let mut above = anchors
        .iter()
        .filter(|anchor| anchor.trust == *path.anchor());
    above
        .find(long_enough)
        .map(drop)
        .ok_or(webpki::Error::PathLenConstraintViolated)
}

/// A key that stands in a record has no name: it is an anchor of the name of whoever issued a certificate of the chain, and the signature tells
/// whether that is true (RFC 7671 section 5.2.3).
fn bare_anchors(
    spki: &[u8],
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
) -> Vec<Anchor> {
    let Some(key) = certificate::content(spki) else {
        return Vec::new();
    };
    std::iter::once(leaf)
        .chain(rest)
        .filter_map(certificate::issuer)
        .map(|issuer| Anchor {
            trust: TrustAnchor {
                subject: Der::from(issuer),
                subject_public_key_info: Der::from(key.to_vec()),
                name_constraints: None,
            },
            path_length: None,
        })
        .collect()
}

/// Whether the certificate is for one of these names (RFC 7672 section 3.2.3): by its DNS names, or, where it has none, by its common name.
pub(super) fn is_for(leaf: &CertificateDer<'_>, names: &[&ServerName<'_>]) -> bool {
    let by_alternative_name = EndEntityCert::try_from(leaf).is_ok_and(|leaf| {
        names
            .iter()
            .any(|name| leaf.verify_is_valid_for_subject_name(name).is_ok())
    });
    by_alternative_name
        || certificate::common_names_instead(leaf)
            .iter()
            .any(|pattern| {
                names.iter().any(|name| match name {
                    ServerName::DnsName(name) => domain::normal(name.as_ref())
                        .is_some_and(|name| domain::matches(pattern, &name)),
                    _ => false,
                })
            })
}

fn error(error: webpki::Error) -> CertificateError {
    use webpki::Error as E;
    match error {
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        E::CertNotValidYet { time, not_before } => {
            CertificateError::NotValidYetContext { time, not_before }
        }
        E::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        E::InvalidCertValidity => CertificateError::Expired,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        E::RequiredEkuNotFoundContext(_) | E::EndEntityUsedAsCa => CertificateError::InvalidPurpose,
        other => CertificateError::Other(rustls::OtherError(std::sync::Arc::new(other))),
    }
}
