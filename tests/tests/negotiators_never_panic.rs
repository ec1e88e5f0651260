//! S2, S17, S20: whatever bytes come, in whatever pieces, a negotiator does not panic, does not loop, says only so much, blames
//! its caller for nothing, and comes to the same end; after the end of input it is never undecided.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use starttls_core::{Boundary, Error, Limits, Phase, Plain, Progress};
use starttls_protocols::registry::{ClientOptions, Protocol, Role, ServerOptions};
use starttls_tests::harness::negotiators::{self, AnyNegotiator};
use starttls_tests::harness::transcript::{Transcript, protocols, read_directory};
use starttls_tests::harness::white_space;

/// The longest input here: more than a negotiation may have.
const LONGEST: usize = 80 * 1024;

/// How it ended: the boundary and how many bytes lie behind it, or the error.
type End = Result<(Boundary, usize), Error>;

/// What it said, how it ended, and whether it has seen what must not be there before it gave its go-ahead, and withheld that.
struct Outcome {
    said: Vec<u8>,
    end: End,
    withheld: bool,
}

impl Outcome {
    /// What comes later than the go-ahead is refused as well, but cannot take it back.
    fn is_like(&self, other: &Self) -> bool {
        // A goodbye right behind the boundary that comes later is found by TLS.
        if let (Ok((Boundary::Exact, 1..)), Err(Error::Goodbye(_))) = (&self.end, &other.end) {
            return true;
        }
        self.end == other.end
            && match (self.withheld, other.withheld) {
                (true, false) => !self.said.starts_with(&other.said),
                (false, true) => !other.said.starts_with(&self.said),
                _ => self.said == other.said,
            }
    }
}

/// Hands `input` in, cut at `cuts`, and then its end. Every step is asked for twice: the second time there is nothing new.
fn run(
    mut negotiator: AnyNegotiator,
    drops_white_space: bool,
    input: &[u8],
    cuts: &[usize],
) -> Outcome {
    let mut plain = Plain::new();
    let mut said = Vec::new();
    let mut start = 0;
    let ends = cuts.iter().copied().chain([input.len()]);
    for end in ends {
        let mut piece = &input[start..end];
        start = end;
        loop {
            let taken = plain.handle_input(piece);
            piece = &piece[taken..];
            if let Some(end) = step(&mut negotiator, &mut plain, &mut said) {
                let behind = piece.len() + input.len() - start;
                let withheld = matches!(end, Err(Error::UnreadPlaintext { .. }));
                let end = match end {
                    Err(Error::UnreadPlaintext { .. }) => Ok((Boundary::Exact, plain.peek().len())),
                    end => end,
                };
                let rest = |unread| &input[input.len() - behind - unread..];
                return Outcome {
                    said,
                    end: end.map(|(boundary, unread)| {
                        let count = if drops_white_space {
                            white_space::behind(rest(unread))
                        } else {
                            unread + behind
                        };
                        (boundary, count)
                    }),
                    withheld,
                };
            }
            if piece.is_empty() {
                break;
            }
            assert!(taken > 0, "it wants more and has no room");
        }
    }
    plain.handle_eof();
    let end = step(&mut negotiator, &mut plain, &mut said).expect("it must come to an end");
    Outcome {
        said,
        end,
        withheld: false,
    }
}

fn step(negotiator: &mut AnyNegotiator, plain: &mut Plain, said: &mut Vec<u8>) -> Option<End> {
    let progress = negotiator.negotiate(plain);
    plain.poll_transmit(said);
    match progress {
        Ok(Progress::Done(boundary)) => Some(Ok((boundary, plain.peek().len()))),
        Err(error) => Some(Err(error)),
        Ok(Progress::NeedInput) => {
            let unread = plain.peek().len();
            assert_eq!(negotiator.negotiate(plain), Ok(Progress::NeedInput));
            assert!(!plain.has_output(), "it speaks without having heard");
            assert_eq!(plain.peek().len(), unread);
            None
        }
    }
}

