//! RPC-with-TLS (RFC 9289 over ONC RPC, RFC 5531), for NFS and its relatives on TCP.
//!
//! The client calls the procedure NULL with the flavour AUTH_TLS; a server that can do TLS answers with `STARTTLS` in the
//! verifier. No other call may be outstanding. There is no greeting, so that the [`Client`] has nothing but the command.
//!
//! After TLS the client calls whatever it wants; no call outside of TLS is answered any more (RFC 9289 section 5.1.1). The RFC
//! demands TLS 1.3 and the ALPN name `sunrpc` (sections 5 and 8.2): both are set in the configuration of rustls.

use crate::read::fields::Fields;

mod client;
pub use client::{Client, Reply};

mod records;

mod server;
pub use server::Server;

const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;
const NULL: u32 = 0;
const AUTH_NONE: u32 = 0;
const AUTH_TLS: u32 = 7;
const STARTTLS: &[u8] = b"STARTTLS";

const MSG_ACCEPTED: u32 = 0;
const MSG_DENIED: u32 = 1;
const SUCCESS: u32 = 0;
const PROG_MISMATCH: u32 = 2;
const RPC_MISMATCH: u32 = 0;
const AUTH_ERROR: u32 = 1;
const AUTH_BADCRED: u32 = 1;
const AUTH_TOOWEAK: u32 = 5;

/// The longest authentication body (RFC 5531 section 8.2).
const MAX_AUTH: usize = 400;

/// Flavour and body of an authentication, padded to four bytes.
fn auth<'a>(fields: &mut Fields<'a>) -> Option<(u32, &'a [u8])> {
    let flavour = fields.u32()?;
    let length = usize::try_from(fields.u32()?)
        .ok()
        .filter(|length| *length <= MAX_AUTH)?;
    let body = fields.bytes(length)?;
    fields.bytes(length.wrapping_neg() % 4)?;
    Some((flavour, body))
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}
