//! [`TlsStream`]: TlsStream
//! [`PlainStream`]: PlainStream
//! [`Server::serve`]: Server::serve
//! [`PlainStream::upgrade_opportunistically`]: PlainStream::upgrade_opportunistically
//! [`PlainStream::accept`]: PlainStream::accept
//! [`TlsStream::stop_tls`]: TlsStream::stop_tls
//! [`UpgradeableStream`]: UpgradeableStream
//! [`PlainStream::split`]: PlainStream::split
//! [`TlsStream::split`]: TlsStream::split
//! [`Deadlines`]: Deadlines
//! [`connect`]: fn@connect
//! [`Server`]: Server
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accepted;
pub use accepted::{Accepted, Arrival};

#[cfg(feature = "codec")]
pub mod codec;

mod halves;
pub use halves::{ReadHalf, ReuniteError, WriteHalf};

#[cfg(feature = "hyper-util")]
mod hyper;

#[cfg(feature = "net")]
mod net;
#[cfg(feature = "net")]
pub use net::{Server, connect};

mod plain_stream;
pub use plain_stream::{Negotiated, Opportunistic, PlainStream};

mod stream;

mod tls_stream;
pub use tls_stream::TlsStream;

mod upgradeable;
pub use upgradeable::UpgradeableStream;

pub use starttls_stream::{
    Deadlines, Error, Info, Parts, ReplaceableCertificate, Stopping, TlsInfo, TlsParts, Waiting,
    rustls, starttls_core,
};

#[cfg(feature = "policy")]
pub use starttls_stream::starttls_policy;
