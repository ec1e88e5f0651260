//! `starttls-core` on rustls 0.24. What is not about TLS is the core's own files, unchanged; the TLS phase is written anew.

#![allow(
    dead_code,
    reason = "the shared files have a few things that only the TLS phase on 0.23 needs"
)]

#[path = "../../../../crates/starttls-core/src/buffer.rs"]
mod buffer;
mod input;
#[path = "../../../../crates/starttls-core/src/wire.rs"]
mod wire;

mod accepting;
pub use accepting::Accepting;

#[path = "../../../../crates/starttls-core/src/error.rs"]
mod error;
pub use error::*;

#[path = "../../../../crates/starttls-core/src/limits.rs"]
mod limits;
pub use limits::Limits;

#[path = "../../../../crates/starttls-core/src/negotiate.rs"]
mod negotiate;
pub use negotiate::*;

#[path = "../../../../crates/starttls-core/src/phase.rs"]
mod phase;
pub use phase::Phase;

#[path = "../../../../crates/starttls-core/src/plain.rs"]
mod plain;
pub use plain::Plain;

mod engine;
#[allow(
    dead_code,
    reason = "rustls 0.24 keeps the boundary, so that records are not cut here"
)]
#[path = "../../../../crates/starttls-core/src/record.rs"]
mod record;

mod tls;
pub use tls::{Incoming, Tls};

#[path = "../../../../crates/starttls-core/src/untrusted.rs"]
mod untrusted;
pub use untrusted::*;

/// The rustls this is built on.
pub use rustls;
