//! The streams, for a runtime that has a [`Timer`](crate::Timer) to keep [`Deadlines`](crate::Deadlines) with. `starttls-smol` and `starttls-async-std` are
//! these with their runtime's timer; the ones in the root of this crate have none.

mod accepted;
pub use accepted::Accepted;

mod plain_stream;
pub use plain_stream::{Negotiated, Opportunistic, Parts, PlainStream};

mod stream;

mod tls_stream;
pub use tls_stream::TlsStream;

mod upgradeable;
pub use upgradeable::UpgradeableStream;
