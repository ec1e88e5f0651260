//! The TXT records of MTA-STS and TLS-RPT: a version, then `name=value` with semicolons between.

use crate::sts::Invalid;

/// A TXT record has 255 bytes in each of its strings, and a few of them.
const MAX_RECORD: usize = 2048;

/// Whether a record is one of this kind: others at the same name are not looked at. There may be white space before the semicolon.
pub(crate) fn has_version(text: &[u8], version: &str) -> bool {
    text.strip_prefix(version.as_bytes()).is_some_and(|rest| {
        rest.iter()
            .find(|byte| !matches!(byte, b' ' | b'\t'))
            .is_none_or(|byte| *byte == b';')
    })
}

/// The fields behind the version.
pub(crate) fn tagged<'a>(
    text: &'a [u8],
    version: &str,
) -> Result<Vec<(&'a str, &'a str)>, Invalid> {
    if text.len() > MAX_RECORD {
        let what = "record";
        return Err(Invalid::TooLong {
            what,
            limit: MAX_RECORD,
        });
    }
    if !text.is_ascii() {
        return Err(Invalid::Encoding);
    }
    let text = std::str::from_utf8(text).map_err(|_| Invalid::Encoding)?;
    let mut parts = text.split(';').map(|part| part.trim_matches([' ', '\t']));
    if parts.next() != Some(version) {
        return Err(Invalid::Value("v"));
    }
    let mut fields = Vec::new();
    while let Some(part) = parts.next() {
        // Only behind the last delimiter there may be nothing.
        if part.is_empty() && parts.clone().next().is_none() {
            break;
        }
        let (name, value) = part.split_once('=').ok_or(Invalid::Syntax)?;
        // A list of URIs may have white space behind its commas.
        let is_value = |byte: u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t');
        if !is_name(name) || value.is_empty() || !value.bytes().all(is_value) {
            return Err(Invalid::Syntax);
        }
        fields.push((name, value));
    }
    Ok(fields)
}

/// The name of a field: a letter or digit, then up to 31 of those, `_`, `-` and `.` (RFC 8461 sections 3.1 and 3.2).
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= 32
        && name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}