/// The same end in every way, and nothing that a peer must not be able to cause.
fn check(
    make: impl Fn() -> AnyNegotiator,
    drops_white_space: bool,
    input: &[u8],
    cuts: &[Index],
) -> End {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    cuts.sort_unstable();
    let whole = run(make(), drops_white_space, input, &[]);
    let same = |way: &str, cuts: &[usize]| {
        let cut = run(make(), drops_white_space, input, cuts);
        assert!(
            cut.is_like(&whole),
            "{way}:\nsaid \"{}\", {:?}\nwhole:\nsaid \"{}\", {:?}",
            cut.said.escape_ascii(),
            cut.end,
            whole.said.escape_ascii(),
            whole.end
        );
    };
    same(&format!("cut at {cuts:?}"), &cuts);
    if input.len() <= 512 {
        same("byte by byte", &(1..input.len()).collect::<Vec<_>>());
    }
    assert!(whole.said.len() <= Limits::default().plaintext_output);
    whole.end
}

/// Every transcript of every protocol, with what the side under test hears. Read once a test.
fn transcripts() -> &'static [(Transcript, Vec<u8>)] {
    thread_local! {
        static ALL: &'static [(Transcript, Vec<u8>)] = protocols()
            .iter()
            .flat_map(|protocol| read_directory(protocol))
            // What the caller did wrong is not the matter here.
            .filter(|transcript| transcript.expect != "misuse")
            .map(|transcript| {
                let mut input = transcript.input();
                input.truncate(LONGEST);
                (transcript, input)
            })
            .collect::<Vec<_>>()
            .leak();
    }
    ALL.with(|all| *all)
}

