//! What the tests share. Each test file in `tests/` shows one thing; what is here only helps them.

pub mod bare;
pub mod dane_table;
pub mod harness;
pub mod in_memory;
pub mod memory;

pub use starttls_testkit::certs;

/// The examples in the front page are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub mod readme {}

/// So are those about event loops.
#[cfg(doctest)]
#[doc = include_str!("../docs/embedding.md")]
pub mod embedding {}
