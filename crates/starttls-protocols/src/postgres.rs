//! PostgreSQL SSLRequest.