#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Cut(Index),
    /// Goes on with the end of another transcript of the same protocol and role.
    Splice(Index, Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // Bytes that mean something to somebody, and any others.
    let byte = || {
        prop_oneof![
            select(&b"\0\x01\x16\x15\x03\r\n \"{}<>-+*:=/\x7f\x80\xff"[..]),
            any::<u8>()
        ]
    };
    prop_oneof![
        4 => (any::<Index>(), byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        2 => (any::<Index>(), prop::collection::vec(byte(), 1..8))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        2 => (any::<Index>(), 1..16_usize).prop_map(|(at, count)| Mutation::Remove(at, count)),
        2 => (any::<Index>(), 1..64_usize, 1..64_usize)
            .prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
        1 => any::<Index>().prop_map(Mutation::Cut),
        1 => (any::<Index>(), any::<Index>(), any::<Index>())
            .prop_map(|(at, other, from)| Mutation::Splice(at, other, from)),
    ]
}

fn mutate(transcript: &Transcript, bytes: &mut Vec<u8>, mutation: &Mutation) {
    let at = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
    match mutation {
        Mutation::Replace(index, byte) => {
            let at = at(index, bytes);
            if let Some(there) = bytes.get_mut(at) {
                *there = *byte;
            }
        }
        Mutation::Insert(index, new) => {
            let at = at(index, bytes);
            bytes.splice(at..at, new.iter().copied());
        }
        Mutation::Remove(index, count) => {
            let at = at(index, bytes);
            bytes.drain(at..bytes.len().min(at + count));
        }
        Mutation::Repeat(index, length, times) => {
            let at = at(index, bytes);
            let piece = bytes[at..bytes.len().min(at + length)].repeat(*times);
            bytes.splice(at..at, piece);
        }
        Mutation::Cut(index) => bytes.truncate(at(index, bytes)),
        Mutation::Splice(index, other, from) => {
            let same: Vec<&Vec<u8>> = transcripts()
                .iter()
                .filter(|(other, _)| {
                    other.protocol == transcript.protocol && other.role == transcript.role
                })
                .map(|(_, input)| input)
                .collect();
            let other = other.get(&same);
            bytes.truncate(at(index, bytes));
            bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
        }
    }
    bytes.truncate(LONGEST);
}

fn from_registry(protocol: Protocol, role: Role) -> AnyNegotiator {
    let client = ClientOptions::new("mail.example.org")
        .port(25)
        .own_name("me.example.net")
        .credentials("me", "secret");
    let server = ServerOptions::new("mail.example.org")
        .credentials("me", "secret")
        .random([7; 20]);
    match role {
        Role::Client => AnyNegotiator::client(protocol.client(&client).expect("complete options")),
        Role::Server => AnyNegotiator::server(protocol.server(&server).expect("complete options")),
    }
}

fn drops(protocol: Protocol, role: Role) -> bool {
    let role = match role {
        Role::Client => negotiators::Role::Client,
        Role::Server => negotiators::Role::Server,
    };
    white_space::is_dropped(protocol.name(), role)
}

fn of_transcript(transcript: &Transcript) -> AnyNegotiator {
    negotiators::negotiator(
        &transcript.protocol,
        transcript.role,
        transcript.start,
        &transcript.options,
    )
}

fn any_side() -> impl Strategy<Value = (Protocol, Role)> {
    (
        select(&Protocol::ALL[..]),
        select(&[Role::Client, Role::Server][..]),
    )
}

/// What a peer must not be able to bring about: an error that blames the caller, and a boundary of another kind.
fn check_end(protocol: Option<Protocol>, role: Role, end: &End) {
    match end {
        Err(Error::Misuse(misuse)) => panic!("{misuse}"),
        Ok((boundary, _)) => {
            let facts = protocol.map(Protocol::facts);
            let expected = facts.map(|facts| match role {
                Role::Client => facts.boundary_at_client,
                Role::Server => facts.boundary_at_server,
            });
            assert!(expected.is_none_or(|expected| expected == *boundary));
        }
        Err(_) => {}
    }
}

/// `PROPTEST_CASES` can ask for more.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.max(2048),
        failure_persistence: None,
        ..config
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes(
        (protocol, role) in any_side(),
        input in prop::collection::vec(any::<u8>(), 0..512),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let end = check(|| from_registry(protocol, role), drops(protocol, role), &input, &cuts);
        check_end(Some(protocol), role, &end);
    }

    /// What one protocol says to another: the two sides of a wrong port.
    #[test]
    fn the_words_of_another_protocol(
        (protocol, role) in any_side(),
        other in any::<Index>(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let (_, input) = other.get(transcripts());
        let end = check(|| from_registry(protocol, role), drops(protocol, role), input, &cuts);
        check_end(Some(protocol), role, &end);
    }

    #[test]
    fn mutated_transcripts(
        which in any::<Index>(),
        mutations in prop::collection::vec(mutation(), 1..5),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let (transcript, input) = which.get(transcripts());
        let mut input = input.clone();
        for mutation in &mutations {
            mutate(transcript, &mut input, mutation);
        }
        let drops = white_space::is_dropped(&transcript.protocol, transcript.role);
        let end = check(|| of_transcript(transcript), drops, &input, &cuts);
        check_end(None, Role::Client, &end);
    }
}

/// A flood of anything that is said in a transcript, or of any one byte, ends the negotiation.
#[test]
fn every_flood_ends() {
    let limit = Limits::default().negotiation;
    let bytes: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    let words = transcripts()
        .iter()
        .map(|(_, input)| input.clone())
        .filter(|input| !input.is_empty());
    for word in bytes.into_iter().chain(words) {
        let flood: Vec<u8> = word.iter().copied().cycle().take(2 * limit).collect();
        for protocol in Protocol::ALL {
            for role in [Role::Client, Role::Server] {
                let mut negotiator = from_registry(protocol, role);
                let mut plain = Plain::new();
                let mut said = Vec::new();
                let mut end = None;
                for piece in flood.chunks(1000) {
                    let taken = plain.handle_input(piece);
                    end = step(&mut negotiator, &mut plain, &mut said);
                    if end.is_some() {
                        break;
                    }
                    assert_eq!(taken, piece.len(), "{protocol} {role:?}: no room");
                }
                let end = end
                    .unwrap_or_else(|| panic!("{protocol} {role:?} takes {}", word.escape_ascii()));
                check_end(Some(protocol), role, &end);
                assert!(said.len() <= Limits::default().plaintext_output);
            }
        }
    }
}
