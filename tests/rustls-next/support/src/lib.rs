//! What the core's tests share, on rustls 0.24.

pub mod certs;
#[path = "../../../memory.rs"]
pub mod memory;
