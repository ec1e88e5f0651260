//! [`smtp`]: mod@smtp
//! [`imap`]: mod@imap
//! [`pop3`]: mod@pop3
//! [`managesieve`]: mod@managesieve
//! [`nntp`]: mod@nntp
//! [`ftp`]: mod@ftp
//! [`xmpp`]: mod@xmpp
//! [`irc`]: mod@irc
//! [`ldap`]: mod@ldap
//! [`postgres`]: mod@postgres
//! [`mysql`]: mod@mysql
//! [`telnet`]: mod@telnet
//! [`nbd`]: mod@nbd
//! [`rpc`]: mod@rpc
//! [`vencrypt`]: mod@vencrypt
//! [`rdp`]: mod@rdp
//! [`nut`]: mod@nut
//! [`munin`]: mod@munin
//! [`nats`]: mod@nats
//! [`http_upgrade`]: mod@http_upgrade
//! [`connect`]: mod@connect
//! [`socks`]: mod@socks
//! [`proxy`]: mod@proxy
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]
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

// Imports run down only: port -> registry -> protocols and tunnels -> read.

mod port;
pub use port::{diagnose, sniff};

pub mod registry;

pub mod tunnel;
// In the folder of what they have in common, and under a path of their own.
#[path = "tunnel/connect/mod.rs"]
pub mod connect;
#[path = "tunnel/proxy/mod.rs"]
pub mod proxy;
#[path = "tunnel/socks/mod.rs"]
pub mod socks;

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
pub mod rdp;
pub mod rpc;
pub mod smtp;
pub mod telnet;
pub mod vencrypt;
pub mod xmpp;

mod read;
