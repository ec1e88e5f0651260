#![doc = include_str!("../README.md")]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deadlines;
pub use deadlines::Deadlines;

mod driver;
pub use driver::{Driver, Negotiation};

mod error;
pub use error::Error;

mod wakers;
pub use wakers::{Side, Wakers, blocking};

pub use starttls_core as core;
pub use starttls_core::rustls;
