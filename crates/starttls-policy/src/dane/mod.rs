//! DANE for SMTP (RFC 7672) and for whoever else uses TLSA records the same way (RFC 7671): the records, and a verifier for rustls.
//!
//! The records must be from a lookup that DNSSEC has validated; nothing here can know that.
//!
//! ```
//! use std::sync::Arc;
//! use starttls_policy::dane::{Records, Verifier};
//! use starttls_policy::decision::Dane;
//! use starttls_policy::rustls;
//! # fn f(provider: Arc<rustls::crypto::CryptoProvider>) -> Result<(), Box<dyn std::error::Error>> {
//!
//! // Usage, selector, matching type and data of each record of `_25._tcp.mx.example.org`.
//! let records = Records::new([(3, 1, 1, &[0xd2; 32][..]), (0, 0, 1, &[0x01; 32])]);
//! assert_eq!(records.usable().len(), 1, "PKIX-TA(0) is not for SMTP");
//! assert_eq!(records.outcome(), Dane::Records);
//!
//! let verifier = Verifier::new(records, provider.clone()).or_name("example.org")?;
//! let config = rustls::ClientConfig::builder_with_provider(provider)
//!     .with_safe_default_protocol_versions()?
//!     .dangerous()
//!     .with_custom_certificate_verifier(Arc::new(verifier))
//!     .with_no_client_auth();
//! # Ok(()) }
//! ```

mod anchor;
mod record;
mod verifier;

pub use record::{MAX_RECORDS, Matching, Record, Records, Selector, Unusable, Usage};
pub use verifier::{NoMatch, Verifier};
