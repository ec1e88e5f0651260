//! What runs transcripts: in every way, with the same outcome.

use std::ops::Range;

use starttls_core::{Boundary, Error, Misbehaviour, Phase, Plain, Progress, Stage};

use super::mutate::random_cuts;
use super::negotiators::{AnyNegotiator, negotiator};
use super::transcript::{Transcript, read_directory};
use super::white_space;

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

/// Cuts in two are tried at every byte up to this much input.
const CUT_EVERYWHERE: usize = 4 * 1024;

/// What is appended to a complete upgrade: it must never be taken for anything.
const TRAILERS: [&[u8]; 3] = [
    b"x\r\n",
    // The beginning of a handshake record, and a whole alert.
    &[0x16, 0x03, 0x01, 0x00, 0x01, 0x01],
    &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28],
];

/// What came of one run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
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
                Error::NotRequested => ("not-requested", none),
                Error::Refused(said) | Error::TunnelRefused(said) => ("refused", code(said.code)),
                Error::Misbehaved(Misbehaviour::Unexpected(said)) => {
                    ("unexpected", code(said.code))
                }
                Error::Misbehaved(Misbehaviour::Malformed { what, .. }) => {
                    ("malformed", (*what).to_owned())
                }
                Error::Misbehaved(Misbehaviour::TooLong { what, .. }) => {
                    ("too-long", (*what).to_owned())
                }
                Error::Goodbye(said) => ("goodbye", code(said.code)),
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
                | Error::TunnelRefused(said)
                | Error::Goodbye(said)
                | Error::Misbehaved(Misbehaviour::Unexpected(said)),
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

/// Everything said, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    output: Vec<u8>,
    verdict: Verdict,
    /// How many bytes of the input are left to whoever comes next.
    left: usize,
    /// The negotiator itself has seen what must not be there, and has not given the go-ahead.
    withheld: bool,
}

impl Outcome {
    pub(super) fn must_be(&self, expected: &Self, way: &str) -> Result<(), String> {
        if self.misses_the_goodbye_of(expected) {
            return Ok(());
        }
        // What comes later than the go-ahead is refused as well, but cannot take it back.
        match (self.withheld, expected.withheld) {
            (true, false) => self.must_withhold(expected, way)?,
            (false, true) => expected.must_withhold(self, way)?,
            _ => must_say(&self.output, &expected.output, way)?,
        }
        let Self { verdict, left, .. } = self;
        if *verdict != expected.verdict {
            let expected = &expected.verdict;
            return Err(format!("{way}: {verdict:?} instead of {expected:?}"));
        }
        if *left != expected.left {
            let expected = expected.left;
            return Err(format!(
                "{way}: {left} bytes are left instead of {expected}"
            ));
        }
        Ok(())
    }

    /// A goodbye right behind the boundary was heard when it was there with what is before it. When it comes later, TLS has begun, and finds it.
    fn misses_the_goodbye_of(&self, expected: &Self) -> bool {
        matches!(expected.verdict, Verdict::Failed(Error::Goodbye(_)))
            && matches!(self.verdict, Verdict::Done(Boundary::Exact, 1..))
            && self.left > expected.left
    }

    fn must_withhold(&self, went_ahead: &Self, way: &str) -> Result<(), String> {
        if self.output.starts_with(&went_ahead.output) {
            let said = self.output.escape_ascii();
            return Err(format!(
                "{way}: the go-ahead was given in front of what was sent without it: \"{said}\""
            ));
        }
        Ok(())
    }
}

fn must_say(said: &[u8], expected: &[u8], way: &str) -> Result<(), String> {
    if said == expected {
        return Ok(());
    }
    let shown = |bytes: &[u8]| {
        bytes
            .get(..2000)
            .unwrap_or(bytes)
            .escape_ascii()
            .to_string()
    };
    let (said, expected) = (shown(said), shown(expected));
    Err(format!("{way}: said \"{said}\" instead of \"{expected}\""))
}

impl Transcript {
    /// Runs it in every way: all must give the expected output and the expected verdict, and the same error to the last byte.
    fn run(&self) -> Result<(), String> {
        let input = self.input();
        let whole = self.deliver(&input, &[], Run::unasked(self))?;
        if let Some(key) = self.options.unused() {
            return Err(format!("the option `{key}` means nothing"));
        }
        must_say(&whole.output, &self.output(), "whole")?;
        if !whole.verdict.is(&self.expect) {
            let words = whole.verdict.words();
            return Err(format!("expected `{}`, came to {words:?}", self.expect));
        }
        if self.says.is_some() && self.says != whole.verdict.says() {
            return Err(format!("the peer's words are {:?}", whole.verdict.says()));
        }
        if self.left.is_some_and(|left| left != whole.left) {
            return Err(format!("{} bytes are left unread", whole.left));
        }
        self.run_in_turns(&whole)?;

        let every_byte: Vec<usize> = (1..input.len()).collect();
        self.deliver(&input, &every_byte, Run::new(self))?
            .must_be(&whole, "byte by byte")?;
        for seed in 0..64 {
            let cuts = random_cuts(seed, input.len());
            self.deliver(&input, &cuts, Run::new(self))?
                .must_be(&whole, &format!("cut at {cuts:?}"))?;
        }
        if input.len() <= CUT_EVERYWHERE {
            for cut in every_byte {
                self.deliver(&input, &[cut], Run::new(self))?
                    .must_be(&whole, &format!("cut at {cut}"))?;
            }
        }
        self.run_with_trailers(&input, &whole)
    }

