#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accepted;
pub use accepted::Accepted;

mod deadlines;
pub use deadlines::Deadlines;

mod driver;
pub use driver::{Driver, Negotiation};

mod error;
pub use error::Error;

mod halves;
pub use halves::{ReadHalf, ReuniteError, WriteHalf};

mod in_place;
pub use in_place::InPlace;

mod info;
pub use info::{Info, TlsInfo};

mod net;
pub use net::{Server, connect, pause_after};

mod plain_stream;
pub use plain_stream::{Negotiated, Opportunistic, Parts, PlainStream};

mod stream;

mod tls_stream;
pub use tls_stream::TlsStream;

mod transport;
pub use transport::{Duplicate, Transport, Untimed};

mod upgradeable;
pub use upgradeable::UpgradeableStream;

mod wakers;
pub use wakers::{Side, Wakers, blocking};

pub use starttls_core as core;
pub use starttls_core::rustls;
