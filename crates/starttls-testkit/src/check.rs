//! A [`Machine`] under attack, in memory: thousands of dialogues a second.

use starttls_core::rustls::Connection;
use starttls_core::{Phase, Plain, Tls};

use crate::certs;
use crate::dialogue::{Dialogue, Turn};
use crate::machine::{Machine, State};
use crate::report::{Finding, Gain, Report};
use crate::wire::Cuts;

/// What nobody needs to take: a megabyte before TLS.
const TOO_MUCH: usize = 1 << 20;
/// Cuts in two are tried at every byte up to here.
const CUT_EVERYWHERE: usize = 4 * 1024;

/// Checks a client against the dialogue that leads to TLS. Its TLS must trust [`certs`].
///
/// ```
/// use starttls_testkit::machine::Negotiated;
/// use starttls_testkit::{Dialogue, certs, check_client};
/// # use starttls_core::{Boundary, Error, Negotiator, Plain, Progress, Refusal, rustls::ClientConnection};
/// # struct MyClient { asked: bool }
/// # impl MyClient { fn new() -> Self { Self { asked: false } } }
/// # impl Negotiator for MyClient {
/// #     type Tls = ClientConnection;
/// #     fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
/// #         if !self.asked { self.asked = true; plain.write_all(b"STARTTLS\n")?; }
/// #         match plain.next_line(512)?.as_deref() {
/// #             None => Ok(Progress::NeedInput),
/// #             Some(b"OK") => Ok(Progress::Done(Boundary::Exact)),
/// #             Some(other) => Err(Refusal::new(None, other).into()),
/// #         }
/// #     }
/// # }
/// let dialogue = Dialogue::new().says("STARTTLS\n").hears("OK\n");
/// let report = check_client(|| Negotiated::new(MyClient::new(), certs::client()), &dialogue);
/// report.assert_clean();
/// ```
pub fn check_client<M: Machine>(make: impl Fn() -> M, dialogue: &Dialogue) -> Report {
    Check {
        make: &make,
        dialogue,
        peer: || certs::server().into(),
        role: Role::Client,
        report: Report::default(),
    }
    .run()
}

/// Checks a server, as [`check_client`]. Its certificate is [`certs::SERVER`]'s.
pub fn check_server<M: Machine>(make: impl Fn() -> M, dialogue: &Dialogue) -> Report {
    Check {
        make: &make,
        dialogue,
        peer: || certs::client().into(),
        role: Role::Server,
        report: Report::default(),
    }
    .run()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

struct Check<'a, F> {
    make: &'a F,
    dialogue: &'a Dialogue,
    /// The honest other side of TLS.
    peer: fn() -> Connection,
    role: Role,
    report: Report,
}

/// Everything that a machine has said, and where it stands.
struct Course<M> {
    machine: M,
    sent: Vec<u8>,
}

impl<M: Machine> Course<M> {
    fn receive<'b>(&mut self, pieces: impl Iterator<Item = &'b [u8]>) {
        for piece in pieces {
            self.machine.receive(piece);
            self.sent.append(&mut self.machine.transmit());
        }
    }
}

