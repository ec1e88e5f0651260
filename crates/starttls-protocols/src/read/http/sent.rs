use std::fmt;

use starttls_core::{Error, Misuse};

/// What decides where a message ends, and what this crate sends itself.
const NOT_THE_CALLERS: [&str; 6] = [
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Upgrade",
    "Expect",
];

/// Headers of the caller's in a request of ours. `Debug` does not show their values.
#[derive(Clone, Default)]
pub(crate) struct SentHeaders(Vec<(String, String)>);

impl SentHeaders {
    pub(crate) fn push(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key.eq_ignore_ascii_case(name))
    }

    /// As lines.
    ///
    /// # Errors
    /// [`Misuse::Configuration`] if a name is none, is not the caller's to set, or a value has a line end.
    pub(crate) fn lines(&self) -> Result<String, Error> {
        let mut lines = String::new();
        for (name, value) in &self.0 {
            let is_token = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
            let is_value = !value
                .bytes()
                .any(|byte| byte == 127 || (byte < b' ' && byte != b'\t'));
            if !is_token || !is_value {
                return Err(Misuse::Configuration("a header that is none").into());
            }
            if NOT_THE_CALLERS
                .iter()
                .any(|own| own.eq_ignore_ascii_case(name))
            {
                return Err(Misuse::Configuration("a header that is not the caller's").into());
            }
            lines.extend([name, ": ", value, "\r\n"]);
        }
        Ok(lines)
    }
}

impl fmt::Debug for SentHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(name: &str, value: &str) -> Result<String, Error> {
        let mut headers = SentHeaders::default();
        headers.push(name.into(), value.into());
        assert!(!format!("{headers:?}").contains(value) || value.is_empty());
        headers.lines()
    }

    #[test]
    fn no_header_ends_the_head_or_moves_its_end() {
        assert_eq!(
            lines("User-Agent", "a/1 (b)"),
            Ok("User-Agent: a/1 (b)\r\n".into())
        );
        for (name, value) in [
            ("X", "a\r\nY: b"),
            ("X", "a\n"),
            ("X", "\0"),
            ("X: y", "a"),
            ("", "a"),
            ("content-length", "5"),
            ("Transfer-Encoding", "chunked"),
            ("Host", "other"),
        ] {
            assert!(lines(name, value).is_err(), "{name:?} {value:?}");
        }
    }
}
