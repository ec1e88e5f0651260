//! What the streams of all adapters have in common and need no I/O for. Each stream must be a type of the crate that implements its runtime's traits for it, so
//! that these are macros: written here, expanded there. They use what has the same name in each: `Stream`, `PlainStream`, `TlsStream`.

mod halves;
mod streams;
mod upgradeable;
