#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod accepted;
pub use accepted::Accepted;

#[cfg(feature = "codec")]
pub mod codec;

mod net;
pub use net::{Server, connect};

mod plain_stream;
pub use plain_stream::{Negotiated, Opportunistic, Parts, PlainStream};

mod stream;

mod tls_stream;
pub use tls_stream::TlsStream;

mod upgradeable;
pub use upgradeable::UpgradeableStream;

pub use starttls_stream::{Deadlines, Error, Info, TlsInfo, core, rustls};
