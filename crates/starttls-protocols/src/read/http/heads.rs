use httparse::{EMPTY_HEADER, Status};
use starttls_core::{Error, Plain};

use super::{Headers, Request, Response};
use crate::read::misbehaviour::{malformed, refuse_tls_record, too_long};

/// The longest head, as Apache and nginx limit a line of it. A proxy's answer has 40 to 600 bytes.
const MAX_HEAD: usize = 8 * 1024;
/// The most headers. Apache takes 100 of the richest requests; an answer to CONNECT has 10 at most.
const MAX_HEADERS: usize = 64;
/// The most interim responses in front of an answer, and requests that are refused in front of the right one.
const MAX_MESSAGES: usize = 128;
/// The most empty lines in front of a request. Old clients sent one behind the content of the last request.
const MAX_EMPTY_LINES: usize = 16;

/// Reads heads. Lines end in CR LF and nothing else, so that where the head ends is not a matter of opinion; what the lines mean is
/// httparse's part.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    /// Where the line that is being looked for begins, from the first unread byte.
    line: usize,
    /// Bytes that were searched for its end before.
    searched: usize,
    empty_lines: usize,
    count: usize,
}

impl Heads {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The next head as a request, consumed to the end of its blank line.
    pub(crate) fn next_request(&mut self, plain: &mut Plain) -> Result<Option<Request>, Error> {
        let request = self.peek_request(plain)?;
        Ok(request.map(|(request, length)| {
            plain.consume(length);
            request
        }))
    }

    /// The next head as a request, and how long it is. Nothing is consumed but empty lines in front of it: "a server ... SHOULD ignore at
    /// least one empty line (CRLF) received prior to the request-line" (RFC 9112 section 2.2).
    pub(crate) fn peek_request(
        &mut self,
        plain: &mut Plain,
    ) -> Result<Option<(Request, usize)>, Error> {
        while plain.peek().starts_with(b"\r\n") && self.line == 0 {
            self.empty_lines = self.empty_lines.saturating_add(1);
            if self.empty_lines > MAX_EMPTY_LINES {
                return Err(too_long("empty lines", MAX_EMPTY_LINES));
            }
            plain.consume(2);
            self.searched = 0;
        }
        let Some(length) = self.find(plain, parse_request)? else {
            return Ok(None);
        };
        let head = plain.peek().get(..length).unwrap_or_default();
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        check(request.parse(head), head)?;
        let (Some(method), Some(target), Some(version)) =
            (request.method, request.path, request.version)
        else {
            return Err(malformed_head(head));
        };
        let request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            is_1_1: version == 1,
            headers: Headers::new(request.headers),
        };
        // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host header field and to
        // any request message that contains more than one Host header field line" (RFC 9112 section 3.2)
        let hosts = request.headers.all("Host").count();
        if hosts > 1 || (hosts == 0 && request.is_1_1) {
            return Err(malformed("Host header", first_line(head)));
        }
        Ok(Some((request, length)))
    }

    /// The next head as a response, consumed to the end of its blank line; its content, if it has one, stays unread.
    pub(crate) fn next_response(&mut self, plain: &mut Plain) -> Result<Option<Response>, Error> {
        let Some(length) = self.find(plain, parse_response)? else {
            return Ok(None);
        };
        let head = plain.peek().get(..length).unwrap_or_default();
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        check(response.parse(head), head)?;
        let (Some(status), Some(reason), Some(version)) =
            (response.code, response.reason, response.version)
        else {
            return Err(malformed_head(head));
        };
        let response = Response {
            status,
            reason: reason.to_owned(),
            is_1_1: version == 1,
            headers: Headers::new(response.headers),
        };
        plain.consume(length);
        Ok(Some(response))
    }

    /// The length of the head at the beginning of what is unread. Its first line is looked at as soon as it is there: a peer that speaks
    /// something else, and then waits, is not waited for.
    fn find(
        &mut self,
        plain: &Plain,
        is_first_line: fn(&[u8]) -> bool,
    ) -> Result<Option<usize>, Error> {
        let unread = plain.peek();
        if self.searched < 2 {
            refuse_tls_record(unread)?;
        }
        let window = unread.get(..MAX_HEAD).unwrap_or(unread);
        loop {
            let new = window.get(self.searched..).unwrap_or_default();
            let Some(found) = new.iter().position(|byte| *byte == b'\n') else {
                self.searched = window.len();
                return if window.len() == MAX_HEAD {
                    Err(too_long("HTTP head", MAX_HEAD))
                } else {
                    Ok(None)
                };
            };
            let end = self.searched.saturating_add(found);
            let line = window.get(self.line..end).unwrap_or_default();
            let line = line
                .strip_suffix(b"\r")
                .filter(|line| !line.contains(&b'\r'))
                .ok_or_else(|| malformed("line end", line))?;
            let next = end.saturating_add(1);
            if self.line == 0 && !window.get(..next).is_some_and(is_first_line) {
                return Err(malformed("HTTP head", line));
            }
            if !line.is_empty() {
                (self.line, self.searched) = (next, next);
                continue;
            }
            (self.line, self.searched, self.empty_lines) = (0, 0, 0);
            self.count = self.count.saturating_add(1);
            return if self.count > MAX_MESSAGES {
                Err(too_long("messages", MAX_MESSAGES))
            } else {
                Ok(Some(next))
            };
        }
    }
}

