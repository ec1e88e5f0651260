//! Domain names as hosts have them (RFC 5321 section 4.1.2 `Domain`, in A-labels), and the two ways to compare them.

/// The name in lower case without the final dot, if it is one: letters, digits and hyphens, at most 63 bytes a label and 253 in all.
pub(crate) fn normal(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let good = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (name.len() <= 253 && name.split('.').all(good)).then(|| name.to_ascii_lowercase())
}

/// Whether a pattern, a name or `*.` before one, matches a name: the star is exactly one label (RFC 8461 section 4.1, RFC 7672 section 3.2.3).
/// Both are as [`normal`] makes them.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(suffix) => name
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest == suffix),
        None => pattern == name,
    }
}

/// The pattern in its normal form.
pub(crate) fn normal_pattern(pattern: &str) -> Option<String> {
    match pattern.strip_prefix("*.") {
        Some(suffix) => normal(suffix).map(|suffix| format!("*.{suffix}")),
        None => normal(pattern),
    }
}
