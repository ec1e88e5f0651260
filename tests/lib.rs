//! What the tests share. Each test file in `tests/` shows one thing; what is here only helps them.

pub mod bare;
pub mod dane_table;
pub mod harness;
pub mod in_memory;
pub mod memory;
pub mod scram;

pub use starttls_testkit::certs;
