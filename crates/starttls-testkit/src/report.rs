//! What was found, in words for what an attacker gains.

use std::fmt;

/// What somebody on the path gains by a flaw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Gain {
    /// A command that was injected in plaintext is executed as if it had come through TLS.
    InjectedCommandRan,
    /// An answer that was injected in plaintext is believed as if it had come through TLS.
    InjectedAnswerBelieved,
    /// Something that was learnt or begun in plaintext is still there inside TLS: a name, a capability, half a command.
    StateSurvived,
    /// Something is said in plaintext that was meant for TLS.
    PlaintextAfterTheBoundary,
    /// The upgrade is taken for done although it was refused, or cut off.
    UpgradeWithoutConsent,
    /// Memory grows as long as the peer sends.
    Unbounded,
    /// It never gives up.
    Hangs,
    /// Nothing that is known, but the outcome depends on how the bytes are cut: there is more than one parser.
    DependsOnCuts,
    /// The honest dialogue does not work.
    Broken,
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InjectedCommandRan => "the injected command ran",
            Self::InjectedAnswerBelieved => "the injected answer was believed",
            Self::StateSurvived => "state survived the switch",
            Self::PlaintextAfterTheBoundary => "plaintext was sent after the boundary",
            Self::UpgradeWithoutConsent => "TLS began without the peer's consent",
            Self::Unbounded => "memory grows without bound",
            Self::Hangs => "it waits for ever",
            Self::DependsOnCuts => "the outcome depends on how the bytes are cut",
            Self::Broken => "the honest dialogue fails",
        })
    }
}

/// One flaw.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What is gained.
    pub gain: Gain,
    /// What was done to it.
    pub attack: String,
    /// The bytes that show it.
    pub evidence: Vec<u8>,
}

impl Finding {
    pub(crate) fn new(gain: Gain, attack: impl Into<String>, evidence: &[u8]) -> Self {
        Self {
            gain,
            attack: attack.into(),
            evidence: evidence.iter().copied().take(256).collect(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gain, attack) = (self.gain, &self.attack);
        write!(f, "{gain}: {attack}: \"{}\"", self.evidence.escape_ascii())
    }
}

/// What came of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a report that nobody reads finds nothing"]
pub struct Report {
    findings: Vec<Finding>,
    tried: usize,
}

impl Report {
    /// The flaws, one for each gain and kind of attack.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many dialogues were had.
    pub fn tried(&self) -> usize {
        self.tried
    }

    /// There is this among the flaws.
    pub fn shows(&self, gain: Gain) -> bool {
        self.findings.iter().any(|finding| finding.gain == gain)
    }

    /// For tests.
    ///
    /// # Panics
    /// With the report, if there is a flaw.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.findings.is_empty(), "\n{self}");
    }

    pub(crate) fn count(&mut self) {
        self.tried = self.tried.saturating_add(1);
    }

    /// The first of its kind is shown; a thousand cuts show the same.
    pub(crate) fn add(&mut self, finding: Finding) {
        let kind = |attack: &str| attack.split(',').next().unwrap_or_default().to_owned();
        let known = self.findings.iter().any(|other| {
            other.gain == finding.gain && kind(&other.attack) == kind(&finding.attack)
        });
        if !known {
            self.findings.push(finding);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} dialogues, {} flaws", self.tried, self.findings.len())?;
        for finding in &self.findings {
            writeln!(f, "- {finding}")?;
        }
        Ok(())
    }
}
