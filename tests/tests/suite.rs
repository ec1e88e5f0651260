//! Every adapter under the same tests. Adding a runtime is a line here.

#[macro_use]
#[path = "../suite/mod.rs"]
mod suite;

suite!(tokio on crate::suite::Tokio, polled, timed);
suite!(futures on crate::suite::Futures, polled);
suite!(compat on crate::suite::Compat, polled, timed);
suite!(smol on crate::suite::Smol, polled, timed);
suite!(async_std on crate::suite::AsyncStd, polled, timed);
suite!(blocking on crate::suite::Blocking, timed);
