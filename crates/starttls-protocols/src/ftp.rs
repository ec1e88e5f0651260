//! FTP (RFC 4217).
