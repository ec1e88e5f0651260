//! Dialogues as data, and what runs them. The format is described in `tests/transcripts/README.md`.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use starttls_core::{Boundary, Error, Misbehaviour, Phase, Plain, Progress, Stage};

use super::negotiators::{Options, Role, Start, negotiator};

/// Where the transcripts are: a directory a protocol.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

/// Cuts in two are tried at every byte up to this much input.
const CUT_EVERYWHERE: usize = 4 * 1024;

/// What is appended to a complete upgrade: it must never be taken for anything.
const TRAILERS: [&[u8]; 3] = [
    b"x\r\n",
    // The beginning of a handshake record, and a whole alert.
    &[0x16, 0x03, 0x01, 0x00, 0x01, 0x01],
    &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28],
];

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
    turns: Vec<Turn>,
    eof: bool,
}

/// What comes in at once, and what is said to it.
#[derive(Clone, Debug, Default)]
struct Turn {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// What came of one run.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    /// `Done`: what kind of boundary and how many bytes of the input lie behind it.
    Done(Boundary, usize),
    Failed(Error),
    /// More input is wanted and there is none.
    Waiting,
}

impl Verdict {
    /// As it is written behind `expect:`: a word and, for most, a detail.
    fn words(&self) -> (&'static str, String) {
        let code = |code: Option<u32>| code.map(|code| code.to_string()).unwrap_or_default();
        let none = String::new();
        match self {
            Self::Done(Boundary::Exact, 0) => ("upgrade", none),
            Self::Done(Boundary::Exact, behind) => ("unread", behind.to_string()),
            Self::Done(Boundary::Pipelined, behind) => ("pipelined", behind.to_string()),
            Self::Waiting => ("waiting", none),
            Self::Failed(error) => match error {
                Error::NotOffered => ("not-offered", none),
                Error::Refused(said) => ("refused", code(said.code)),
                Error::Misbehaved(Misbehaviour::Unexpected(said)) => {
                    ("unexpected", code(said.code))
                }
                Error::Misbehaved(Misbehaviour::Malformed { what, .. }) => {
                    ("malformed", (*what).to_owned())
                }
                Error::Misbehaved(Misbehaviour::TooLong { what, .. }) => {
                    ("too-long", (*what).to_owned())
                }
                Error::Misbehaved(Misbehaviour::Goodbye(said)) => ("goodbye", code(said.code)),
                Error::Misbehaved(Misbehaviour::AlreadyAuthenticated) => {
                    ("already-authenticated", none)
                }
                Error::Misbehaved(Misbehaviour::TlsTooEarly) => ("tls-too-early", none),
                Error::Misbehaved(Misbehaviour::AlreadyTls) => ("already-tls", none),
                Error::UnreadPlaintext { count, .. } => ("unread", count.to_string()),
                Error::Truncated(Stage::Negotiation) => ("truncated", none),
                Error::Misuse(_) => ("misuse", none),
                _ => ("error", format!("{error:?}")),
            },
        }
    }

    /// The words of the peer that the error carries.
    fn says(&self) -> Option<String> {
        match self {
            Self::Failed(
                Error::Refused(said)
                | Error::Misbehaved(Misbehaviour::Unexpected(said) | Misbehaviour::Goodbye(said)),
            ) => Some(said.text.escaped()),
            Self::Failed(Error::Misbehaved(Misbehaviour::Malformed { sample, .. })) => {
                Some(sample.escaped())
            }
            _ => None,
        }
    }

    fn is(&self, expected: &str) -> bool {
        let (word, detail) = self.words();
        match expected.split_once(' ') {
            Some((expected, expected_detail)) => word == expected && detail == expected_detail,
            None => word == expected,
        }
    }
}

