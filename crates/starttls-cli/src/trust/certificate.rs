//! What a certificate says, for people and for programs.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{self, digest};
use schemars::JsonSchema;
use serde::Serialize;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry as oid;
use x509_parser::parse_x509_certificate;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::SignatureAlgorithm;
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

use crate::report::escape;

/// A certificate as the server has sent it. The texts are escaped: everything that is not a letter, a digit or printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Certificate {
    /// The subject's distinguished name.
    pub(crate) subject: String,
    /// The issuer's distinguished name.
    pub(crate) issuer: String,
    /// DNS names and IP addresses that it is for.
    pub(crate) names: Vec<String>,
    /// The serial number, in hexadecimal.
    pub(crate) serial: String,
    /// Valid from, in seconds since 1970.
    pub(crate) not_before: i64,
    /// Valid until, in seconds since 1970.
    pub(crate) not_after: i64,
    /// Whole days until then; negative if it has expired.
    pub(crate) days_left: i64,
    /// The kind and size of the public key.
    pub(crate) key: String,
    /// SHA-256 of the certificate, in hexadecimal.
    pub(crate) sha256: String,
}

/// What it says; `None` if it cannot be parsed.
pub(crate) fn describe(der: &[u8]) -> Option<Certificate> {
    let (_, parsed) = parse_x509_certificate(der).ok()?;
    let validity = parsed.validity();
    let not_after = validity.not_after.timestamp();
    let names = parsed
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| {
            extension
                .value
                .general_names
                .iter()
                .filter_map(name)
                .collect()
        })
        .unwrap_or_default();
    Some(Certificate {
        subject: distinguished(parsed.subject()),
        issuer: distinguished(parsed.issuer()),
        names,
        serial: hex(parsed.raw_serial()),
        not_before: validity.not_before.timestamp(),
        not_after,
        days_left: not_after.saturating_sub(now()).div_euclid(86_400),
        key: key(&parsed.subject_pki.parsed(), &parsed.subject_pki.algorithm),
        sha256: hex(digest(&digest::SHA256, der).as_ref()),
    })
}

/// The channel binding `tls-server-end-point` of a server with this certificate (RFC 5929 section 4.1), where it is defined.
pub(crate) fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = parse_x509_certificate(der).ok()?;
    let algorithm = &parsed.signature_algorithm;
    // MD5 and SHA-1 count as SHA-256; a signature without a hash of its own has no binding.
    let hash = match SignatureAlgorithm::try_from(algorithm).ok()? {
        SignatureAlgorithm::RSASSA_PSS(parameters) => by_hash(parameters.hash_algorithm_oid())?,
        SignatureAlgorithm::RSA | SignatureAlgorithm::DSA | SignatureAlgorithm::ECDSA => {
            by_signature(algorithm.oid())?
        }
        _ => return None,
    };
    Some(digest(hash, der).as_ref().to_vec())
}

fn by_signature(algorithm: &oid::Oid<'_>) -> Option<&'static digest::Algorithm> {
    if [oid::OID_PKCS1_SHA384WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA384].contains(algorithm) {
        Some(&digest::SHA384)
    } else if [oid::OID_PKCS1_SHA512WITHRSA, oid::OID_SIG_ECDSA_WITH_SHA512].contains(algorithm) {
        Some(&digest::SHA512)
    } else if [
        oid::OID_PKCS1_MD5WITHRSAENC,
        oid::OID_PKCS1_SHA1WITHRSA,
        oid::OID_PKCS1_SHA256WITHRSA,
        oid::OID_SIG_ECDSA_WITH_SHA256,
    ]
    .contains(algorithm)
    {
        Some(&digest::SHA256)
    } else {
        None
    }
}

fn by_hash(hash: &oid::Oid<'_>) -> Option<&'static digest::Algorithm> {
    if *hash == oid::OID_NIST_HASH_SHA384 {
        Some(&digest::SHA384)
    } else if *hash == oid::OID_NIST_HASH_SHA512 {
        Some(&digest::SHA512)
    } else if *hash == oid::OID_NIST_HASH_SHA256 || *hash == oid::OID_HASH_SHA1 {
        Some(&digest::SHA256)
    } else {
        None
    }
}

fn distinguished(name: &X509Name<'_>) -> String {
    escape(&name.to_string())
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(escape(name)),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let sixteen = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            Some(four.or(sixteen).ok()?.to_string())
        }
        _ => None,
    }
}

fn key<E>(key: &Result<PublicKey<'_>, E>, algorithm: &AlgorithmIdentifier<'_>) -> String {
    match key {
        Ok(PublicKey::RSA(rsa)) => format!("RSA {}", rsa.key_size()),
        Ok(PublicKey::EC(point)) => format!("EC {}", point.key_size()),
        _ if *algorithm.oid() == oid::OID_SIG_ED25519 => "Ed25519".to_owned(),
        _ => algorithm.oid().to_id_string(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_described() {
        let made = rcgen::generate_simple_self_signed([
            "mail.example.org".to_owned(),
            "192.0.2.1".to_owned(),
        ])
        .unwrap();
        let der = made.cert.der();
        let described = describe(der).unwrap();
        assert_eq!(described.names, ["mail.example.org", "192.0.2.1"]);
        assert_eq!(described.key, "EC 256");
        assert!(described.days_left > 365, "{}", described.days_left);
        assert_eq!(described.sha256.len(), 64);
        // ECDSA with SHA-256: the binding is the fingerprint.
        assert_eq!(hex(&end_point(der).unwrap()), described.sha256);
        assert_eq!(describe(b"no certificate"), None);
    }

    #[test]
    fn a_signature_without_a_hash_has_no_binding() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let made = params.self_signed(&key).unwrap();
        assert_eq!(end_point(made.der()), None);
        assert_eq!(describe(made.der()).unwrap().key, "Ed25519");
    }
}
