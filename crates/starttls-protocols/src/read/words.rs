use starttls_core::{Error, Plain, UntrustedText};

use crate::read::misbehaviour::malformed;

/// The error of a peer that speaks text where a binary message should begin, with its first line as the sample: what it says is what helps. `None` as
/// long as the line is not complete. A peer that does not speak text either is known by its first byte.
pub(crate) fn malformed_words(what: &'static str, plain: &Plain) -> Option<Error> {
    let unread = plain.peek();
    let window = unread.get(..UntrustedText::MAX).unwrap_or(unread);
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n' | 0x80..);
    let end = window
        .iter()
        .position(|byte| *byte == b'\n' || !is_text(byte));
    let line = match end {
        Some(end) => window.get(..end).unwrap_or_default(),
        None if window.len() == UntrustedText::MAX || plain.is_eof() => window,
        None => return None,
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let sample = if line.is_empty() {
        window.get(..1).unwrap_or_default()
    } else {
        line
    };
    Some(malformed(what, sample))
}

#[cfg(test)]
mod tests {
    use starttls_core::{Misbehaviour, Phase};

    use super::*;

    fn sample(plain: &Plain) -> Option<String> {
        match malformed_words("message", plain)? {
            Error::Misbehaved(Misbehaviour::Malformed { sample, .. }) => Some(sample.escaped()),
            error => panic!("{error:?}"),
        }
    }

    #[test]
    fn a_line_of_text_is_shown_whole() {
        let shown = |bytes: &[u8]| sample(&Plain::with_prefix(bytes));
        assert_eq!(
            shown(b"HTTP/1.1 400 Bad Request\r\nX"),
            Some("HTTP/1.1 400 Bad Request".into())
        );
        assert_eq!(shown(b"HTTP/1.1 400"), None);
        assert_eq!(shown(b"\x01abc\n"), Some("\\x01".into()));
        assert_eq!(shown(b"ab\x00c"), Some("ab".into()));
        assert_eq!(shown(b"\n"), Some("\\n".into()));
        assert_eq!(shown(&[b'a'; 300]).map(|shown| shown.len()), Some(256));
        let mut plain = Plain::with_prefix(b"HTTP");
        plain.handle_eof();
        assert_eq!(sample(&plain), Some("HTTP".into()));
    }
}
