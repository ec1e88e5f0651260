use std::future::{Pending, pending};
use std::time::Duration;

use starttls_stream::adapter::Timer;

/// No time at all: [`Deadlines`](crate::Deadlines) have no effect, and a silent peer can hold whoever waits for it for ever. Put the runtime's own
/// timeout around upgrading and closing, or use a [`Timer`].
#[derive(Clone, Copy, Debug)]
pub struct NoTimer;

impl Timer for NoTimer {
    type Sleep = Pending<()>;

    fn sleep(_: Duration) -> Self::Sleep {
        pending()
    }
}
