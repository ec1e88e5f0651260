use starttls_core::{Error, Misbehaviour, Plain, Refusal};

use crate::read::dialogue::ReadMessages;
use crate::read::line::{LineEnd, Lines};
use crate::read::misbehaviour::malformed;

/// A three-digit reply of SMTP, LMTP, FTP or NNTP, of one line or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// Without code and separator.
    pub(crate) lines: Vec<Vec<u8>>,
}

impl Reply {
    /// A reply that has no other lines (RFC 3977 section 3.2).
    pub(crate) fn of_one_line(line: &[u8]) -> Result<Self, Error> {
        match parse(line) {
            Some((code, true, text)) => Ok(Self {
                code,
                lines: vec![text.to_vec()],
            }),
            _ => Err(malformed("reply", line)),
        }
    }

    pub(crate) fn refusal(&self) -> Refusal {
        Refusal::new(u32::from(self.code), &self.lines.join(&b"\n"[..]))
    }

    pub(crate) fn unexpected(&self) -> Error {
        Misbehaviour::Unexpected(self.refusal()).into()
    }

    pub(crate) fn goodbye(&self) -> Error {
        Error::Goodbye(self.refusal())
    }
}

/// What the lines between the first and the last of a reply look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Continuation {
    /// `250-` each (RFC 5321 section 4.2.1).
    SameCode,
    /// Anything, until the code and a space come (RFC 959 section 4.2).
    Anything,
}

/// Reads replies.
#[derive(Debug)]
pub(crate) struct Replies {
    lines: Lines,
    continuation: Continuation,
    partial: Option<Reply>,
}

impl Replies {
    pub(crate) fn new(continuation: Continuation) -> Self {
        Self {
            lines: Lines::new(LineEnd::CrLf),
            continuation,
            partial: None,
        }
    }
}

impl ReadMessages for Replies {
    type Message = Reply;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Reply>, Error> {
        while let Some(line) = self.lines.next(plain)? {
            let parsed = parse(&line);
            let Some(reply) = &mut self.partial else {
                let (code, last, text) = parsed.ok_or_else(|| malformed("reply", &line))?;
                let reply = Reply {
                    code,
                    lines: vec![text.to_vec()],
                };
                if last {
                    return Ok(Some(reply));
                }
                self.partial = Some(reply);
                continue;
            };
            let belongs = match self.continuation {
                Continuation::SameCode => true,
                // "followed immediately by Space": the code alone is text.
                Continuation::Anything => line.get(3) == Some(&b' '),
            };
            match parsed {
                Some((code, last, text)) if code == reply.code && belongs => {
                    reply.lines.push(text.to_vec());
                    if last {
                        return Ok(self.partial.take());
                    }
                }
                _ if self.continuation == Continuation::Anything => reply.lines.push(line),
                _ => return Err(malformed("multi-line reply", &line)),
            }
        }
        Ok(None)
    }
}

/// Code, whether it is the last line, and the text.
fn parse(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match rest {
        // "a reply may end after the code" (RFC 5321 section 4.2)
        [] => Some((code, true, rest)),
        [b' ', text @ ..] => Some((code, true, text)),
        [b'-', text @ ..] => Some((code, false, text)),
        _ => None,
    }
}
