use std::fmt;
use std::time::Duration;

use super::Invalid;
use crate::{domain, field};

/// The longest policy file that is taken, the limit that RFC 8461 section 3.3 suggests.
pub const MAX_POLICY: usize = 64 * 1024;

/// The longest that a policy can be kept, about a year: "maximum value of 31557600" (section 3.2). More is taken as this.
pub const MAX_AGE: Duration = Duration::from_secs(31_557_600);

/// How many `mx` patterns a policy can have: nobody has that many hosts, and each is compared with each host.
const MAX_PATTERNS: usize = 1024;

/// What a policy asks of senders (RFC 8461 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
pub enum Mode {
    /// The domain had a policy and has none any more.
    None,
    /// Deliver anyway and report.
    Testing,
    /// Do not deliver to hosts that are not listed or whose certificates do not verify.
    Enforce,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Testing => "testing",
            Self::Enforce => "enforce",
        })
    }
}

/// A policy (RFC 8461 section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    mode: Mode,
    patterns: Vec<String>,
    max_age: Duration,
}

impl Policy {
    /// The policy of a file.
    ///
    /// # Errors
    /// If it is longer than [`MAX_POLICY`], or is not what the grammar of section 3.2 allows. Fields that nobody knows are allowed, and of a field that is
    /// there twice, `mx` excepted, the first one counts.
    pub fn parse(file: &[u8]) -> Result<Self, Invalid> {
        if file.len() > MAX_POLICY {
            let what = "policy";
            return Err(Invalid::TooLong {
                what,
                limit: MAX_POLICY,
            });
        }
        let text = std::str::from_utf8(file).map_err(|_| Invalid::Encoding)?;
        let (mut version, mut mode, mut max_age) = (None, None, None);
        let mut patterns = Vec::new();
        for (name, value) in fields(text)? {
            match name {
                "version" => keep(&mut version, value),
                "mode" => keep(&mut mode, value),
                "max_age" => keep(&mut max_age, value),
                "mx" if patterns.len() == MAX_PATTERNS => {
                    let what = "mx";
                    return Err(Invalid::TooLong {
                        what,
                        limit: MAX_PATTERNS,
                    });
                }
                "mx" => patterns.push(domain::normal_pattern(value).ok_or(Invalid::Value("mx"))?),
                _ => {}
            }
        }
        match version {
            Some("STSv1") => {}
            Some(_) => return Err(Invalid::Value("version")),
            None => return Err(Invalid::Missing("version")),
        }
        let mode = match mode {
            Some("none") => Mode::None,
            Some("testing") => Mode::Testing,
            Some("enforce") => Mode::Enforce,
            Some(_) => return Err(Invalid::Value("mode")),
            None => return Err(Invalid::Missing("mode")),
        };
        let max_age = seconds(max_age.ok_or(Invalid::Missing("max_age"))?)?;
        if patterns.is_empty() && mode != Mode::None {
            return Err(Invalid::Missing("mx"));
        }
        Ok(Self {
            mode,
            patterns,
            max_age,
        })
    }

    /// What it asks for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The patterns of hosts that mail for the domain goes to, in lower case.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// How long it may be kept and must be obeyed, from when it was fetched.
    pub fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Whether a host, as named by the MX record, is listed (section 4.1): `*.` before a name is exactly one label.
    pub fn lists(&self, host: &str) -> bool {
        domain::normal(host).is_some_and(|host| {
            self.patterns
                .iter()
                .any(|pattern| domain::matches(pattern, &host))
        })
    }
}

/// "If any non-repeated field -- all fields excepting "mx" -- is duplicated, all entries except for the first SHOULD be ignored."
fn keep<'a>(first: &mut Option<&'a str>, value: &'a str) {
    first.get_or_insert(value);
}

fn seconds(digits: &str) -> Result<Duration, Invalid> {
    if (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds: u64 = digits.parse().map_err(|_| Invalid::Value("max_age"))?;
        Ok(Duration::from_secs(seconds).min(MAX_AGE))
    } else {
        Err(Invalid::Value("max_age"))
    }
}

/// The lines, each `name`, `:` and `value`, ended by LF or CR LF; the last one need not be, and none is empty.
fn fields(text: &str) -> Result<Vec<(&str, &str)>, Invalid> {
    let text = text
        .strip_suffix('\n')
        .map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    text.split('\n')
        .map(|line| {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let (name, value) = line.split_once(':').ok_or(Invalid::Syntax)?;
            let value = value.trim_matches([' ', '\t']);
            let has_controls = |value: &str| value.chars().any(char::is_control);
            if field::is_name(name) && !value.is_empty() && !has_controls(value) {
                Ok((name, value))
            } else {
                Err(Invalid::Syntax)
            }
        })
        .collect()
}
