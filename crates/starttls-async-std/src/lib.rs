//! [`PlainStream`]: PlainStream
//! [`TlsStream`]: TlsStream
//! [`TlsStream::stop_tls`]: TlsStream::stop_tls
//! [`UpgradeableStream`]: UpgradeableStream
//! [`PlainStream::accept`]: PlainStream::accept
//! [`Deadlines`]: Deadlines
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use starttls_futures::{Timer, timed};

mod net;
pub use net::{Server, connect};

/// async-std's timer.
#[derive(Clone, Copy, Debug)]
pub struct AsyncStdTimer;

impl Timer for AsyncStdTimer {
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

    fn sleep(limit: Duration) -> Self::Sleep {
        Box::pin(async_std::task::sleep(limit))
    }
}

/// [`timed::PlainStream`] with async-std's timer.
pub type PlainStream<IO> = timed::PlainStream<IO, AsyncStdTimer>;

/// [`timed::Negotiated`] with async-std's timer.
pub type Negotiated<IO> = timed::Negotiated<IO, AsyncStdTimer>;

/// [`timed::Opportunistic`] with async-std's timer.
pub type Opportunistic<IO> = timed::Opportunistic<IO, AsyncStdTimer>;

/// [`timed::Accepted`] with async-std's timer.
pub type Accepted<IO> = timed::Accepted<IO, AsyncStdTimer>;

/// [`timed::Arrival`] with async-std's timer.
pub type Arrival<IO> = timed::Arrival<IO, AsyncStdTimer>;

/// [`timed::TlsStream`] with async-std's timer.
pub type TlsStream<IO> = timed::TlsStream<IO, AsyncStdTimer>;

/// [`timed::UpgradeableStream`] with async-std's timer.
pub type UpgradeableStream<IO> = timed::UpgradeableStream<IO, AsyncStdTimer>;

pub use starttls_futures::{
    Deadlines, Error, Info, Parts, ReadHalf, ReplaceableCertificate, ReuniteError, Stopping,
    TlsInfo, TlsParts, Waiting, WriteHalf, rustls, starttls_core,
};

#[cfg(feature = "policy")]
pub use starttls_futures::starttls_policy;
