use httparse::Status;
use starttls_core::{Error, Plain};

use super::Response;
use crate::read::line::{LineEnd, Lines};
use crate::read::misbehaviour::malformed;

/// The most content that is skipped to keep a connection. The pages that say "not found" have a few hundred bytes, some 4 KiB.
const MAX_CONTENT: u64 = 16 * 1024;

/// The content of an answer, on its way to being skipped (RFC 9112 section 6).
#[derive(Debug)]
pub(crate) struct Content {
    left: Left,
    /// How much more there may be in sum.
    allowed: u64,
    lines: Lines,
}

#[derive(Clone, Copy, Debug)]
enum Left {
    Bytes(u64),
    ChunkSize,
    /// Of this chunk, its line end counted.
    Chunk(u64),
    Trailers,
    /// Up to the end of the connection.
    All,
}

/// How far skipping has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skipped {
    NeedInput,
    /// The next message begins here.
    Done,
    /// There is no end that could be waited for: the connection has to be closed.
    Endless,
}

impl Content {
    /// That of an answer to a request other than HEAD and CONNECT (section 6.3).
    pub(crate) fn of(response: &Response) -> Result<Self, Error> {
        let headers = &response.headers;
        let left = if matches!(response.status, 100..=199 | 204 | 304) {
            Left::Bytes(0)
        } else if headers.get("Transfer-Encoding").is_some() {
            // With a length beside it "it ought to be handled as an error".
            let is_chunked = headers
                .elements("Transfer-Encoding")
                .last()
                .is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
            if is_chunked && headers.get("Content-Length").is_none() {
                Left::ChunkSize
            } else {
                Left::All
            }
        } else {
            let mut lengths = headers.elements("Content-Length");
            match lengths.next() {
                Some(length) if lengths.all(|other| other == length) => {
                    Left::Bytes(number(length)?)
                }
                Some(length) => return Err(malformed("Content-Length", length)),
                None => Left::All,
            }
        };
        Ok(Self {
            left,
            allowed: MAX_CONTENT,
            lines: Lines::new(LineEnd::CrLf),
        })
    }

    /// Consumes what is there of it, and nothing behind it.
    pub(crate) fn skip(&mut self, plain: &mut Plain) -> Skipped {
        loop {
            self.left = match self.left {
                Left::All => return Skipped::Endless,
                Left::Bytes(left) | Left::Chunk(left) if left > self.allowed => {
                    return Skipped::Endless;
                }
                Left::Bytes(0) => return Skipped::Done,
                Left::Chunk(0) => Left::ChunkSize,
                Left::Bytes(left) => match self.consume(left, plain) {
                    Some(left) => Left::Bytes(left),
                    None => return Skipped::NeedInput,
                },
                Left::Chunk(left) => match self.consume(left, plain) {
                    Some(left) => Left::Chunk(left),
                    None => return Skipped::NeedInput,
                },
                Left::ChunkSize => match self.line(plain) {
                    Ok(Some(line)) => match chunk_size(&line) {
                        Some(0) => Left::Trailers,
                        Some(size) => Left::Chunk(size.saturating_add(2)),
                        None => return Skipped::Endless,
                    },
                    Ok(None) => return Skipped::NeedInput,
                    Err(_) => return Skipped::Endless,
                },
                Left::Trailers => match self.line(plain) {
                    Ok(Some(line)) if line.is_empty() => return Skipped::Done,
                    Ok(Some(_)) => Left::Trailers,
                    Ok(None) => return Skipped::NeedInput,
                    Err(_) => return Skipped::Endless,
                },
            };
        }
    }

    fn line(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        self.lines.take(plain)
    }

    /// Up to `left` bytes; how many are left then, if there were any.
    fn consume(&mut self, left: u64, plain: &mut Plain) -> Option<u64> {
        let there = plain.peek().len();
        if there == 0 {
            return None;
        }
        let n = usize::try_from(left).map_or(there, |left| left.min(there));
        plain.consume(n);
        self.allowed = self.allowed.saturating_sub(n as u64);
        Some(left.saturating_sub(n as u64))
    }
}

fn number(digits: &[u8]) -> Result<u64, Error> {
    std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| malformed("Content-Length", digits))
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let line = [line, b"\r\n"].concat();
    match httparse::parse_chunk_size(&line) {
        Ok(Status::Complete((_, size))) => Some(size),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use starttls_core::Phase;

    use super::*;
    use crate::read::http::Heads;

    /// What becomes of an answer byte by byte, and what is left.
    fn skip(bytes: &str) -> (Skipped, String) {
        let (mut heads, mut plain) = (Heads::new(), Plain::new());
        let mut content: Option<Content> = None;
        for (index, byte) in bytes.bytes().enumerate() {
            assert_eq!(plain.handle_input(&[byte]), 1);
            if let Some(content) = &mut content {
                let skipped = content.skip(&mut plain);
                if skipped != Skipped::NeedInput {
                    let rest = &bytes[index + 1 - plain.peek().len()..];
                    return (skipped, rest.to_owned());
                }
            } else if let Some(response) = heads.next_response(&mut plain).unwrap() {
                let mut found = Content::of(&response).unwrap();
                let skipped = found.skip(&mut plain);
                if skipped != Skipped::NeedInput {
                    return (skipped, bytes[index + 1..].to_owned());
                }
                content = Some(found);
            }
        }
        (Skipped::NeedInput, String::new())
    }

    #[test]
    fn ends_where_its_framing_says() {
        let done = |rest: &str| (Skipped::Done, rest.to_owned());
        for answer in [
            "HTTP/1.1 404 x\r\nContent-Length: 5\r\n\r\nhellonext",
            "HTTP/1.1 404 x\r\nContent-Length: 5, 5\r\n\r\nhellonext",
            "HTTP/1.1 404 x\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\nnext",
            "HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\nnext",
            "HTTP/1.1 204 x\r\n\r\nnext",
        ] {
            assert_eq!(skip(answer), done("next"), "{answer:?}");
        }
    }

    #[test]
    fn is_not_waited_for_without_an_end() {
        for answer in [
            "HTTP/1.1 404 x\r\n\r\nhello",
            "HTTP/1.1 404 x\r\nContent-Length: 16385\r\n\r\nhello",
            "HTTP/1.1 404 x\r\nTransfer-Encoding: gzip\r\n\r\nhello",
            "HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\nFFFF\r\nhello",
            "HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
        ] {
            assert_eq!(skip(answer).0, Skipped::Endless, "{answer:?}");
        }
    }

    #[test]
    fn has_one_length() {
        for length in ["5, 6", "-1", "x", "5\r\nContent-Length: 6"] {
            let head = format!("HTTP/1.1 404 x\r\nContent-Length: {length}\r\n\r\n");
            let mut plain = Plain::with_prefix(head.as_bytes());
            let response = Heads::new().next_response(&mut plain).unwrap().unwrap();
            assert!(Content::of(&response).is_err(), "{length}");
        }
    }
}