fn parse_request(line: &[u8]) -> bool {
    let mut headers = [EMPTY_HEADER; 0];
    // Without one, the whole of the line is only a beginning.
    httparse::Request::new(&mut headers)
        .parse(line)
        .is_ok_and(|status| status.is_partial())
}

fn parse_response(line: &[u8]) -> bool {
    let mut headers = [EMPTY_HEADER; 0];
    httparse::Response::new(&mut headers)
        .parse(line)
        .is_ok_and(|status| status.is_partial())
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
    malformed("HTTP head", first_line(head))
}

fn first_line(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b'\r').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use starttls_core::Misbehaviour;

    use super::*;

    fn response(bytes: &[u8]) -> Result<Option<Response>, Error> {
        Heads::new().next_response(&mut Plain::with_prefix(bytes))
    }

    fn request(bytes: &[u8]) -> Result<Option<Request>, Error> {
        Heads::new().next_request(&mut Plain::with_prefix(bytes))
    }

    fn is_malformed<T>(result: &Result<T, Error>) -> bool {
        matches!(
            result,
            Err(Error::Misbehaved(Misbehaviour::Malformed { .. }))
        )
    }

    #[test]
    fn a_head_ends_at_its_blank_line() {
        let mut plain = Plain::with_prefix(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        let response = Heads::new().next_response(&mut plain).unwrap().unwrap();
        assert_eq!((response.status, &response.reason[..]), (200, "OK"));
        assert!(response.headers.announce_content());
        assert_eq!(plain.peek(), b"hello");
    }

    #[test]
    fn other_line_ends_are_refused() {
        for head in [
            "HTTP/1.1 200 OK\n\n",
            "HTTP/1.1 200 OK\r\n\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 O\rK\r\n",
        ] {
            assert!(is_malformed(&response(head.as_bytes())), "{head:?}");
        }
    }

    #[test]
    fn what_is_not_http_is_known_by_its_first_line() {
        assert!(is_malformed(&response(b"220 mail.example.org ESMTP\r\n")));
        assert!(is_malformed(&request(b"EHLO me.example.net\r\n")));
        assert_eq!(response(b"HTTP/1.1 200 OK\r\n"), Ok(None));
        assert_eq!(request(b"GET / HTTP/1.1\r\n"), Ok(None));
    }

    #[test]
    fn a_request_has_one_host() {
        assert!(is_malformed(&request(b"GET / HTTP/1.1\r\n\r\n")));
        assert!(is_malformed(&request(
            b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"
        )));
        for good in [
            "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            assert!(request(good.as_bytes()).unwrap().is_some(), "{good:?}");
        }
    }

    #[test]
    fn is_bounded() {
        let is_too_long = |bytes: &[u8]| {
            matches!(
                response(bytes),
                Err(Error::Misbehaved(Misbehaviour::TooLong { .. }))
            )
        };
        let line = "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
        assert!(is_too_long(
            ["HTTP/1.1 200 OK\r\n", &line.repeat(300)]
                .concat()
                .as_bytes()
        ));
        let many = ["HTTP/1.1 200 OK\r\n", &"X: a\r\n".repeat(65), "\r\n"].concat();
        assert_eq!(response(many.as_bytes()), Err(too_long("headers", 64)));
        assert_eq!(
            request(&b"\r\n".repeat(17)),
            Err(too_long("empty lines", 16))
        );
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
