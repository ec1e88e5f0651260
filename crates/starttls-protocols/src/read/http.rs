//! The head of an HTTP/1.1 message. Lines end in CR LF and nothing else, so that where the head ends is not a matter of opinion; what the lines
//! mean is httparse's part.

use httparse::{EMPTY_HEADER, Header, Status};
use starttls_core::{Error, Misbehaviour, Plain, Refusal};

use crate::read::line::{LineEnd, Lines};
use crate::read::misbehaviour::{malformed, too_long};

/// The longest head, as Apache and nginx limit a line of it. A proxy's answer has 40 to 600 bytes.
const MAX_HEAD: usize = 8 * 1024;
/// The most headers. Apache takes 100 of the richest requests; an answer to CONNECT has 10 at most.
const MAX_HEADERS: usize = 64;

/// Reads heads.
#[derive(Debug)]
pub(crate) struct Heads {
    lines: Lines,
    head: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    /// HTTP/1.1 rather than 1.0.
    pub(crate) is_1_1: bool,
    pub(crate) headers: Headers,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) headers: Headers,
}

impl Response {
    pub(crate) fn refusal(&self) -> Refusal {
        Refusal::new(u32::from(self.code), self.reason.as_bytes())
    }

    pub(crate) fn unexpected(&self) -> Error {
        Misbehaviour::Unexpected(self.refusal()).into()
    }
}

#[derive(Debug)]
pub(crate) struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    fn new(headers: &[Header<'_>]) -> Self {
        let owned = |header: &Header<'_>| (header.name.to_owned(), header.value.to_vec());
        Self(headers.iter().map(owned).collect())
    }

    /// Every value that this header is given.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = move |(key, _): &&(String, Vec<u8>)| key.eq_ignore_ascii_case(name);
        self.0.iter().filter(named).map(|(_, value)| &value[..])
    }

    /// The header is a list (RFC 9110 section 5.6.1) and has such an element.
    pub(crate) fn has_element(&self, name: &str, is_it: impl Fn(&[u8]) -> bool) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|element| is_it(element.trim_ascii()))
    }

    /// "Connection: Upgrade" and an Upgrade to any version of TLS (RFC 2817 section 3): what a request must have.
    pub(crate) fn upgrade_to_tls(&self) -> bool {
        self.name_tls()
            && self.has_element("Connection", |option| {
                option.eq_ignore_ascii_case(b"upgrade")
            })
    }

    /// An Upgrade to any version of TLS. In a 101 that says everything; CUPS has `Connection: Keep-Alive` beside it.
    pub(crate) fn name_tls(&self) -> bool {
        self.has_element("Upgrade", |product| {
            let (name, version) = product.split_at_checked(4).unwrap_or_default();
            name.eq_ignore_ascii_case(b"TLS/") && !version.is_empty()
        })
    }

    /// The message announces a body, of whatever length other than 0.
    pub(crate) fn announce_body(&self) -> bool {
        self.all("Transfer-Encoding").next().is_some()
            || self.all("Content-Length").any(|length| length != b"0")
    }
}

impl Heads {
    pub(crate) fn new() -> Self {
        Self {
            lines: Lines::new(LineEnd::CrLf),
            head: Vec::new(),
        }
    }

    /// The next head as a request, consumed to the end of its blank line.
    pub(crate) fn next_request(&mut self, plain: &mut Plain) -> Result<Option<Request>, Error> {
        let Some(head) = self.next(plain)? else {
            return Ok(None);
        };
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        check(request.parse(&head), &head)?;
        match (request.method, request.path, request.version) {
            (Some(method), Some(target), Some(version)) => Ok(Some(Request {
                method: method.to_owned(),
                target: target.to_owned(),
                is_1_1: version == 1,
                headers: Headers::new(request.headers),
            })),
            _ => Err(malformed_head(&head)),
        }
    }

