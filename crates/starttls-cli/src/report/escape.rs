//! Nothing of a peer reaches a terminal as it is.

/// A text in which everything but letters, digits and printable ASCII is escaped: no control character, no change of direction.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_graphic() || c == ' ' || (!c.is_ascii() && c.is_alphanumeric()) {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_default());
        }
    }
    escaped
}

/// Bytes line by line, escaped and without their ends; all of them in one piece where they are no text.
pub(crate) fn lines(bytes: &[u8]) -> Vec<String> {
    let is_text = |byte: &u8| {
        byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n') || *byte >= 0x80
    };
    if !bytes.iter().all(is_text) || !bytes.is_ascii() && std::str::from_utf8(bytes).is_err() {
        return vec![bytes.escape_ascii().to_string()];
    }
    bytes
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| {
            let line = line.strip_suffix(b"\r\n").unwrap_or(line);
            // Quotation marks are harmless, and many protocols are full of them.
            line.escape_ascii()
                .to_string()
                .replace("\\\"", "\"")
                .replace("\\'", "'")
        })
        .collect()
}

/// What is shown of data to a terminal: line ends and tabulators stay.
pub(crate) fn data(bytes: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\n' | b'\t' => shown.push(*byte),
            // In front of a line end as a rule, and able to overwrite a line otherwise.
            b'\r' => {}
            b' '..=b'~' => shown.push(*byte),
            _ => shown.extend(byte.escape_ascii()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_and_changes_of_direction_are_escaped() {
        assert_eq!(
            escape("CN=Zürich \u{1b}[31m\u{202e}x"),
            "CN=Zürich \\u{1b}[31m\\u{202e}x"
        );
        assert_eq!(lines(b"220 \x1b]0;x\x07\r\n"), [r"220 \x1b]0;x\x07\r\n"]);
        assert_eq!(lines(b"250-a\r\n250 \"b\"\r\n"), ["250-a", "250 \"b\""]);
        assert_eq!(lines(b"\0\x01S\n"), [r"\x00\x01S\n"]);
        assert_eq!(data(b"a\r\n\x1b[2J\xff"), b"a\n\\x1b[2J\\xff");
    }
}
