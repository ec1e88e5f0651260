//! What the adapters for async runtimes are made of. Applications need nothing of it: it is public for `starttls-tokio`, `starttls-futures` and
//! adapters that others write, and may change with any release of theirs.

mod deadline;
pub use deadline::{Deadline, Timer};

mod halves;
pub use halves::Half;

mod in_place;
pub use in_place::InPlace;

mod stream;
pub use stream::{Bridge, Polled, Stream};

mod wakers;
pub use wakers::{Side, Wakers, blocking};

pub use crate::driver::{Driver, Negotiation};
pub use crate::net::pause_after;
