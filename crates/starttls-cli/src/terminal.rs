//! Where output goes, and what it may do there.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::report::{Outcome, Words};

/// <https://no-color.org>: set and not empty.
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// The words for standard error.
pub(crate) fn on_stderr() -> Words {
    Words::new(io::stderr().is_terminal() && !no_color())
}

/// The words for standard output.
pub(crate) fn on_stdout() -> Words {
    Words::new(io::stdout().is_terminal() && !no_color())
}

/// Writes to standard output. A reader that has gone away is no fault of ours.
pub(crate) fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
    let _ = io::stdout().lock().flush();
}

/// Writes to standard error.
pub(crate) fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// What cannot be done as it was asked for.
pub(crate) fn usage(error: &str) -> ExitCode {
    complain(&format!("starttls: {error}\n"));
    Outcome::Usage.into()
}
