//! Secrets: from files and from standard input, never from arguments.

use std::io::Read;
use std::path::Path;

/// A password is at most this long.
const MOST: u64 = 4096;

/// The first line of a file; `-` is standard input.
pub(crate) fn read(file: &Path) -> Result<String, String> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(MOST).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MOST).read_to_string(&mut text))
    };
    read.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
