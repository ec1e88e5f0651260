//! The way to a peer: names, addresses, proxies in front, and what is said in plaintext on it.

mod eyeballs;
mod hop;
mod tap;
mod target;

pub(crate) use eyeballs::dial;
pub(crate) use hop::{Hop, ProxyHeader, ViaArguments};
pub(crate) use tap::{Dialogue, Said, Side, Tap};
pub(crate) use target::{Host, Name};
