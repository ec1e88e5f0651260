//! Against servers and clients that nobody here wrote: `bash tests/peers/run`.
//!
//! A module or test is named after its peer. `PEERS_DIR` has the certificates, `PEERS_BASE` moves the ports (see `tests/peers/README.md`).

mod command;
mod cups;
mod curl;
mod dante;
mod dovecot;
mod gnutls;
mod gvnc;
mod haproxy;
mod innd;
mod inside;
mod inspircd;
mod irssi;
mod jetblack;
mod lftp;
mod libnbd;
mod mariadb;
mod mbsync;
mod microsocks;
mod munin_node;
mod nats;
mod nbdkit;
mod nnrpd;
mod openssl;
mod openssl_dane;
mod origin;
mod postfix;
mod postgres;
mod proftpd;
mod prosody;
mod python;
mod qemu_nbd;
mod s3270;
mod s_nail;
mod scram;
mod sieve_connect;
mod slapd;
mod squid;
mod sslscan;
mod support;
mod swaks;
mod tigervnc;
mod upsd;
mod vsftpd;
mod xrdp;
