//! Dialogues as data. The format is described in `tests/transcripts/README.md`.

use std::fs;
use std::path::{Path, PathBuf};

use starttls_testkit::Dialogue;

use super::negotiators::{Options, Role, Start};

/// Where the transcripts are: a directory a protocol.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

/// One file.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// `smtp/accepted.txt`.
    pub name: String,
    /// The name of its directory.
    pub protocol: String,
    /// Which side is under test.
    pub role: Role,
    /// Where it begins.
    pub start: Start,
    /// How it is configured.
    pub options: Options,
    /// Words of [`COVERS`](super::coverage::COVERS).
    pub covers: Vec<String>,
    /// The verdict.
    pub expect: String,
    /// The peer's words in the error, escaped.
    pub says: Option<String>,
    /// How many bytes of the input are left unread.
    pub left: Option<usize>,
    pub(super) turns: Vec<Turn>,
    /// The other side closes at the end.
    pub(super) eof: bool,
}

/// What comes in at once, and what is said to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
}

/// The transcripts of `protocol`, in the order of their names.
///
/// # Panics
/// If a file cannot be parsed.
pub fn read_directory(protocol: &str) -> Vec<Transcript> {
    let mut transcripts: Vec<Transcript> = files(&directory().join(protocol))
        .iter()
        .map(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let text = fs::read_to_string(path)
                .unwrap_or_else(|error| panic!("{protocol}/{file}: {error}"));
            let transcript = Transcript::parse(&format!("{protocol}/{file}"), &text)
                .unwrap_or_else(|error| panic!("{protocol}/{file}: {error}"));
            assert_eq!(
                transcript.protocol, protocol,
                "{protocol}/{file} is in the wrong directory"
            );
            transcript
        })
        .collect();
    transcripts.sort_by(|a, b| a.name.cmp(&b.name));
    transcripts
}

/// The protocols that have a directory.
pub fn protocols() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory())
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect()
}

impl Transcript {
    /// # Errors
    /// Which line cannot be read.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.starts_with('#'));
        let mut transcript = Self {
            name: name.to_owned(),
            protocol: String::new(),
            role: Role::Client,
            start: Start::Full,
            options: Options::default(),
            covers: Vec::new(),
            expect: String::new(),
            says: None,
            left: None,
            turns: vec![Turn::default()],
            eof: false,
        };
        let mut role = None;
        for (number, line) in lines.by_ref() {
            if line.is_empty() {
                break;
            }
            let (key, value) = line
                .split_once(": ")
                .ok_or(format!("line {number} is no header"))?;
            match (key, value) {
                ("protocol", protocol) => transcript.protocol = protocol.to_owned(),
                ("role", "client") => role = Some(Role::Client),
                ("role", "server") => role = Some(Role::Server),
                ("start", "full") => transcript.start = Start::Full,
                ("start", "command") => transcript.start = Start::Command,
                ("option", option) => {
                    let (key, value) = option
                        .split_once('=')
                        .ok_or(format!("line {number}: no `=`"))?;
                    let value = unescape(value).ok_or(format!("line {number}: escapes"))?;
                    transcript
                        .options
                        .push(key, &String::from_utf8_lossy(&value));
                }
                ("expect", expect) => transcript.expect = expect.to_owned(),
                ("says", words) => transcript.says = Some(words.to_owned()),
                ("left", count) => {
                    let count = count.parse();
                    transcript.left = Some(count.map_err(|_| format!("line {number}: no count"))?);
                }
                ("covers", words) => transcript
                    .covers
                    .extend(words.split(", ").map(str::to_owned)),
                _ => return Err(format!("line {number}: header `{line}`")),
            }
        }
        transcript.role = role.ok_or("no `role:`")?;
        if transcript.protocol.is_empty() || transcript.expect.is_empty() {
            return Err("`protocol:` and `expect:` are needed".to_owned());
        }
        for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
            transcript
                .parse_turn(line)
                .map_err(|what| format!("line {number}: {what} in `{line}`"))?;
        }
        Ok(transcript)
    }

    fn parse_turn(&mut self, line: &str) -> Result<(), &'static str> {
        let mut chars = line.chars();
        let speaker = match chars.next() {
            Some('C') => Role::Client,
            Some('S') => Role::Server,
            _ => return Err("neither C nor S"),
        };
        let kind = chars.next().ok_or("no kind")?;
        let text = chars.as_str();
        let text = text.strip_prefix(' ').unwrap_or(text);
        let input = speaker != self.role;
        let mut bytes = match kind {
            '=' => hex(text).ok_or("not hex")?,
            '*' => {
                let (count, text) = text.split_once(' ').ok_or("no count")?;
                unescape(text)
                    .ok_or("bad escape")?
                    .repeat(count.parse().map_err(|_| "no count")?)
            }
            ':' | '.' => unescape(text).ok_or("bad escape")?,
            '$' if input => {
                self.eof = true;
                return Ok(());
            }
            // What is under test has no connection to close: its caller closes, after the error.
            '$' => return Ok(()),
            _ => return Err("unknown kind"),
        };
        if kind == ':' {
            bytes.extend_from_slice(b"\r\n");
        }
        if !input {
            let turn = self.turns.last_mut().ok_or("no turn")?;
            turn.output.extend_from_slice(&bytes);
        } else if self.eof {
            return Err("input after the end of input");
        } else {
            // The first turn is what is said before any input.
            let first = self.turns.len() == 1;
            match self.turns.last_mut() {
                Some(turn) if turn.output.is_empty() && !first => {
                    turn.input.extend_from_slice(&bytes);
                }
                _ => self.turns.push(Turn {
                    input: bytes,
                    output: Vec::new(),
                }),
            }
        }
        Ok(())
    }

    /// Everything that the side under test hears.
    pub fn input(&self) -> Vec<u8> {
        self.turns
            .iter()
            .flat_map(|turn| turn.input.clone())
            .collect()
    }

    /// The same as the kit has it.
    pub fn dialogue(&self) -> Dialogue {
        self.turns.iter().fold(Dialogue::new(), |dialogue, turn| {
            let dialogue = match &turn.input[..] {
                [] => dialogue,
                heard => dialogue.hears(heard),
            };
            match &turn.output[..] {
                [] => dialogue,
                said => dialogue.says(said),
            }
        })
    }

    /// The other side closes at the end.
    pub fn ends(&self) -> bool {
        self.eof
    }

    pub(super) fn output(&self) -> Vec<u8> {
        self.turns
            .iter()
            .flat_map(|turn| turn.output.clone())
            .collect()
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.split_whitespace().collect();
    if !digits.len().is_multiple_of(2) || !digits.is_ascii() {
        return None;
    }
    (0..digits.len() / 2)
        .map(|index| u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).ok())
        .collect()
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_hex_and_repeats() {
        let transcript = Transcript::parse(
            "test",
            "protocol: smtp\nrole: server\nexpect: upgrade\n# here too\n\nC. a\\r\\n\\x00\\\\\nC= 16 03\nC* 3 xy\nS: o\nC:\nC$\nS$\n",
        );
        let transcript = transcript.expect("it is well-formed");
        assert_eq!(transcript.input(), b"a\r\n\0\\\x16\x03xyxyxy\r\n");
        assert_eq!(transcript.output(), b"o\r\n");
        assert!(transcript.eof);
    }
}
