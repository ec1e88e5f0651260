use starttls_core::{Error, rustls};

use rustls::CertificateError as C;

use crate::dane;
use crate::decision::Reason;
use crate::sts;

/// What a failure is called in a report (RFC 8460 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum ResultType {
    /// The host does not offer `STARTTLS`, or refused it.
    StarttlsNotSupported,
    /// The certificate is for other names.
    CertificateHostMismatch,
    /// The certificate is not valid now.
    CertificateExpired,
    /// There is no path to a trusted authority.
    CertificateNotTrusted,
    /// Anything else: say what it was in `failure-reason-code`.
    ValidationFailure,
    /// No TLSA record matches the certificate, or none is usable.
    TlsaInvalid,
    /// The lookup of TLSA records failed or did not validate.
    DnssecInvalid,
    /// DANE is required here and the host has no usable records.
    DaneRequired,
    /// The MTA-STS policy could not be fetched.
    StsPolicyFetchError,
    /// The MTA-STS policy or its record is not well-formed.
    StsPolicyInvalid,
    /// The certificate of the policy's host does not verify.
    StsWebpkiInvalid,
}

impl ResultType {
    /// What a failed upgrade is called; `None` for a mistake of the caller's, which is nobody else's business.
    pub fn of(error: &Error) -> Option<Self> {
        Some(match error {
            Error::NotOffered | Error::Refused(_) => Self::StarttlsNotSupported,
            Error::Tls(error) => Self::of_tls(error),
            Error::Misuse(_) => return None,
            _ => Self::ValidationFailure,
        })
    }

    /// What an error of rustls is called, such as the verdict of an [`Observer`](crate::observe::Observer).
    pub fn of_tls(error: &rustls::Error) -> Self {
        let rustls::Error::InvalidCertificate(why) = error else {
            return Self::ValidationFailure;
        };
        match why {
            C::Expired
            | C::ExpiredContext { .. }
            | C::NotValidYet
            | C::NotValidYetContext { .. } => Self::CertificateExpired,
            C::NotValidForName | C::NotValidForNameContext { .. } => Self::CertificateHostMismatch,
            C::UnknownIssuer | C::BadSignature | C::InvalidPurpose | C::Revoked => {
                Self::CertificateNotTrusted
            }
            C::Other(other) if other.0.is::<dane::NoMatch>() => Self::TlsaInvalid,
            _ => Self::ValidationFailure,
        }
    }

    /// What a decision not to connect, or to connect with less than was published, is called; `None` if nothing has failed.
    pub fn of_decision(reason: Reason) -> Option<Self> {
        match reason {
            Reason::DaneTemporaryFailure => Some(Self::DnssecInvalid),
            Reason::DaneUnusable => Some(Self::TlsaInvalid),
            Reason::LocalDaneMissing => Some(Self::DaneRequired),
            Reason::StsHostNotListed => Some(Self::ValidationFailure),
            _ => None,
        }
    }
}

impl From<sts::Invalid> for ResultType {
    fn from(_: sts::Invalid) -> Self {
        Self::StsPolicyInvalid
    }
}
