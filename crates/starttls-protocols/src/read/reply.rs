use starttls_core::{Error, Misbehaviour, Plain, Refusal};

use crate::read::dialogue::ReadMessages;
use crate::read::line::{LineEnd, Lines, text};
use crate::read::misbehaviour::malformed;

/// A three-digit reply of SMTP, LMTP, FTP or NNTP, of one line or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    /// Without code and separator.
    pub(crate) lines: Vec<Vec<u8>>,
    /// It began with another code and was broken off by this one, a 4xx or 5xx.
    pub(crate) broken_off: bool,
}

impl Reply {
    /// A reply that has no other lines (RFC 3977 section 3.2).
    pub(crate) fn of_one_line(line: &[u8]) -> Result<Self, Error> {
        match parse(line) {
            Some((code, true, text)) => Ok(Self::new(code, text)),
            _ => Err(malformed("reply", line)),
        }
    }

    fn new(code: u16, text: &[u8]) -> Self {
        Self {
            code,
            lines: vec![text.to_vec()],
            broken_off: false,
        }
    }

    /// A reply that takes the place of one that was not finished.
    fn breaking_off(code: u16, text: &[u8]) -> Self {
        Self {
            broken_off: true,
            ..Self::new(code, text)
        }
    }

    /// 4xx or 5xx: the peer says no, for now or for good.
    pub(crate) fn is_negative(&self) -> bool {
        is_negative(self.code)
    }

    /// All lines, to be looked at.
    pub(crate) fn text(&self) -> Vec<String> {
        self.lines.iter().map(|line| text(line)).collect()
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
        while let Some(line) = self.lines.take(plain)? {
            let parsed = parse(&line);
            let Some(reply) = &mut self.partial else {
                let (code, last, text) = parsed.ok_or_else(|| malformed("reply", &line))?;
                let reply = Reply::new(code, text);
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
            let last = match parsed {
                Some((code, last, text)) if code == reply.code && belongs => {
                    reply.lines.push(text.to_vec());
                    last
                }
                _ if self.continuation == Continuation::Anything => {
                    reply.lines.push(line);
                    false
                }
                // A greeting in parts, which tells those who do not wait for its end from those who do, and then a refusal.
                Some((code, last, text)) if is_negative(code) => {
                    *reply = Reply::breaking_off(code, text);
                    last
                }
                _ => return Err(malformed("multi-line reply", &line)),
            };
            if last {
                return Ok(self.partial.take());
            }
        }
        Ok(self.broken_off(plain))
    }
}

impl Replies {
    /// Where any line may belong to a reply, that it was broken off is known at the end of the connection.
    fn broken_off(&mut self, plain: &Plain) -> Option<Reply> {
        if self.continuation != Continuation::Anything
            || !plain.is_eof()
            || !plain.peek().is_empty()
        {
            return None;
        }
        // The first line is text behind the code already.
        let (code, last, text) = parse(self.partial.as_ref()?.lines.iter().skip(1).last()?)?;
        (last && is_negative(code)).then(|| Reply::breaking_off(code, text))
    }
}

fn is_negative(code: u16) -> bool {
    (400..=599).contains(&code)
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
