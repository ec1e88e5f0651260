//! SMTP TLS Reporting (RFC 8460): where reports are wanted, what a failure is called in them, and the report itself, as JSON with the feature `serde`.
//!
//! ```
//! use starttls_policy::tlsrpt::{Destination, Record, ResultType};
//! # use starttls_core::Error;
//!
//! let record = Record::among([&b"v=TLSRPTv1; rua=mailto:reports@example.com"[..]])?.expect("one of them is ours");
//! assert_eq!(record.destinations(), [Destination::Mailto("reports@example.com".into())]);
//!
//! assert_eq!(ResultType::of(&Error::NotOffered), Some(ResultType::StarttlsNotSupported));
//! # Ok::<(), starttls_policy::sts::Invalid>(())
//! ```

mod record;
#[expect(
    clippy::disallowed_types,
    reason = "a report names addresses, and nothing is done with them"
)]
mod report;
mod result_type;

pub use record::{Destination, Record};
pub use report::{
    DateRange, FailureDetails, PolicyDescription, PolicyReport, PolicyType, Report, Summary,
};
#[cfg(feature = "serde")]
pub use report::{InvalidReport, MAX_REPORT};
pub use result_type::ResultType;
