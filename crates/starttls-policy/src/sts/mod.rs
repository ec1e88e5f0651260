//! MTA-STS (RFC 8461): its TXT record and its policy file, parsed strictly. Fetching them is the caller's: over DNS, and over HTTPS with
//! a verified certificate for [`policy_host`], without redirects (section 3.3).
//!
//! ```
//! use starttls_policy::sts::{Mode, Policy, Record};
//!
//! let record = Record::among([&b"v=STSv1; id=20160831085700Z;"[..]])?.expect("one of them is ours");
//! assert_eq!(record.id(), "20160831085700Z");
//!
//! let policy = Policy::parse(b"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmax_age: 604800\n")?;
//! assert_eq!(policy.mode(), Mode::Enforce);
//! assert!(policy.lists("mx1.example.net") && !policy.lists("a.mx1.example.net"));
//! # Ok::<(), starttls_policy::sts::Invalid>(())
//! ```

mod policy;
mod record;

pub use policy::{MAX_AGE, MAX_POLICY, Mode, Policy};
pub use record::Record;

use std::fmt;

/// Where a domain's TXT record is (section 3.1).
pub fn record_name(domain: &str) -> String {
    format!("_mta-sts.{domain}")
}

/// The host of a domain's policy, the one whose certificate must be verified (section 3.3).
pub fn policy_host(domain: &str) -> String {
    format!("mta-sts.{domain}")
}

/// The path of the policy on its host (section 3.2).
pub const POLICY_PATH: &str = "/.well-known/mta-sts.txt";

/// Whether the value of a `Content-Type` is the one that a policy must have: `text/plain`, with any parameters (section 3.2).
pub fn is_media_type(value: &str) -> bool {
    value
        .split(';')
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/plain"))
}

/// Why a record or a policy is none. For TLS-RPT both are `sts-policy-invalid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Invalid {
    /// There is more than one record that begins with `v=STSv1;` (section 3.1).
    SeveralRecords,
    /// More than is ever needed; what is taken, in bytes or items.
    TooLong {
        /// What there was too much of.
        what: &'static str,
        /// The most that is taken.
        limit: usize,
    },
    /// Not ASCII, where that is asked for, or not UTF-8.
    Encoding,
    /// A line or field that is not `name`, delimiter, `value`.
    Syntax,
    /// A field that must be there is not; its name.
    Missing(&'static str),
    /// A field has a value that it cannot have; its name.
    Value(&'static str),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeveralRecords => f.write_str("more than one MTA-STS record"),
            Self::TooLong { what, limit } => write!(f, "{what} over the limit of {limit}"),
            Self::Encoding => f.write_str("a character that may not be there"),
            Self::Syntax => f.write_str("a field that is not a name and a value"),
            Self::Missing(field) => write!(f, "the field {field} is missing"),
            Self::Value(field) => write!(f, "the field {field} has a wrong value"),
        }
    }
}

impl std::error::Error for Invalid {}
