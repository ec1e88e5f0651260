#![doc = include_str!("../README.md")]
#![warn(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "bytes of the peer must not be able to end the process"
)]
#![cfg_attr(
    test,
    allow(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::panic
    )
)]

mod ber;
mod dialogue;
mod facts;
mod fields;
mod http;
mod line;
mod literal;
mod misbehaviour;
mod options;
mod reply;
mod xml;

pub mod connect;
pub mod diagnose;
pub mod ftp;
pub mod http_upgrade;
pub mod imap;
pub mod irc;
pub mod ldap;
pub mod managesieve;
pub mod munin;
pub mod mysql;
pub mod nats;
pub mod nbd;
pub mod nntp;
pub mod nut;
pub mod pop3;
pub mod postgres;
pub mod proxy;
pub mod rdp;
pub mod registry;
pub mod rpc;
pub mod smtp;
pub mod sniff;
pub mod socks;
pub mod telnet;
pub mod tunnel;
pub mod vencrypt;
pub mod xmpp;
