//! The streams, for a runtime that has a [`Timer`](crate::Timer) to keep [`Deadlines`](crate::Deadlines) with. `starttls-smol` and `starttls-async-std` are
//! these with their runtime's timer; the ones in the root of this crate have none.
//!
//! ```
//! use std::time::Duration;
//! use futures_util::future::BoxFuture;
//! use starttls_futures::{Timer, timed};
//!
//! #[derive(Debug)]
//! struct Patience;
//!
//! impl Timer for Patience {
//!     type Sleep = BoxFuture<'static, ()>;
//!
//!     fn sleep(limit: Duration) -> Self::Sleep {
//!         // what the runtime has
//! #       Box::pin(std::future::pending())
//!     }
//! }
//!
//! type PlainStream<IO> = timed::PlainStream<IO, Patience>;
//! type TlsStream<IO> = timed::TlsStream<IO, Patience>;
//! ```

mod accepted;
pub use accepted::{Accepted, Arrival};

mod halves;
pub use halves::{ReadHalf, ReuniteError, WriteHalf};

mod plain_stream;
pub use plain_stream::{Negotiated, Opportunistic, PlainStream};

mod stream;

mod tls_stream;
pub use tls_stream::TlsStream;

mod upgradeable;
pub use upgradeable::UpgradeableStream;
