use std::fmt;

/// Words of the peer, received in plaintext: anybody on the path may have written them.
///
/// At most 256 bytes are kept. There is no `Display`: whoever shows them asks for [`escaped`](Self::escaped), and knows it.
///
/// ```
/// let said = starttls_core::UntrustedText::new(b"no TLS\r\n\x1b[31m here");
/// assert_eq!(said.escaped(), r"no TLS\r\n\x1b[31m here");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct UntrustedText {
    bytes: Vec<u8>,
    cut: bool,
}

impl UntrustedText {
    /// The most bytes that are kept. A reply line of SMTP has at most 512 (RFC 5321 section 4.5.3.1.5); half of it tells enough.
    pub const MAX: usize = 256;

    /// Keeps the first [`MAX`](Self::MAX) bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.iter().copied().take(Self::MAX).collect(),
            cut: bytes.len() > Self::MAX,
        }
    }

    /// The words with everything that is not printable ASCII escaped, and `...` behind them if they were longer.
    pub fn escaped(&self) -> String {
        format!(
            "{}{}",
            self.bytes.escape_ascii(),
            if self.cut { "..." } else { "" }
        )
    }

    /// The bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Nothing was said.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl fmt::Debug for UntrustedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escaped())
    }
}

/// Something that was heard in plaintext before TLS: anybody on the path may have written it.
///
/// What a negotiator has heard (a greeting, capabilities, a name) is handed over in this wrapper, so that it is not mistaken for what came
/// through TLS. Whoever uses it says so, with [`get`](Self::get) or [`into_inner`](Self::into_inner).
///
/// ```
/// let heard = starttls_core::Untrusted::new("250-SIZE 1000");
/// assert_eq!(*heard.get(), "250-SIZE 1000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[must_use]
pub struct Untrusted<T>(T);

impl<T> Untrusted<T> {
    /// Marks something as heard in plaintext.
    pub const fn new(heard: T) -> Self {
        Self(heard)
    }

    /// What was heard.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What was heard, without the mark.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// The same mark on something made of it.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Untrusted<U> {
        Untrusted(f(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_harmless() {
        let text = UntrustedText::new(&[0xff; 1000]);
        assert_eq!(text.as_bytes().len(), 256);
        assert!(text.escaped().is_ascii() && text.escaped().ends_with("\\xff..."));
        assert_eq!(
            format!("{:?}", UntrustedText::new(b"\x1b\"")),
            r#""\x1b\"""#
        );
    }
}