impl<M: Machine, F: Fn() -> M> Check<'_, F> {
    fn run(mut self) -> Report {
        if self.honest() {
            self.cuts();
            self.ends();
            self.injections();
            self.refusals();
            self.floods();
            self.handshake_with_something_in_front();
        }
        self.report
    }

    fn begin(&mut self) -> Course<M> {
        self.report.count();
        let mut machine = (self.make)();
        let sent = machine.transmit();
        Course { machine, sent }
    }

    fn found(&mut self, gain: Gain, attack: impl Into<String>, evidence: &[u8]) {
        self.report.add(Finding::new(gain, attack, evidence));
    }

    /// Turn by turn, as it is written; then TLS. If this fails nothing else means anything.
    fn honest(&mut self) -> bool {
        let mut course = self.begin();
        let mut read = 0;
        for turn in &self.dialogue.turns {
            match turn {
                Turn::Hears(bytes) => {
                    read = course.sent.len();
                    course.receive(std::iter::once(&bytes[..]));
                }
                Turn::Says(prefix) => {
                    let said = course.sent.get(read..).unwrap_or_default();
                    if !said.starts_with(prefix) {
                        let said = said.to_vec();
                        self.found(Gain::Broken, "it does not say what the dialogue has", &said);
                        return false;
                    }
                    read = read.saturating_add(prefix.len());
                }
            }
        }
        if course.machine.state() != State::Tls {
            self.found(
                Gain::Broken,
                "the dialogue does not lead to TLS",
                &course.sent,
            );
            return false;
        }
        // Behind what the dialogue has, a client has nothing more to say in plaintext.
        let behind = course.sent.get(read..).unwrap_or_default();
        let in_plaintext = before_tls(behind);
        if self.role == Role::Client && !in_plaintext.is_empty() {
            let said = in_plaintext.to_vec();
            self.found(
                Gain::PlaintextAfterTheBoundary,
                "behind the go-ahead",
                &said,
            );
        }
        true
    }

    /// Cut anywhere, it says the same and comes to the same.
    fn cuts(&mut self) {
        let input = self.dialogue.input();
        let mut whole: Option<Vec<u8>> = None;
        for cuts in Cuts::all(input.len(), CUT_EVERYWHERE) {
            let mut course = self.begin();
            course.receive(cuts.of(&input));
            let plaintext = before_tls(&course.sent).to_vec();
            let same = whole.get_or_insert_with(|| plaintext.clone());
            if *same != plaintext || course.machine.state() != State::Tls {
                self.found(Gain::DependsOnCuts, format!("cut, {cuts:?}"), &plaintext);
            }
        }
    }

    /// The connection ends at each byte: no TLS, and an end.
    fn ends(&mut self) {
        let input = self.dialogue.input();
        for end in 0..input.len() {
            let heard = input.get(..end).unwrap_or_default();
            let mut course = self.begin();
            course.receive(std::iter::once(heard));
            course.machine.end();
            match course.machine.state() {
                State::Failed => {}
                State::Tls => self.found(
                    Gain::UpgradeWithoutConsent,
                    format!("the connection ends, behind {end} bytes"),
                    heard,
                ),
                State::Plaintext => self.found(
                    Gain::Hangs,
                    format!("the connection ends, behind {end} bytes"),
                    heard,
                ),
            }
        }
    }

    /// Bytes behind the last byte of plaintext: they must not be taken for anything.
    fn injections(&mut self) {
        const BEHIND: [&[u8]; 6] = [
            b"x\r\n",
            // Without a line end: a fragment that the first bytes inside TLS may complete.
            b"x",
            b"NOOP\r\n",
            &[0],
            // The beginning of a handshake record, and a whole alert.
            &[0x16, 0x03, 0x01, 0x00, 0x01, 0x01],
            &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28],
        ];
        let input = self.dialogue.input();
        for behind in BEHIND {
            let longer = [&input[..], behind].concat();
            // What is cut off the last message arrives in the same segment, or in the next.
            let border = input.len().saturating_sub(self.dialogue.last_heard().len());
            for cuts in [
                Cuts::Whole,
                Cuts::At(border),
                Cuts::At(input.len()),
                Cuts::At(input.len().saturating_sub(1)),
                Cuts::EveryByte,
            ] {
                let mut course = self.begin();
                course.receive(cuts.of(&longer));
                let attack = format!("bytes behind the boundary, {cuts:?}");
                self.inside(course, &attack, behind);
            }
        }
    }

    /// Goes on with TLS as an honest peer, and looks whether what was injected is there.
    fn inside(&mut self, mut course: Course<M>, attack: &str, injected: &[u8]) {
        let gain = match self.role {
            Role::Client => Gain::InjectedAnswerBelieved,
            Role::Server => Gain::InjectedCommandRan,
        };
        match course.machine.state() {
            State::Failed => return,
            State::Plaintext => {
                self.found(Gain::DependsOnCuts, attack, injected);
                return;
            }
            State::Tls => {}
        }
        let data = course.machine.data();
        if !data.is_empty() {
            self.found(gain, attack, &data);
            return;
        }
        // It may have dropped them in silence, or hold them still: inside TLS that shows.
        let Some(mut peer) = self.handshake(&mut course) else {
            return;
        };
        const HARMLESS: &[u8] = b"harmless";
        let _ = peer.write(HARMLESS);
        exchange(&mut peer, &mut course);
        let data = course.machine.data();
        if !data.is_empty() && data != HARMLESS {
            self.found(Gain::StateSurvived, attack, &data);
        }
    }

    /// The handshake of an honest peer, if the machine takes part in it.
    fn handshake(&self, course: &mut Course<M>) -> Option<Tls> {
        let mut peer = Plain::new().start_tls((self.peer)()).ok()?;
        let records = tls_part(&course.sent);
        if !records.is_empty() && peer.handle_input(records) < records.len() {
            return None;
        }
        exchange(&mut peer, course);
        (!peer.is_handshaking() && course.machine.state() == State::Tls).then_some(peer)
    }

    /// The honest handshake works, and behind the boundary there is nothing but TLS.
    fn handshake_with_something_in_front(&mut self) {
        let mut course = self.begin();
        course.receive(std::iter::once(&self.dialogue.input()[..]));
        let begun = course.sent.len();
        if self.handshake(&mut course).is_none() {
            let said = course.sent.clone();
            self.found(
                Gain::Broken,
                "the handshake behind the dialogue fails",
                &said,
            );
            return;
        }
        let behind = course.sent.get(begun..).unwrap_or_default();
        if behind.first().is_some_and(|byte| !(20..=23).contains(byte)) {
            let behind = behind.to_vec();
            self.found(
                Gain::PlaintextAfterTheBoundary,
                "the honest dialogue",
                &behind,
            );
        }
    }

    /// The go-ahead with another first byte is none: `454` for `220`, `N` for `S`, another tag.
    fn refusals(&mut self) {
        let input = self.dialogue.input();
        let at = input.len().saturating_sub(self.dialogue.last_heard().len());
        if self.role == Role::Server || at == input.len() {
            return;
        }
        for byte in 0..=u8::MAX {
            let mut other = input.clone();
            let Some(first) = other.get_mut(at) else {
                return;
            };
            // Another letter is another word; another mark may be another spelling of the same.
            let a_mark_too = !first.is_ascii_alphanumeric() && !byte.is_ascii_alphanumeric();
            if first.eq_ignore_ascii_case(&byte) || a_mark_too {
                continue;
            }
            *first = byte;
            let mut course = self.begin();
            course.receive(std::iter::once(&other[..]));
            if course.machine.state() == State::Tls {
                let answer = other.get(at..).unwrap_or_default().to_vec();
                self.found(Gain::UpgradeWithoutConsent, "another answer", &answer);
            }
        }
    }

    /// A line that never ends, and lines that never end.
    fn floods(&mut self) {
        let input = self.dialogue.input();
        let before = input.len().saturating_sub(self.dialogue.last_heard().len());
        let before = input.get(..before).unwrap_or_default();
        for (attack, unit) in [
            ("a line without an end", &b"x"[..]),
            ("lines without an end", b"x\r\n"),
        ] {
            let flood = unit.repeat(32 * 1024);
            let mut course = self.begin();
            course.receive(std::iter::once(before));
            let mut fed = 0;
            while fed < TOO_MUCH && course.machine.state() == State::Plaintext {
                course.receive(std::iter::once(&flood[..]));
                fed += flood.len();
            }
            if course.machine.state() == State::Plaintext {
                self.found(Gain::Unbounded, attack, unit);
            }
        }
    }
}

/// What comes before the first byte of a TLS handshake.
fn before_tls(sent: &[u8]) -> &[u8] {
    let records = tls_part(sent).len();
    sent.get(..sent.len().saturating_sub(records))
        .unwrap_or(sent)
}

/// From the first handshake or alert record on.
fn tls_part(sent: &[u8]) -> &[u8] {
    let begins = |window: &[u8]| matches!(window, [0x15 | 0x16, 0x03, 0..=4]);
    let at = sent.windows(3).position(begins).unwrap_or(sent.len());
    sent.get(at..).unwrap_or_default()
}

fn exchange<M: Machine>(peer: &mut Tls, course: &mut Course<M>) {
    for _ in 0..16 {
        let mut wire = Vec::new();
        peer.poll_transmit(&mut wire);
        let quiet = wire.is_empty();
        course.machine.receive(&wire);
        let said = course.machine.transmit();
        course.sent.extend(&said);
        if quiet && said.is_empty() {
            return;
        }
        let _ = peer.handle_input(&said);
    }
}
