//! The kit finds each flaw in a machine that has it, and none in the one that has none.

use starttls_core::{Incoming, Phase, Plain, Tls};
use starttls_testkit::machine::{Machine, State};
use starttls_testkit::{Dialogue, Gain, certs, check_client, check_server};

/// What is wrong with a [`Toy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    Nothing,
    /// One buffer for both sides of the boundary: the refusal is turned off.
    OneBuffer,
    /// An unfinished line is kept, and the first bytes inside TLS complete it.
    KeepsHalfALine,
    /// It does not look at the answer.
    IgnoresTheAnswer,
    /// A line may be as long as it likes.
    NoLimit,
    /// It waits for more after the end.
    WaitsForEver,
    /// It looks for the go-ahead in each piece alone.
    TwoParsers,
    /// It says something in plaintext behind the boundary.
    Talks,
}

/// A hand-written upgrade, of the usual kind: a buffer, a search for the line end, and TLS behind it.
struct Toy {
    client: bool,
    flaw: Flaw,
    buffer: Vec<u8>,
    out: Vec<u8>,
    data: Vec<u8>,
    tls: Option<Tls>,
    failed: bool,
}

impl Toy {
    fn new(client: bool, flaw: Flaw) -> Self {
        let out = if client { &b"STARTTLS\r\n"[..] } else { b"" };
        Self {
            client,
            flaw,
            buffer: Vec::new(),
            out: out.to_vec(),
            data: Vec::new(),
            tls: None,
            failed: false,
        }
    }

    fn line(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        let end = if self.flaw == Flaw::TwoParsers && !piece.contains(&b'\r') {
            None
        } else {
            self.buffer.windows(2).position(|pair| pair == b"\r\n")
        };
        Some(self.buffer.drain(..end? + 2).collect())
    }

    fn plaintext(&mut self, piece: &[u8]) {
        self.buffer.extend(piece);
        let Some(line) = self.line(piece) else {
            if self.buffer.len() > 512 && self.flaw != Flaw::NoLimit {
                self.failed = true;
            }
            return;
        };
        let expected: &[u8] = if self.client {
            b"OK\r\n"
        } else {
            b"STARTTLS\r\n"
        };
        if line != expected && self.flaw != Flaw::IgnoresTheAnswer {
            self.failed = true;
            return;
        }
        if !self.client {
            self.out.extend(b"OK\r\n");
        }
        match self.flaw {
            Flaw::OneBuffer => self.data.append(&mut self.buffer),
            // What is half a line stays where it is, and is completed later.
            Flaw::KeepsHalfALine if !self.buffer.contains(&b'\n') => {}
            _ if !self.buffer.is_empty() => {
                self.failed = true;
                return;
            }
            _ => {}
        }
        let plain = Plain::new();
        let tls = if self.client {
            plain.start_tls(certs::client())
        } else {
            plain.start_tls(certs::server())
        };
        self.tls = tls.ok();
        if self.flaw == Flaw::Talks {
            self.out.extend(b"MAIL FROM:<me@example.org>\r\n");
        }
    }
}

impl Machine for Toy {
    fn receive(&mut self, bytes: &[u8]) {
        if self.failed {
            return;
        }
        match &mut self.tls {
            Some(tls) => assert_eq!(tls.handle_input(bytes), bytes.len()),
            None => self.plaintext(bytes),
        }
    }

    fn end(&mut self) {
        match self.flaw {
            Flaw::WaitsForEver => {}
            _ => self.failed |= self.tls.is_none(),
        }
        if let Some(tls) = &mut self.tls {
            tls.handle_eof();
        }
    }

    fn transmit(&mut self) -> Vec<u8> {
        if let Some(tls) = &mut self.tls {
            tls.poll_transmit(&mut self.out);
        }
        std::mem::take(&mut self.out)
    }

    fn data(&mut self) -> Vec<u8> {
        let mut buffer = [0; 512];
        let mut read = Vec::new();
        while let Some(tls) = &mut self.tls
            && let Ok(Incoming::Data(n @ 1..)) = tls.read(&mut buffer)
        {
            read.extend(&buffer[..n]);
        }
        if !read.is_empty() {
            self.data.append(&mut self.buffer);
            self.data.append(&mut read);
        }
        std::mem::take(&mut self.data)
    }

    fn state(&self) -> State {
        match &self.tls {
            _ if self.failed => State::Failed,
            Some(tls) if tls.error().is_some() => State::Failed,
            Some(_) => State::Tls,
            None => State::Plaintext,
        }
    }
}

fn client(flaw: Flaw) -> starttls_testkit::Report {
    let dialogue = Dialogue::new().says("STARTTLS\r\n").hears("OK\r\n");
    check_client(|| Toy::new(true, flaw), &dialogue)
}

fn server(flaw: Flaw) -> starttls_testkit::Report {
    let dialogue = Dialogue::new().hears("STARTTLS\r\n").says("OK\r\n");
    check_server(|| Toy::new(false, flaw), &dialogue)
}

#[test]
fn what_is_right_passes() {
    for report in [client(Flaw::Nothing), server(Flaw::Nothing)] {
        report.assert_clean();
        assert!(report.tried() > 100, "{}", report.tried());
    }
}

#[test]
fn each_flaw_is_found_by_what_is_gained() {
    for (flaw, gained_by_the_client, gained_by_the_server) in [
        (
            Flaw::OneBuffer,
            Gain::InjectedAnswerBelieved,
            Gain::InjectedCommandRan,
        ),
        (
            Flaw::KeepsHalfALine,
            Gain::StateSurvived,
            Gain::StateSurvived,
        ),
        (Flaw::NoLimit, Gain::Unbounded, Gain::Unbounded),
        (Flaw::WaitsForEver, Gain::Hangs, Gain::Hangs),
        (Flaw::TwoParsers, Gain::DependsOnCuts, Gain::DependsOnCuts),
    ] {
        let (client, server) = (client(flaw), server(flaw));
        assert!(client.shows(gained_by_the_client), "{flaw:?}\n{client}");
        assert!(server.shows(gained_by_the_server), "{flaw:?}\n{server}");
    }
}

#[test]
fn a_client_that_goes_on_after_a_refusal_is_found() {
    let report = client(Flaw::IgnoresTheAnswer);
    assert!(report.shows(Gain::UpgradeWithoutConsent), "{report}");
}

#[test]
fn what_is_said_in_plaintext_behind_the_boundary_is_found() {
    let report = client(Flaw::Talks);
    assert!(report.shows(Gain::PlaintextAfterTheBoundary), "{report}");
}

#[test]
fn the_report_shows_the_bytes() {
    let text = server(Flaw::OneBuffer).to_string();
    assert!(text.contains("the injected command ran"), "{text}");
    assert!(
        text.contains(r"NOOP\r\n") || text.contains(r"x\r\n"),
        "{text}"
    );
}