    /// Each turn is answered before the next is said: no more and no less than the dialogue has there.
    fn run_in_turns(&self, expected: &Outcome) -> Result<(), String> {
        let mut run = Run::new(self);
        for (index, turn) in self.turns.iter().enumerate() {
            run.feed(&turn.input)?;
            if index == self.turns.len() - 1 && self.eof {
                run.eof();
            }
            let said = std::mem::take(&mut run.output);
            must_say(
                &said,
                &turn.output,
                &format!("in turns, after turn {index}"),
            )?;
        }
        let said = self.output();
        Outcome {
            output: said,
            ..run.end(&self.input())?
        }
        .must_be(expected, "in turns")
    }

    /// Bytes behind a complete upgrade change nothing before it, and are all still there.
    fn run_with_trailers(&self, input: &[u8], whole: &Outcome) -> Result<(), String> {
        let Verdict::Done(boundary, behind) = whole.verdict else {
            return Ok(());
        };
        for trailer in TRAILERS {
            let longer = [input, trailer].concat();
            let expected = Outcome {
                verdict: Verdict::Done(boundary, behind + trailer.len()),
                left: whole.left + trailer.len(),
                ..whole.clone()
            };
            let way = format!("followed by {}", trailer.escape_ascii());
            let every_byte: Vec<usize> = (1..longer.len()).collect();
            for cuts in [&[][..], &every_byte] {
                self.deliver(&longer, cuts, Run::new(self))?
                    .must_be(&expected, &way)?;
            }
        }
        Ok(())
    }

    /// What becomes of `input` cut at `cuts`. In a run that was not asked yet, the first piece is there before the negotiator is.
    pub(super) fn deliver(
        &self,
        input: &[u8],
        cuts: &[usize],
        mut run: Run,
    ) -> Result<Outcome, String> {
        for piece in pieces(input.len(), cuts) {
            run.feed(&input[piece])?;
        }
        if self.eof {
            run.eof();
        }
        run.ask();
        run.end(input)
    }
}

/// A negotiator, its plaintext phase, and what has come of them.
pub(super) struct Run {
    negotiator: AnyNegotiator,
    plain: Plain,
    output: Vec<u8>,
    progress: Result<Progress, Error>,
    /// What came when it had finished: these bytes are TLS's.
    behind: usize,
    drops_white_space: bool,
}

impl Run {
    pub(super) fn new(transcript: &Transcript) -> Self {
        let mut run = Self::unasked(transcript);
        run.ask();
        run
    }

    pub(super) fn unasked(transcript: &Transcript) -> Self {
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
            drops_white_space: white_space::is_dropped(protocol, *role),
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

    /// What came of it, which is final: asked again, with the dialogue before it, it says nothing and comes to the same.
    fn end(mut self, input: &[u8]) -> Result<Outcome, String> {
        let outcome = Outcome {
            verdict: self.verdict(input),
            left: self.left(input),
            withheld: matches!(self.progress, Err(Error::UnreadPlaintext { .. })),
            output: std::mem::take(&mut self.output),
        };
        if !self.is_over() {
            return Ok(outcome);
        }
        let _ = self.plain.handle_input(input);
        self.must_stay("the same loop", |negotiator, plain| {
            negotiator.negotiate(plain)
        })?;
        // These two are found by the core, and the negotiator knows nothing of them.
        let by_core = matches!(
            &self.progress,
            Err(Error::Truncated(_)
                | Error::Misbehaved(Misbehaviour::TooLong {
                    what: "negotiation",
                    ..
                }))
        );
        if !by_core {
            self.must_stay("a loop of one's own", AnyNegotiator::advance)?;
        }
        Ok(outcome)
    }

    fn must_stay(
        &mut self,
        way: &str,
        ask: impl FnOnce(&mut AnyNegotiator, &mut Plain) -> Result<Progress, Error>,
    ) -> Result<(), String> {
        let again = ask(&mut self.negotiator, &mut self.plain);
        self.plain.poll_transmit(&mut self.output);
        let (first, said) = (&self.progress, self.output.escape_ascii());
        if again != *first || !self.output.is_empty() {
            return Err(format!(
                "{first:?} at first; asked again in {way}: {again:?}, saying \"{said}\""
            ));
        }
        Ok(())
    }

    fn left(&self, input: &[u8]) -> usize {
        let left = self.plain.peek().len() + self.behind;
        let is_boundary = matches!(
            self.progress,
            Ok(Progress::Done(_)) | Err(Error::UnreadPlaintext { .. })
        );
        if self.drops_white_space && is_boundary {
            return white_space::behind(&input[input.len() - left..]);
        }
        left
    }

    fn verdict(&self, input: &[u8]) -> Verdict {
        match &self.progress {
            Ok(Progress::NeedInput) => Verdict::Waiting,
            // What is unread now is refused (or, pipelined, goes to TLS); what comes later meets TLS in either case. That
            // the sum is the same in every way is what "the boundary is exact" means.
            Ok(Progress::Done(boundary)) => Verdict::Done(*boundary, self.left(input)),
            Err(Error::UnreadPlaintext { .. }) => Verdict::Done(Boundary::Exact, self.left(input)),
            Err(error) => Verdict::Failed(error.clone()),
        }
    }
}

fn pieces(length: usize, cuts: &[usize]) -> Vec<Range<usize>> {
    let starts = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain(std::iter::once(length));
    starts.zip(ends).map(|(start, end)| start..end).collect()
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
}
