use std::net::IpAddr;

use super::ResultType;

/// A report (RFC 8460 section 4.4), a day's as a rule. With the feature `serde` it is the JSON of media type `application/tlsrpt+json`; compressing and
/// sending it are the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub struct Report {
    /// Who reports.
    pub organization_name: String,
    /// The time that is reported on.
    pub date_range: DateRange,
    /// Who can be asked.
    pub contact_info: String,
    /// A name that no other report has.
    pub report_id: String,
    /// What was seen, a policy each.
    pub policies: Vec<PolicyReport>,
}

/// A span of time, as RFC 3339 writes its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub struct DateRange {
    /// Its beginning.
    pub start_datetime: String,
    /// Its end.
    pub end_datetime: String,
}

/// What was seen under one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub struct PolicyReport {
    /// The policy.
    pub policy: PolicyDescription,
    /// How many connections.
    pub summary: Summary,
    /// The failures, sorted.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Vec::is_empty")
    )]
    pub failure_details: Vec<FailureDetails>,
}

/// A policy as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub struct PolicyDescription {
    /// Its kind.
    pub policy_type: PolicyType,
    /// Its text: the lines of an MTA-STS policy, the TLSA records as in a zone.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "one_or_many"
        )
    )]
    pub policy_string: Vec<String>,
    /// The domain it is for.
    pub policy_domain: String,
    /// The patterns of an MTA-STS policy, or the host.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            skip_serializing_if = "Vec::is_empty",
            deserialize_with = "one_or_many"
        )
    )]
    pub mx_host: Vec<String>,
}

/// The kinds of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub enum PolicyType {
    /// TLSA records.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// Neither.
    NoPolicyFound,
}

/// How many connections there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub struct Summary {
    /// Those that met the policy.
    pub total_successful_session_count: u64,
    /// The others.
    pub total_failure_session_count: u64,
}

/// Failures of one kind, with one host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub struct FailureDetails {
    /// What went wrong.
    pub result_type: ResultType,
    /// Our address.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub sending_mta_ip: Option<IpAddr>,
    /// The host, as the MX record names it.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub receiving_mx_hostname: Option<String>,
    /// What it calls itself.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub receiving_mx_helo: Option<String>,
    /// Its address.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub receiving_ip: Option<IpAddr>,
    /// How many connections.
    pub failed_session_count: u64,
    /// A URI with more about it.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub additional_information: Option<String>,
    /// The error in our own terms.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub failure_reason_code: Option<String>,
}

#[cfg(feature = "serde")]
use json::one_or_many;
#[cfg(feature = "serde")]
pub use json::{InvalidReport, MAX_REPORT};

#[cfg(feature = "serde")]
mod json {
    use std::fmt;

    use serde::{Deserialize, Deserializer};

    use super::Report;

    /// The longest report that is taken, uncompressed: a day's for a large domain is some hundred KiB.
    pub const MAX_REPORT: usize = 4 * 1024 * 1024;

    /// What is no report.
    #[derive(Debug)]
    #[non_exhaustive]
    pub enum InvalidReport {
        /// It is longer than [`MAX_REPORT`].
        TooLong,
        /// It is not the JSON of a report.
        Json(serde_json::Error),
    }

    impl fmt::Display for InvalidReport {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match self {
                Self::TooLong => write!(f, "a report over the limit of {MAX_REPORT} bytes"),
                Self::Json(error) => write!(
                    f,
                    "not a report: line {} column {}",
                    error.line(),
                    error.column()
                ),
            }
        }
    }

    impl std::error::Error for InvalidReport {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            match self {
                Self::TooLong => None,
                Self::Json(error) => Some(error),
            }
        }
    }

    impl Report {
        /// A report of its JSON, uncompressed. Fields that nobody knows are allowed (section 4.4: the format can grow).
        ///
        /// # Errors
        /// If it is too long, or not well-formed, or lacks what a report must have.
        pub fn parse(json: &[u8]) -> Result<Self, InvalidReport> {
            if json.len() > MAX_REPORT {
                return Err(InvalidReport::TooLong);
            }
            serde_json::from_slice(json).map_err(InvalidReport::Json)
        }

        /// Its JSON.
        pub fn to_json(&self) -> String {
            // Nothing in it can fail: no maps, no numbers but integers.
            serde_json::to_string(self).unwrap_or_default()
        }
    }

    /// A list of strings, or one string for a list of one: both are sent, since the text and the examples of section 4.4 differ.
    pub(super) fn one_or_many<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<String>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        Ok(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        })
    }
}
