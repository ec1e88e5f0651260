//! [`Tls::stop_tls`]: Tls::stop_tls
//! [`Negotiator`]: Negotiator
//! [`Upgrade`]: Upgrade
//! [`Plain::accept`]: Plain::accept
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "bytes of the peer must not be able to end the process"
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::panic
    )
)]

mod buffer;
mod engine;
mod intake;
mod record;
mod session;
mod wire;

mod accepting;
pub use accepting::Accepting;

mod error;
pub use error::{Error, Misbehaviour, Misuse, Refusal, Stage};

mod limits;
pub use limits::Limits;

mod negotiate;
pub use negotiate::{Boundary, Negotiator, Output, Progress, Upgrade};

mod phase;
pub use phase::Phase;

mod plain;
pub use plain::Plain;

mod tls;
pub use tls::{Incoming, Tls, TlsParts};

mod untrusted;
pub use untrusted::{Untrusted, UntrustedText};

/// The rustls this is built on: use this one, and there are never two.
pub use rustls;
