//! [`timed`]: mod@timed
//! [`Timer`]: Timer
//! [`PlainStream`]: PlainStream
//! [`TlsStream`]: TlsStream
//! [`TlsStream::stop_tls`]: TlsStream::stop_tls
//! [`UpgradeableStream`]: UpgradeableStream
//! [`PlainStream::accept`]: PlainStream::accept
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod net;

pub mod timed;

mod timer;
pub use timer::NoTimer;

/// [`timed::PlainStream`] without deadlines.
pub type PlainStream<IO> = timed::PlainStream<IO, NoTimer>;

/// [`timed::Negotiated`] without deadlines.
pub type Negotiated<IO> = timed::Negotiated<IO, NoTimer>;

/// [`timed::Opportunistic`] without deadlines.
pub type Opportunistic<IO> = timed::Opportunistic<IO, NoTimer>;

/// [`timed::Accepted`] without deadlines.
pub type Accepted<IO> = timed::Accepted<IO, NoTimer>;

/// [`timed::Arrival`] without deadlines.
pub type Arrival<IO> = timed::Arrival<IO, NoTimer>;

/// [`timed::TlsStream`] without deadlines.
pub type TlsStream<IO> = timed::TlsStream<IO, NoTimer>;

/// [`timed::UpgradeableStream`] without deadlines.
pub type UpgradeableStream<IO> = timed::UpgradeableStream<IO, NoTimer>;

pub use starttls_stream::adapter::Timer;
pub use starttls_stream::{
    Deadlines, Error, Info, Parts, ReplaceableCertificate, Stopping, TlsInfo, TlsParts, Waiting,
    rustls, starttls_core,
};
pub use timed::{ReadHalf, ReuniteError, WriteHalf};

#[cfg(feature = "policy")]
pub use starttls_stream::starttls_policy;
