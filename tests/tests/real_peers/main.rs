//! Against servers and clients that nobody here wrote: `bash tests/peers/run`.
//!
//! A module or test is named after its peer. `PEERS_DIR` has the certificates, `PEERS_BASE` moves the ports (see `tests/peers/README.md`).

mod curl;
mod dovecot;
mod gnutls;
mod inside;
mod inspircd;
mod jetblack;
mod nbdkit;
mod nnrpd;
mod openssl;
mod postfix;
mod proftpd;
mod python;
mod qemu_nbd;
mod support;
mod swaks;
mod tigervnc;
mod vsftpd;
