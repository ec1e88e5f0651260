//! [`PlainStream`]: PlainStream
//! [`TlsStream`]: TlsStream
//! [`TlsStream::stop_tls`]: TlsStream::stop_tls
//! [`UpgradeableStream`]: UpgradeableStream
//! [`PlainStream::accept`]: PlainStream::accept
//! [`Deadlines`]: Deadlines
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::time::Duration;

use starttls_futures::{Timer, timed};

mod net;
pub use net::{Server, connect};

/// smol's timer.
#[derive(Clone, Copy, Debug)]
pub struct SmolTimer;

impl Timer for SmolTimer {
    type Sleep = smol::Timer;

    fn sleep(limit: Duration) -> Self::Sleep {
        smol::Timer::after(limit)
    }
}

/// [`timed::PlainStream`] with smol's timer.
pub type PlainStream<IO> = timed::PlainStream<IO, SmolTimer>;

/// [`timed::Negotiated`] with smol's timer.
pub type Negotiated<IO> = timed::Negotiated<IO, SmolTimer>;

/// [`timed::Opportunistic`] with smol's timer.
pub type Opportunistic<IO> = timed::Opportunistic<IO, SmolTimer>;

/// [`timed::Accepted`] with smol's timer.
pub type Accepted<IO> = timed::Accepted<IO, SmolTimer>;

/// [`timed::Arrival`] with smol's timer.
pub type Arrival<IO> = timed::Arrival<IO, SmolTimer>;

/// [`timed::TlsStream`] with smol's timer.
pub type TlsStream<IO> = timed::TlsStream<IO, SmolTimer>;

/// [`timed::UpgradeableStream`] with smol's timer.
pub type UpgradeableStream<IO> = timed::UpgradeableStream<IO, SmolTimer>;

pub use starttls_futures::{
    Deadlines, Error, Info, Parts, ReadHalf, ReplaceableCertificate, ReuniteError, Stopping,
    TlsInfo, TlsParts, Waiting, WriteHalf, rustls, starttls_core,
};

#[cfg(feature = "policy")]
pub use starttls_futures::starttls_policy;
