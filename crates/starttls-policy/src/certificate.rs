//! What is looked at in a certificate, by x509-parser: it reads certificates that webpki does not take, such as those of version 1.

use starttls_core::rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

/// The subject's public key as it stands in the certificate, with its own header.
pub(crate) fn spki(der: &[u8]) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let certificate = parse(der)?;
    Some(SubjectPublicKeyInfoDer::from(
        certificate.public_key().raw.to_vec(),
    ))
}

/// The issuer's name without the header of its SEQUENCE, as `TrustAnchor` wants it.
pub(crate) fn issuer(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    content(parse(der)?.issuer().as_raw()).map(<[u8]>::to_vec)
}

/// What is inside a DER SEQUENCE that is all there is.
pub(crate) fn content(der: &[u8]) -> Option<&[u8]> {
    match x509_parser::asn1_rs::Any::from_der(der) {
        Ok((rest, any)) if rest.is_empty() && any.tag() == x509_parser::asn1_rs::Tag::Sequence => {
            Some(any.data)
        }
        _ => None,
    }
}

/// The host names that a certificate is for where it has no DNS name among its alternative names: the common names of its subject
/// (RFC 7672 section 3.2.3).
pub(crate) fn common_names_instead(der: &[u8]) -> Vec<String> {
    let Some(certificate) = parse(der) else {
        return Vec::new();
    };
    let has_dns_name = match certificate.subject_alternative_name() {
        Ok(Some(names)) => names
            .value
            .general_names
            .iter()
            .any(|name| matches!(name, GeneralName::DNSName(_))),
        Ok(None) => false,
        // What cannot be read might have had one.
        Err(_) => true,
    };
    if has_dns_name {
        return Vec::new();
    }
    certificate
        .subject()
        .iter_common_name()
        .filter_map(|name| crate::domain::normal_pattern(name.as_str().ok()?))
        .collect()
}

/// Why a certificate cannot vouch for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAuthority {
    Malformed,
    NotYetValid,
    Expired,
    NotACa,
}

/// Whether a certificate that is to be an anchor is an authority's: webpki takes anchors as they are. The dates count in a self-signed one; a
/// record that names one which others have issued makes it the end of the path, whose own dates are not part of it (RFC 5280 section 6.1).
///
/// How many others may be between it and the server's is what it gives, if it has a limit.
pub(crate) fn is_authority(der: &[u8], now: UnixTime) -> Result<Option<u32>, NoAuthority> {
    let certificate = parse(der).ok_or(NoAuthority::Malformed)?;
    let now = i64::try_from(now.as_secs()).map_err(|_| NoAuthority::Malformed)?;
    let self_issued = certificate.subject().as_raw() == certificate.issuer().as_raw();
    if self_issued && now < certificate.validity().not_before.timestamp() {
        return Err(NoAuthority::NotYetValid);
    }
    if self_issued && now > certificate.validity().not_after.timestamp() {
        return Err(NoAuthority::Expired);
    }
    match certificate.basic_constraints() {
        Ok(Some(basic)) if basic.value.ca && may_sign(&certificate) => {
            Ok(basic.value.path_len_constraint)
        }
        _ => Err(NoAuthority::NotACa),
    }
}

/// Whether its key may sign certificates (RFC 5280 section 4.2.1.3): webpki does not look at that.
pub(crate) fn may_sign(certificate: &X509Certificate<'_>) -> bool {
    match certificate.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// Whether this is a SubjectPublicKeyInfo and nothing else.
pub(crate) fn is_spki(der: &[u8]) -> bool {
    matches!(
        x509_parser::x509::SubjectPublicKeyInfo::from_der(der),
        Ok((rest, _)) if rest.is_empty()
    )
}

/// The DNS names among the alternative names that are host names, in lower case.
pub(crate) fn dns_names(der: &[u8]) -> Vec<String> {
    let Some(certificate) = parse(der) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let names = names.value.general_names.iter();
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => crate::domain::normal_pattern(name),
            _ => None,
        })
        .collect()
}
