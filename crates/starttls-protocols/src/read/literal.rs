use starttls_core::{Error, Misbehaviour, Plain, Refusal};

use crate::read::dialogue::ReadMessages;
use crate::read::line::{LineEnd, Lines, MAX_LINE};
use crate::read::misbehaviour::too_long;

/// The longest literal. Before TLS there is a reason for none; they are read so that what is in them is not taken for lines.
pub(crate) const MAX_LITERAL: usize = MAX_LINE;
/// The longest literal that a client of IMAP may send without waiting (RFC 7888 section 5, `LITERAL-`, which is part of IMAP4rev2).
const MAX_UNAWAITED: usize = 4096;

/// A message of IMAP or ManageSieve: one line, or several with literals between them.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// Without line ends: always one more than there are literals.
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) literals: Vec<Vec<u8>>,
}

impl Message {
    pub(crate) fn first_line(&self) -> &[u8] {
        self.lines.first().map_or(&[], Vec::as_slice)
    }

    /// All of it, for those who want to read it.
    pub(crate) fn refusal(&self) -> Refusal {
        let mut text = self.first_line().to_vec();
        for (literal, line) in self.literals.iter().zip(self.lines.iter().skip(1)) {
            text.extend_from_slice(b"\r\n");
            text.extend_from_slice(literal);
            text.extend_from_slice(line);
        }
        Refusal::new(None, &text)
    }

    pub(crate) fn unexpected(&self) -> Error {
        Misbehaviour::Unexpected(self.refusal()).into()
    }

    pub(crate) fn goodbye(&self) -> Error {
        Error::Goodbye(self.refusal())
    }
}

/// Reads messages.
#[derive(Debug)]
pub(crate) struct Messages {
    lines: Lines,
    may_have_literals: fn(&[u8]) -> bool,
    /// The other side waits before `{n}`, and a message ends there.
    unawaited_only: bool,
    partial: Message,
    /// The size of the literal that comes next.
    announced: Option<usize>,
}

impl Messages {
    /// `may_have_literals` tells from the first line of a message, since free text may end like the announcement of a literal.
    pub(crate) fn new(may_have_literals: fn(&[u8]) -> bool) -> Self {
        Self {
            lines: Lines::new(LineEnd::CrLf),
            may_have_literals,
            unawaited_only: false,
            partial: Message::default(),
            announced: None,
        }
    }

    /// The commands of a client that waits for permission before it sends a literal, unless that is `{n+}`: what it waits with is a message.
    pub(crate) fn of_waiting(may_have_literals: fn(&[u8]) -> bool) -> Self {
        Self {
            unawaited_only: true,
            ..Self::new(may_have_literals)
        }
    }

    fn announced(&self, line: &[u8]) -> Option<usize> {
        let first = self.partial.lines.first().map_or(line, Vec::as_slice);
        let comes = !self.unawaited_only || line.ends_with(b"+}");
        announced(line).filter(|_| comes && (self.may_have_literals)(first))
    }
}

impl ReadMessages for Messages {
    type Message = Message;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Message>, Error> {
        loop {
            if let Some(size) = self.announced {
                let Some(literal) = plain.peek().get(..size) else {
                    return Ok(None);
                };
                self.partial.literals.push(literal.to_vec());
                plain.consume(size);
                self.announced = None;
            }
            let Some(line) = self.lines.next(plain)? else {
                return Ok(None);
            };
            let announced = self.announced(&line);
            self.partial.lines.push(line);
            let Some(size) = announced else {
                return Ok(Some(std::mem::take(&mut self.partial)));
            };
            self.lines.consume(plain);
            let limit = if self.unawaited_only {
                MAX_UNAWAITED
            } else {
                MAX_LITERAL
            };
            if size > limit {
                return Err(too_long("literal", limit));
            }
            self.announced = Some(size);
        }
    }

    fn consume(&mut self, plain: &mut Plain) {
        self.lines.consume(plain);
    }
}

/// The size in `{n}` or `{n+}` at the end of a line (RFC 9051 section 4.3, RFC 5804 section 4).
pub(crate) fn announced(line: &[u8]) -> Option<usize> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|byte| *byte == b'{')?;
    let digits = inner.get(open..)?.strip_prefix(b"{")?;
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // More digits than fit are more bytes than are taken.
    Some(
        std::str::from_utf8(digits)
            .ok()?
            .parse()
            .unwrap_or(usize::MAX),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements() {
        assert_eq!(announced(b"OK {5}"), Some(5));
        assert_eq!(announced(b"OK {5+}"), Some(5));
        assert_eq!(announced(b"{0}"), Some(0));
        assert_eq!(announced(b"{99999999999999999999999}"), Some(usize::MAX));
        for none in [
            &b"OK {}"[..],
            b"{+}",
            b"{5} ",
            b"5}",
            b"{-5}",
            b"{5++}",
            b"\"{5}\"",
            b"}",
            b"",
        ] {
            assert_eq!(announced(none), None);
        }
    }
}
