#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![warn(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "bytes of the peer and of the DNS must not be able to end the process"
)]

mod certificate;
mod domain;
mod field;
mod signature;

pub mod binding;
pub mod dane;
pub mod decision;
pub mod observe;
pub mod pin;
pub mod sts;
pub mod tlsrpt;

mod policy;
pub use policy::{Attempt, Forbidden, Policy, Trust};

mod report;
pub use report::{Identity, Observed, Offered, Outcome, Report};

mod upgraded;
pub use upgraded::{Failed, Upgraded};

/// The rustls this is built on: use this one, and there are never two.
pub use starttls_core::rustls;
