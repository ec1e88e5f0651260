#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(inline)]
pub use starttls_core::*;

/// The protocols, and what is around them: the same as in `starttls-protocols`.
#[cfg(feature = "protocols")]
#[doc(inline)]
pub use starttls_protocols::{registry::Protocol, *};

/// Must there be TLS, with whom, and what came of it: `starttls-policy`.
#[cfg(feature = "policy")]
#[doc(inline)]
pub use starttls_policy as policy;

/// On async-std: `starttls-async-std`.
#[cfg(feature = "async-std")]
#[doc(inline)]
pub use starttls_async_std as async_std;

/// On `std::io`, for sockets that block: `starttls-stream`.
#[cfg(feature = "blocking")]
#[doc(inline)]
pub use starttls_stream as blocking;

/// On any stream of futures-io: `starttls-futures`.
#[cfg(feature = "futures")]
#[doc(inline)]
pub use starttls_futures as futures;

/// On smol: `starttls-smol`.
#[cfg(feature = "smol")]
#[doc(inline)]
pub use starttls_smol as smol;

/// On tokio: `starttls-tokio`.
#[cfg(feature = "tokio")]
#[doc(inline)]
pub use starttls_tokio as tokio;
