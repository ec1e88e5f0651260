use starttls_core::{Error, Plain};

use crate::read::dialogue::ReadMessages;
use crate::read::misbehaviour::{malformed, refuse_tls_record, too_long};

/// The longest line. SMTP allows 512 bytes with its end, IMAP suggests 8,000; Postfix and Dovecot take 8 KiB too.
pub(crate) const MAX_LINE: usize = 8 * 1024;
/// The most lines in a negotiation. The longest real EHLO or CAPABILITY answers have about 40.
pub(crate) const MAX_LINES: usize = 128;

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// CR LF and nothing else. A bare CR or LF is refused, since two parsers that differ on it do not agree where the boundary is.
    CrLf,
    /// LF; a CR before it belongs to it.
    Lf,
}

/// Reads lines out of the plaintext phase, each whole and only once, however it comes in.
#[derive(Debug)]
pub(crate) struct Lines {
    end: LineEnd,
    /// The most bytes of a line, without its end.
    longest: usize,
    /// Bytes of the current line that were searched before.
    searched: usize,
    /// Bytes of the line that was read last, with its end, until they are consumed.
    pending: usize,
    count: usize,
}

impl Lines {
    pub(crate) fn new(end: LineEnd) -> Self {
        Self::of_up_to(MAX_LINE, end)
    }

    /// Lines of another protocol than most, with up to `longest` bytes.
    pub(crate) fn of_up_to(longest: usize, end: LineEnd) -> Self {
        Self {
            end,
            longest,
            searched: 0,
            pending: 0,
            count: 0,
        }
    }
}

impl ReadMessages for Lines {
    /// A line without its end.
    type Message = Vec<u8>;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        let unread = plain.peek();
        if self.searched < 2 {
            refuse_tls_record(unread)?;
        }
        let unsearched = unread.get(self.searched..).unwrap_or_default();
        let Some(found) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = unread.len();
            // The two bytes of the line end do not count.
            return if unread.len() > self.longest.saturating_add(1) {
                Err(self.too_long())
            } else {
                Ok(None)
            };
        };
        let length = self.searched.saturating_add(found);
        // Before anything else, since a line that comes in pieces is too long before its end is known.
        if length > self.longest.saturating_add(1) {
            return Err(self.too_long());
        }
        let line = unread.get(..length).unwrap_or_default();
        let line = match self.end {
            LineEnd::CrLf => line
                .strip_suffix(b"\r")
                .filter(|line| !line.contains(&b'\r'))
                .ok_or_else(|| malformed("line end", line))?,
            LineEnd::Lf => line.strip_suffix(b"\r").unwrap_or(line),
        };
        if line.len() > self.longest {
            return Err(self.too_long());
        }
        self.count = self.count.saturating_add(1);
        if self.count > MAX_LINES {
            return Err(too_long("lines", MAX_LINES));
        }
        self.pending = length.saturating_add(1);
        self.searched = 0;
        Ok(Some(line.to_vec()))
    }

    fn consume(&mut self, plain: &mut Plain) {
        plain.consume(std::mem::take(&mut self.pending));
    }
}

impl Lines {
    /// The next line, consumed at once.
    pub(crate) fn take(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        let line = self.next(plain)?;
        self.consume(plain);
        Ok(line)
    }
}

impl Lines {
    fn too_long(&self) -> Error {
        too_long("line", self.longest)
    }
}

/// The caller's own words on a line: a line end in them would be a second command.
pub(crate) fn has_line_end(words: &str) -> bool {
    words.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

/// The caller's own words can stand on a line: there are some, and no control characters in them.
pub(crate) fn is_text(words: &str) -> bool {
    !words.trim().is_empty() && !words.chars().any(char::is_control)
}

/// The caller's own name is one word of a line. 255 bytes are the longest domain (RFC 1035 section 2.3.4).
pub(crate) fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Something heard, to be looked at: what is not UTF-8 is replaced.
pub(crate) fn text(heard: &[u8]) -> String {
    String::from_utf8_lossy(heard).into_owned()
}

/// The first word of a command, in capitals, and what follows it with the blanks between.
pub(crate) fn split_verb(line: &[u8]) -> (Vec<u8>, &[u8]) {
    let end = line
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(line.len());
    let (verb, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (verb.to_ascii_uppercase(), rest)
}
