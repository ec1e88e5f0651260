#![doc = include_str!("../README.md")]

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
