//! The names under which servers are found in the DNS by SRV records (RFC 2782).

/// How TLS begins on the port that a record gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Begin {
    /// By the protocol's upgrade: this crate's negotiators.
    Upgrade,
    /// From the first byte.
    Implicit,
}

/// A service by its SRV name. The certificate is checked for the domain that was asked for, and not for what a record that DNSSEC has not validated
/// leads to (RFC 6125 section 6.2.1, RFC 7673 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Service {
    /// Its service and protocol labels: `_imaps._tcp`, to be followed by the domain.
    pub srv: &'static str,
    /// The port where there is no record.
    pub port: u16,
    /// How TLS begins there.
    pub begin: Begin,
    /// Where that is specified.
    pub specification: &'static str,
}

impl Service {
    /// The name to ask for a domain's records: `_imaps._tcp.example.org`.
    pub fn name(&self, domain: &str) -> String {
        format!("{}.{domain}", self.srv)
    }
}

const fn upgrade(srv: &'static str, port: u16, specification: &'static str) -> Service {
    Service {
        srv,
        port,
        begin: Begin::Upgrade,
        specification,
    }
}

const fn implicit(srv: &'static str, port: u16, specification: &'static str) -> Service {
    Service {
        begin: Begin::Implicit,
        ..upgrade(srv, port, specification)
    }
}

/// From a mail program; between servers there are MX records.
pub(super) const SMTP: &[Service] = &[
    implicit("_submissions._tcp", 465, "RFC 8314 section 5.1"),
    upgrade("_submission._tcp", 587, "RFC 6186 section 3.1"),
];
pub(super) const IMAP: &[Service] = &[
    implicit("_imaps._tcp", 993, "RFC 6186 section 3.2"),
    upgrade("_imap._tcp", 143, "RFC 6186 section 3.2"),
];
pub(super) const POP3: &[Service] = &[
    implicit("_pop3s._tcp", 995, "RFC 6186 section 3.3"),
    upgrade("_pop3._tcp", 110, "RFC 6186 section 3.3"),
];
pub(super) const SIEVE: &[Service] = &[upgrade("_sieve._tcp", 4190, "RFC 5804 section 1.8")];
pub(super) const XMPP: &[Service] = &[
    implicit("_xmpps-client._tcp", 5223, "XEP-0368"),
    upgrade("_xmpp-client._tcp", 5222, "RFC 6120 section 3.2.1"),
];
pub(super) const XMPP_SERVER: &[Service] = &[
    implicit("_xmpps-server._tcp", 5270, "XEP-0368"),
    upgrade("_xmpp-server._tcp", 5269, "RFC 6120 section 3.2.1"),
];
pub(super) const LDAP: &[Service] = &[upgrade("_ldap._tcp", 389, "RFC 2782")];
