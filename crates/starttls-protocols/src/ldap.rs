//! LDAP (RFC 4511 section 4.14).
