//! NUT (RFC 9271).
