//! HTTP/1.1 as far as it goes before TLS: heads, and content that is skipped.

use std::fmt;

use starttls_core::{Error, Misbehaviour, Refusal};

mod content;
pub(crate) use content::{Content, Skipped};

mod heads;
pub(crate) use heads::Heads;

mod sent;
pub(crate) use sent::SentHeaders;

/// The head of a request.
///
/// `Debug` does not show the values of the headers: a password may be in them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The method, as `CONNECT`. Its case matters.
    pub method: String,
    /// What it is about, as `mail.example.org:25` or `*`.
    pub target: String,
    /// HTTP/1.1 rather than 1.0.
    pub is_1_1: bool,
    /// The headers.
    pub headers: Headers,
}

/// The head of an answer.
///
/// `Debug` does not show the values of the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status code, as 407.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// HTTP/1.1 rather than 1.0.
    pub is_1_1: bool,
    /// The headers.
    pub headers: Headers,
}

impl Response {
    pub(crate) fn refusal(&self) -> Refusal {
        Refusal::new(u32::from(self.status), self.reason.as_bytes())
    }

    pub(crate) fn unexpected(&self) -> Error {
        Misbehaviour::Unexpected(self.refusal()).into()
    }

    /// The connection goes on behind this answer and its content (RFC 9112 section 9.3).
    pub(crate) fn is_persistent(&self) -> bool {
        let option = |name: &[u8]| self.headers.has_option("Connection", name);
        !option(b"close") && (self.is_1_1 || option(b"keep-alive"))
    }
}

impl Request {
    /// The client closes behind the answer to this.
    pub(crate) fn is_last(&self) -> bool {
        !self.is_1_1 || self.headers.has_option("Connection", b"close")
    }
}

/// The headers of a message, in order.
#[derive(Clone, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    fn new(headers: &[httparse::Header<'_>]) -> Self {
        let owned = |header: &httparse::Header<'_>| (header.name.to_owned(), header.value.to_vec());
        Self(headers.iter().map(owned).collect())
    }

    /// The first value of a header, whatever the case of its name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// Every value of a header.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = move |(key, _): &&(String, Vec<u8>)| key.eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(|(_, value)| &value[..])
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (&name[..], &value[..]))
    }

    /// The elements of a header that is a list (RFC 9110 section 5.6.1).
    fn elements(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
    }

    /// The header is a list and has this element, in any case.
    pub(crate) fn has_option(&self, name: &str, wanted: &[u8]) -> bool {
        self.elements(name)
            .any(|element| element.eq_ignore_ascii_case(wanted))
    }

    /// "Connection: Upgrade" and an Upgrade to any version of TLS (RFC 2817 section 3): what a request must have.
    pub(crate) fn upgrade_to_tls(&self) -> bool {
        self.name_tls() && self.has_option("Connection", b"upgrade")
    }

    /// An Upgrade to any version of TLS. In a 101 that says everything; CUPS has `Connection: Keep-Alive` beside it.
    pub(crate) fn name_tls(&self) -> bool {
        self.elements("Upgrade").any(|product| {
            let (name, version) = product.split_at_checked(4).unwrap_or_default();
            name.eq_ignore_ascii_case(b"TLS/") && !version.is_empty()
        })
    }

    /// The message announces content, of whatever length other than 0.
    pub(crate) fn announce_content(&self) -> bool {
        self.get("Transfer-Encoding").is_some()
            || self.all("Content-Length").any(|length| length != b"0")
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// An answer of a server: the status line, headers of its own if it needs any, and no content.
pub(crate) fn answer(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n\r\n").into_bytes()
}

/// The same as the last thing on this connection.
pub(crate) fn last_answer(status: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n")
        .into_bytes()
}

/// What a request with content is malformed as.
pub(crate) const CONTENT: &str = "request with content";

/// The last words of a server to a client that `error` is about: what it said is no request, or too much of one.
pub(crate) fn farewell(error: &Error) -> Vec<u8> {
    match error {
        Error::Misbehaved(Misbehaviour::TooLong { .. }) => {
            last_answer("431 Request Header Fields Too Large", "")
        }
        Error::Misbehaved(Misbehaviour::Malformed { what, .. }) if *what == CONTENT => {
            last_answer("413 Content Too Large", "")
        }
        Error::Misbehaved(Misbehaviour::Malformed { .. }) | Error::UnreadPlaintext { .. } => {
            last_answer("400 Bad Request", "")
        }
        _ => Vec::new(),
    }
}