/// Every case of a directory, in every way. The failures are listed with the names of their files.
///
/// # Panics
/// If one of them fails, or there are none.
pub fn run_directory(protocol: &str) {
    let transcripts = read_directory(protocol);
    assert!(!transcripts.is_empty(), "no transcripts of {protocol}");
    let failures: Vec<String> = transcripts
        .iter()
        .filter_map(|transcript| {
            let failure = transcript.run().err()?;
            Some(format!("{}: {failure}", transcript.name))
        })
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
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

    fn input(&self) -> Vec<u8> {
        self.turns
            .iter()
            .flat_map(|turn| turn.input.clone())
            .collect()
    }

    fn output(&self) -> Vec<u8> {
        self.turns
            .iter()
            .flat_map(|turn| turn.output.clone())
            .collect()
    }

    /// Runs it in every way: all must give the expected output and the expected verdict, and the same error to the last byte.
    fn run(&self) -> Result<(), String> {
        let input = self.input();
        let whole = self.deliver(&input, &[], true)?;
        if let Some(key) = self.options.unused() {
            return Err(format!("the option `{key}` means nothing"));
        }
        self.check("whole", &whole, &(self.output(), whole.1.clone()))?;
        if !whole.1.is(&self.expect) {
            return Err(format!(
                "expected `{}`, came to {:?}",
                self.expect,
                whole.1.words()
            ));
        }
        let says = whole.1.says();
        if self
            .says
            .as_ref()
            .is_some_and(|words| Some(words) != says.as_ref())
        {
            return Err(format!("the peer's words are {says:?}"));
        }
        self.run_in_turns(&whole.1)?;

        let every_byte: Vec<usize> = (1..input.len()).collect();
        self.check(
            "byte by byte",
            &self.deliver(&input, &every_byte, false)?,
            &whole,
        )?;
        for seed in 0..64 {
            let cuts = random_cuts(seed, input.len());
            self.check(
                &format!("cut at {cuts:?}"),
                &self.deliver(&input, &cuts, false)?,
                &whole,
            )?;
        }
        if input.len() <= CUT_EVERYWHERE {
            for cut in every_byte {
                self.check(
                    &format!("cut at {cut}"),
                    &self.deliver(&input, &[cut], false)?,
                    &whole,
                )?;
            }
        }
        self.run_with_trailers(&input, &whole)
    }

    /// Each turn is answered before the next is said: no more and no less than the dialogue has there.
    fn run_in_turns(&self, expected: &Verdict) -> Result<(), String> {
        let mut run = Run::new(self);
        for (index, turn) in self.turns.iter().enumerate() {
            run.feed(&turn.input)?;
            if index == self.turns.len() - 1 && self.eof {
                run.eof();
            }
            let said = std::mem::take(&mut run.output);
            if said != turn.output {
                return Err(format!(
                    "in turns: after turn {index} {}",
                    difference(&said, &turn.output)
                ));
            }
        }
        match run.verdict() {
            verdict if verdict == *expected => Ok(()),
            verdict => Err(format!("in turns: {verdict:?} instead of {expected:?}")),
        }
    }

    /// Bytes behind a complete upgrade change nothing before it, and are all still there.
    fn run_with_trailers(&self, input: &[u8], whole: &(Vec<u8>, Verdict)) -> Result<(), String> {
        let Verdict::Done(boundary, behind) = whole.1 else {
            return Ok(());
        };
        for trailer in TRAILERS {
            let longer = [input, trailer].concat();
            let expected = (
                whole.0.clone(),
                Verdict::Done(boundary, behind + trailer.len()),
            );
            let way = format!("followed by {}", trailer.escape_ascii());
            self.check(&way, &self.deliver_without_eof(&longer, &[])?, &expected)?;
            let every_byte: Vec<usize> = (1..longer.len()).collect();
            self.check(
                &way,
                &self.deliver_without_eof(&longer, &every_byte)?,
                &expected,
            )?;
        }
        Ok(())
    }

    fn check(
        &self,
        way: &str,
        got: &(Vec<u8>, Verdict),
        expected: &(Vec<u8>, Verdict),
    ) -> Result<(), String> {
        if got.0 != expected.0 {
            return Err(format!("{way}: {}", difference(&got.0, &expected.0)));
        }
        if got.1 != expected.1 {
            return Err(format!("{way}: {:?} instead of {:?}", got.1, expected.1));
        }
        Ok(())
    }

    /// The whole output and the verdict of `input` cut at `cuts`. With `early` the first piece, and the end if there is only one, are
    /// there before the negotiator is first asked.
    fn deliver(
        &self,
        input: &[u8],
        cuts: &[usize],
        early: bool,
    ) -> Result<(Vec<u8>, Verdict), String> {
        let mut run = if early {
            Run::unasked(self)
        } else {
            Run::new(self)
        };
        for piece in pieces(input.len(), cuts) {
            run.feed(&input[piece])?;
        }
        if self.eof {
            run.eof();
        }
        run.ask();
        let verdict = run.verdict();
        Ok((run.output, verdict))
    }

    fn deliver_without_eof(
        &self,
        input: &[u8],
        cuts: &[usize],
    ) -> Result<(Vec<u8>, Verdict), String> {
        let open = Self {
            eof: false,
            ..self.clone()
        };
        open.deliver(input, cuts, false)
    }
}

/// A negotiator, its plaintext phase, and what has come of them.
struct Run {
    negotiator: super::negotiators::AnyNegotiator,
    plain: Plain,
    output: Vec<u8>,
    progress: Result<Progress, Error>,
    /// What came when it had finished: these bytes are TLS's.
    behind: usize,
}

impl Run {
    fn new(transcript: &Transcript) -> Self {
        let mut run = Self::unasked(transcript);
        run.ask();
        run
    }

