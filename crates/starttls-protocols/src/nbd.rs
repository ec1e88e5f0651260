//! NBD_OPT_STARTTLS of the network block device (NetworkBlockDevice/nbd, `doc/proto.md`, fixed newstyle negotiation).
//!
//! The handshake flags hold on: after TLS the client goes on with options, without a second greeting. Everything else is
//! forgotten: no option that was sent before TLS counts (CVE-2021-3716), and the [`Server`] here takes none. Neither side offers
//! or sets `NO_ZEROES`, so that the caller knows: NBD_OPT_EXPORT_NAME is answered with the 124 zeroes.

use starttls_core::Error;

use crate::read::misbehaviour::too_long;

mod client;
pub use client::{Client, Greeting};

mod server;
pub use server::Server;

const MAGIC: u64 = 0x4e42_444d_4147_4943;
const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const FIXED_NEWSTYLE: u16 = 1;

const OPT_STARTTLS: u32 = 5;

const REP_ACK: u32 = 1;
const REP_ERROR: u32 = 1 << 31;
const REP_ERR_SHUTDOWN: u32 = REP_ERROR | 7;

/// The most data of one option or reply. A string has at most 4,096 bytes, and an error or an option few of them.
const MAX_DATA: usize = 16 * 1024;

fn data_length(length: u32) -> Result<usize, Error> {
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_DATA)
        .ok_or_else(|| too_long("option data", MAX_DATA))
}
