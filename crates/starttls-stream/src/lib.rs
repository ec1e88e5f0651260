//! [`PlainStream`]: PlainStream
//! [`TlsStream`]: TlsStream
//! [`Deadlines`]: Deadlines
//! [`Untimed`]: Untimed
//! [`TlsStream::split`]: TlsStream::split
//! [`TlsStream::stop_tls`]: TlsStream::stop_tls
//! [`UpgradeableStream`]: UpgradeableStream
//! [`PlainStream::accept`]: PlainStream::accept
//! [`adapter`]: mod@adapter
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accepted;
pub use accepted::{Accepted, Arrival};

pub mod adapter;

mod certificates;
pub use certificates::ReplaceableCertificate;

mod deadlines;
pub use deadlines::Deadlines;

mod driver;

mod error;
pub use error::{Error, Waiting};

mod halves;
pub use halves::{ReadHalf, ReuniteError, WriteHalf};

mod info;
pub use info::{Info, TlsInfo};

mod net;
pub use net::{Server, connect};

#[macro_use]
mod methods;

mod parts;
pub use parts::{Parts, TlsParts};

mod plain_stream;
pub use plain_stream::{Negotiated, Opportunistic, PlainStream};

mod stopping;
pub use stopping::{Stopped, Stopping};

mod stream;

mod telemetry;

mod tls_stream;
pub use tls_stream::TlsStream;

mod transport;
pub use transport::{Duplicate, Transport, Untimed};

mod upgradeable;
pub use upgradeable::UpgradeableStream;

#[cfg(feature = "policy")]
mod by_policy;

pub use starttls_core;
pub use starttls_core::rustls;
#[cfg(feature = "policy")]
pub use starttls_policy;