    fn unasked(transcript: &Transcript) -> Self {
        let Transcript {
            protocol,
            role,
            start,
            options,
            ..
        } = transcript;
        Self {
            negotiator: negotiator(protocol, *role, *start, options),
            plain: Plain::new(),
            output: Vec::new(),
            progress: Ok(Progress::NeedInput),
            behind: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.progress != Ok(Progress::NeedInput)
    }

    fn ask(&mut self) {
        if !self.is_over() {
            self.progress = self.negotiator.negotiate(&mut self.plain);
            self.plain.poll_transmit(&mut self.output);
        }
    }

    fn feed(&mut self, mut piece: &[u8]) -> Result<(), String> {
        while !piece.is_empty() {
            if self.is_over() {
                self.behind += piece.len();
                break;
            }
            let taken = self.plain.handle_input(piece);
            if taken == 0 {
                return Err("it wants more and has no room".to_owned());
            }
            piece = &piece[taken..];
            self.ask();
        }
        Ok(())
    }

    fn eof(&mut self) {
        if !self.is_over() {
            self.plain.handle_eof();
            self.ask();
        }
    }

    fn verdict(&self) -> Verdict {
        match &self.progress {
            Ok(Progress::NeedInput) => Verdict::Waiting,
            // What is unread now is refused (or, pipelined, goes to TLS); what comes later meets TLS in either case. That
            // the sum is the same in every way is what "the boundary is exact" means.
            Ok(Progress::Done(boundary)) => {
                Verdict::Done(*boundary, self.plain.peek().len() + self.behind)
            }
            Err(error) => Verdict::Failed(error.clone()),
        }
    }
}

fn pieces(length: usize, cuts: &[usize]) -> Vec<Range<usize>> {
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain(std::iter::once(length));
    starts.zip(ends).map(|(start, end)| start..end).collect()
}

/// One to eight cuts, the same for a seed and a length.
fn random_cuts(seed: u64, length: usize) -> Vec<usize> {
    let mut state = seed;
    // SplitMix64 (Steele, Lea, Flood, 2014).
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let count = next() % 8 + 1;
    let mut cuts: Vec<usize> = (0..count)
        .map(|_| (next() % (length as u64 + 1)) as usize)
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

fn difference(got: &[u8], expected: &[u8]) -> String {
    let mut text = String::new();
    let shown = |bytes: &[u8]| {
        bytes
            .get(..2000)
            .unwrap_or(bytes)
            .escape_ascii()
            .to_string()
    };
    let _ = write!(
        text,
        "said \"{}\" instead of \"{}\"",
        shown(got),
        shown(expected)
    );
    text
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
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    const SMTP: &str =
        "protocol: smtp\nrole: client\nstart: command\nexpect: upgrade\n\nC: STARTTLS\nS: 220 go\n";

    fn run(text: &str) -> Result<(), String> {
        Transcript::parse("test", text).and_then(|transcript| transcript.run())
    }

    #[test]
    fn a_true_transcript_passes() {
        assert_eq!(run(SMTP), Ok(()));
    }

    #[test]
    fn a_wrong_verdict_fails() {
        let error = run(&SMTP.replace("upgrade", "refused 454")).unwrap_err();
        assert!(error.contains("expected `refused 454`"), "{error}");
        assert!(
            run(&SMTP
                .replace("220 go", "454 no")
                .replace("upgrade", "refused 455"))
            .is_err()
        );
    }

    #[test]
    fn wrong_words_fail() {
        let refused = SMTP
            .replace("220 go", "454 no")
            .replace("upgrade", "refused");
        assert_eq!(run(&refused.replace("expect", "says: no\nexpect")), Ok(()));
        assert!(run(&refused.replace("expect", "says: yes\nexpect")).is_err());
    }

    #[test]
    fn a_wrong_output_fails() {
        let error = run(&SMTP.replace("C: STARTTLS", "C: STARTTLSS")).unwrap_err();
        assert!(error.contains("instead of"), "{error}");
    }

    #[test]
    fn speaking_out_of_turn_fails() {
        let error =
            run(&SMTP.replace("C: STARTTLS\nS: 220 go\n", "S: 220 go\nC: STARTTLS\n")).unwrap_err();
        assert!(error.contains("in turns"), "{error}");
    }

    #[test]
    fn a_meaningless_option_fails() {
        let error = run(&SMTP.replace("expect", "option: nmae=x\nexpect")).unwrap_err();
        assert!(error.contains("nmae"), "{error}");
    }

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

    #[test]
    fn cuts_are_seeded_and_inside() {
        assert_eq!(random_cuts(7, 100), random_cuts(7, 100));
        assert_ne!(random_cuts(7, 100), random_cuts(8, 100));
        assert!((0..100).all(|seed| random_cuts(seed, 10).iter().all(|cut| *cut <= 10)));
        assert_eq!(pieces(5, &[2, 5]), [0..2, 2..5, 5..5]);
    }
}
