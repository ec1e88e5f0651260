use std::fmt;

use crate::Report;

/// What came of an upgrade by policy: the stream of an adapter in TLS, or still in plaintext, where the policy allowed that.
#[derive(Debug)]
#[must_use = "there may be no TLS"]
pub enum Upgraded<T, P> {
    /// TLS is up, and the peer is whom the policy demands.
    Tls(T, Report),
    /// The policy does not ask for TLS, or the peer has declined and the policy allows that: everything on this connection is plaintext.
    Plaintext(P, Report),
}

impl<T, P> Upgraded<T, P> {
    /// The report.
    pub fn report(&self) -> &Report {
        match self {
            Self::Tls(_, report) | Self::Plaintext(_, report) => report,
        }
    }
}

/// An upgrade by policy that led nowhere: the connection is lost.
#[derive(Debug)]
pub struct Failed<E> {
    /// Why.
    pub error: E,
    /// The report; `None` if the policy itself could not be used.
    pub report: Option<Box<Report>>,
}

impl<E> Failed<E> {
    /// An error and its report.
    pub fn new(error: E, report: Option<Report>) -> Self {
        Self {
            error,
            report: report.map(Box::new),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Failed<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<E: std::error::Error> std::error::Error for Failed<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}