    /// The next head as a response; its body, if it has one, stays unread.
    pub(crate) fn next_response(&mut self, plain: &mut Plain) -> Result<Option<Response>, Error> {
        let Some(head) = self.next(plain)? else {
            return Ok(None);
        };
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        check(response.parse(&head), &head)?;
        match (response.code, response.reason) {
            (Some(code), Some(reason)) => Ok(Some(Response {
                code,
                reason: reason.to_owned(),
                headers: Headers::new(response.headers),
            })),
            _ => Err(malformed_head(&head)),
        }
    }

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        while let Some(line) = self.lines.take(plain)? {
            if self.head.is_empty() && line.is_empty() {
                return Err(malformed("HTTP head", b"\r\n"));
            }
            if self.head.len().saturating_add(line.len()) > MAX_HEAD {
                return Err(too_long("HTTP head", MAX_HEAD));
            }
            self.head.extend(&line);
            self.head.extend(b"\r\n");
            if line.is_empty() {
                return Ok(Some(std::mem::take(&mut self.head)));
            }
        }
        Ok(None)
    }
}

/// The last words of a server to a client that `error` is about: what it said is no request, or too much of one.
pub(crate) fn farewell(error: &Error) -> Vec<u8> {
    let status = match error {
        Error::Misbehaved(Misbehaviour::TooLong { .. }) => "431 Request Header Fields Too Large",
        Error::Misbehaved(Misbehaviour::Malformed { .. }) | Error::UnreadPlaintext { .. } => {
            "400 Bad Request"
        }
        _ => return Vec::new(),
    };
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}

/// httparse must see the end of the head where it was found.
fn check(parsed: httparse::Result<usize>, head: &[u8]) -> Result<(), Error> {
    match parsed {
        Ok(Status::Complete(length)) if length == head.len() => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(too_long("headers", MAX_HEADERS)),
        _ => Err(malformed_head(head)),
    }
}

/// With the first line as a sample: a password may be in the others.
fn malformed_head(head: &[u8]) -> Error {
    malformed(
        "HTTP head",
        head.split(|byte| *byte == b'\r').next().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(bytes: &[u8]) -> Result<Option<Response>, Error> {
        Heads::new().next_response(&mut Plain::with_prefix(bytes))
    }

    #[test]
    fn a_head_ends_at_its_blank_line() {
        let mut plain = Plain::with_prefix(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        let response = Heads::new().next_response(&mut plain).unwrap().unwrap();
        assert_eq!((response.code, &response.reason[..]), (200, "OK"));
        assert!(response.headers.announce_body());
        assert_eq!(plain.peek(), b"hello");
    }

    #[test]
    fn other_line_ends_are_refused() {
        let heads = [
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\r\n\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 O\rK\r\n",
        ];
        for head in heads {
            let error = response(head.as_bytes());
            assert!(
                matches!(
                    error,
                    Err(Error::Misbehaved(Misbehaviour::Malformed { .. }))
                ),
                "{head:?}"
            );
        }
    }

    #[test]
    fn is_bounded() {
        let long = [
            "HTTP/1.1 200 OK\r\n",
            &"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(300),
        ]
        .concat();
        assert!(matches!(
            response(long.as_bytes()),
            Err(Error::Misbehaved(Misbehaviour::TooLong { .. }))
        ));
        let many = ["HTTP/1.1 200 OK\r\n", &"X: a\r\n".repeat(65), "\r\n"].concat();
        let too_many = too_long("headers", 64);
        assert_eq!(response(many.as_bytes()).map(|_| ()), Err(too_many));
    }

    #[test]
    fn lists_are_searched_by_element() {
        let head = b"HTTP/1.1 101 x\r\nUpgrade: HTTP/2.0, tls/1.2\r\nConnection: close\r\nConnection: x , Upgrade\r\n\r\n";
        assert!(response(head).unwrap().unwrap().headers.upgrade_to_tls());
        let head = b"HTTP/1.1 101 x\r\nUpgrade: TLS/\r\nConnection: Upgrade\r\n\r\n";
        assert!(!response(head).unwrap().unwrap().headers.name_tls());
        let head = b"HTTP/1.1 101 x\r\nUpgrade: TLS/1.0\r\nConnection: Upgraded\r\n\r\n";
        let headers = response(head).unwrap().unwrap().headers;
        assert!(headers.name_tls() && !headers.upgrade_to_tls());
    }
}
