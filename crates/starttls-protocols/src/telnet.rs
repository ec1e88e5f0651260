//! Telnet START_TLS (draft-altman-telnet-starttls, option 46, over RFC 854 and RFC 855).
//!
//! The server demands with `DO START_TLS`, the client agrees with `WILL START_TLS`, and each side says `FOLLOWS` before its
//! first byte of TLS; TLS begins behind the `IAC SE` of the peer's `FOLLOWS`. Until then every other option is refused. A side
//! that has said `FOLLOWS` answers nothing any more, since its next byte must be TLS.
//!
//! The two `FOLLOWS` may cross: a client that has got the server's sends its ClientHello right behind its own, so that the server finds
//! both together. At the server what follows goes to TLS therefore, and the client's `FOLLOWS` says that it is nothing else.
//!
//! After TLS all options are in their initial state again and are negotiated anew. The client's handshake begins; inside TLS
//! both sides may negotiate at once.

use std::mem;

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal};

use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::misbehaviour::{is_broken_plaintext, malformed, refuse_tls_record, too_long};

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;
const START_TLS: u8 = 46;
const FOLLOWS: &[u8] = &[IAC, SB, START_TLS, 1, IAC, SE];

/// The longest subnegotiation. None before TLS needs more than some tens of bytes.
const MAX_SUBNEGOTIATION: usize = 1024;
/// The most commands before TLS: there are 256 options, each can be demanded and offered once.
const MAX_COMMANDS: usize = 512;

/// The client's part: waits for `DO START_TLS`, agrees, and waits for the server's `FOLLOWS`.
///
/// Data before that means that the server does not ask for TLS: [`Error::NotOffered`], in front of the first byte of it. A server that is silent is left to the
/// deadline. Once the client has agreed, its next byte is TLS: a server that takes it back then ends the connection.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Phase, Plain, Progress};
/// use starttls_protocols::telnet;
///
/// let mut client = telnet::Client::new();
/// let mut plain = Plain::with_prefix(b"\xff\xfd\x2e\xff\xfa\x2e\x01\xff\xf0");
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
///
/// let mut said = Vec::new();
/// plain.poll_transmit(&mut said);
/// assert_eq!(said, b"\xff\xfb\x2e\xff\xfa\x2e\x01\xff\xf0");
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    dialogue: Dialogue<Commands, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    /// `DO START_TLS` of the server, `WILL START_TLS` of the client.
    StartTls,
    Follows,
}

impl Client {
    /// Telnet from the first byte on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Awaited::StartTls))
    }

    /// The caller has just consumed `DO START_TLS` and has not answered it.
    pub fn at_command() -> Self {
        Self::starting(agreement())
    }

    fn starting(first: Step<Awaited>) -> Self {
        Self {
            dialogue: Dialogue::new(Commands::new(), first),
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        self.dialogue.advance(plain, react)
    }
}

fn agreement() -> Step<Awaited> {
    Step::say(
        [&[IAC, WILL, START_TLS], FOLLOWS].concat(),
        Awaited::Follows,
    )
}

fn react(awaited: Awaited, command: &Command) -> Result<Step<Awaited>, Error> {
    match (awaited, command) {
        (Awaited::StartTls, Command::Negotiation(DO, START_TLS)) => Ok(agreement()),
        // Said twice.
        (_, Command::Negotiation(DO, START_TLS)) => Ok(Step::Await(awaited)),
        (Awaited::StartTls, Command::Negotiation(DONT | WONT, START_TLS)) => {
            Err(command.refusal().into())
        }
        (Awaited::Follows, Command::Negotiation(DONT | WONT, START_TLS)) => {
            Err(command.refusal().ending().into())
        }
        (Awaited::StartTls, Command::Negotiation(verb, option)) if *option != START_TLS => {
            Ok(Step::say(refusal(*verb, *option), awaited))
        }
        (Awaited::StartTls, Command::Data(_)) => Err(Error::NotOffered),
        (Awaited::Follows, Command::Subnegotiation(START_TLS, words)) if words == &[1] => {
            Ok(Step::Done(Boundary::Exact))
        }
        (_, command) if command.is_irrelevant() => Ok(Step::Await(awaited)),
        _ => Err(command.unexpected()),
    }
}

/// The server's part: `DO START_TLS`, and nothing else until the client's `FOLLOWS`, unless TLS is [`optional`](Self::optional).
///
/// ```
/// use starttls_core::{Error, Negotiator, Plain};
/// use starttls_protocols::telnet::Server;
///
/// // A client that refuses ECHO and goes on, at a server that offers TLS and does not demand it.
/// let mut plain = Plain::with_prefix(b"\xff\xfe\x01root\r\n");
/// assert_eq!(Server::new().optional().advance(&mut plain), Err(Error::NotRequested));
/// assert_eq!(plain.peek(), b"root\r\n");
/// ```
#[derive(Debug)]
pub struct Server {
    optional: bool,
    /// Our next byte must be TLS.
    follows: bool,
    dialogue: Dialogue<Commands, Awaited>,
}

impl Server {
    /// Telnet from the first byte on.
    pub fn new() -> Self {
        Self::starting(Step::say([IAC, DO, START_TLS], Awaited::StartTls), false)
    }

    /// The caller has said `DO START_TLS` and has just consumed the client's `WILL START_TLS`.
    pub fn at_command() -> Self {
        Self::starting(Step::say(FOLLOWS, Awaited::Follows), true)
    }

    /// TLS is offered and not demanded: a client that refuses it is an [`Error::Refused`] behind which the connection goes on, and one that sends data is
    /// [`Error::NotRequested`], and the connection stands in front of the data. Other options that the client has asked for were refused by then; the server
    /// may ask for them anew.
    #[must_use]
    pub fn optional(self) -> Self {
        Self {
            optional: true,
            ..self
        }
    }

    fn starting(first: Step<Awaited>, follows: bool) -> Self {
        Self {
            optional: false,
            follows,
            dialogue: Dialogue::new(Commands::new(), first),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let (optional, follows) = (self.optional, &mut self.follows);
        self.dialogue.advance(plain, |awaited, command| {
            let step = answer(awaited, command, optional)?;
            *follows |= matches!(step, Step::Say(_, Awaited::Follows));
            Ok(step)
        })
    }

    /// Words for people: Telnet has no others.
    fn farewell(&self, error: &Error) -> Vec<u8> {
        let words: &[u8] = match error {
            _ if self.follows => b"",
            Error::Misbehaved(Misbehaviour::TooLong { .. }) => b"Too much before START_TLS.\r\n",
            error if is_broken_plaintext(error) => b"This is no Telnet.\r\n",
            _ => b"",
        };
        words.to_vec()
    }
}

fn answer(awaited: Awaited, command: &Command, optional: bool) -> Result<Step<Awaited>, Error> {
    let required = |refusal: Refusal| {
        let words = "This server requires START_TLS.\r\n";
        Ok(Step::fail(words, refusal.ending()))
    };
    match (awaited, command) {
        (Awaited::StartTls, Command::Negotiation(WILL, START_TLS)) => {
            Ok(Step::say(FOLLOWS, Awaited::Follows))
        }
        // Said twice.
        (_, Command::Negotiation(WILL, START_TLS)) => Ok(Step::Await(awaited)),
        (Awaited::StartTls, Command::Negotiation(WONT | DONT, START_TLS)) if !optional => {
            required(command.refusal())
        }
        (Awaited::StartTls, Command::Negotiation(WONT | DONT, START_TLS)) => {
            Err(command.refusal().into())
        }
        (Awaited::Follows, Command::Negotiation(WONT | DONT, START_TLS)) => {
            Err(command.refusal().ending().into())
        }
        (Awaited::StartTls, Command::Negotiation(verb, option)) if *option != START_TLS => {
            Ok(Step::say(refusal(*verb, *option), awaited))
        }
        // It may have been sent before DO was there.
        (Awaited::StartTls, Command::Data(_)) if optional => Err(Error::NotRequested),
        (Awaited::StartTls, Command::Data(_)) => required(command.refusal()),
        (Awaited::Follows, Command::Subnegotiation(START_TLS, words)) if words == &[1] => {
            Ok(Step::Done(Boundary::Pipelined))
        }
        (_, command) if command.is_irrelevant() => Ok(Step::Await(awaited)),
        _ => Err(command.unexpected()),
    }
}

/// "I won't" and "don't" are the answers to what is not wanted; a refusal is not answered (RFC 854, the rules of negotiation).
fn refusal(verb: u8, option: u8) -> Vec<u8> {
    match verb {
        DO => vec![IAC, WONT, option],
        WILL => vec![IAC, DONT, option],
        _ => Vec::new(),
    }
}

/// One thing that the peer said.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    Data(u8),
    /// NOP, GA and the like.
    Signal,
    /// Verb and option.
    Negotiation(u8, u8),
    /// Option and words, unescaped.
    Subnegotiation(u8, Vec<u8>),
}

impl Command {
    /// It has nothing to do with START_TLS and no data gets lost.
    fn is_irrelevant(&self) -> bool {
        match self {
            Self::Data(_) => false,
            Self::Signal => true,
            Self::Negotiation(_, option) | Self::Subnegotiation(option, _) => *option != START_TLS,
        }
    }

    fn refusal(&self) -> Refusal {
        let words = match self {
            Self::Data(byte) => vec![*byte],
            Self::Signal => Vec::new(),
            Self::Negotiation(verb, option) => vec![IAC, *verb, *option],
            Self::Subnegotiation(option, words) => {
                [&[IAC, SB, *option], &words[..], &[IAC, SE]].concat()
            }
        };
        Refusal::new(None, &words)
    }

    fn unexpected(&self) -> Error {
        Misbehaviour::Unexpected(self.refusal()).into()
    }
}

/// Takes the stream apart, byte by byte, so that nothing behind a command is touched. Data are not consumed: none is for this dialogue.
#[derive(Debug)]
struct Commands {
    inside: Inside,
    /// Bytes of the current command that were looked at.
    seen: usize,
}

#[derive(Debug)]
enum Inside {
    Data,
    Command,
    Negotiation(u8),
    Subnegotiation,
    Words(u8, Vec<u8>),
    WordsCommand(u8, Vec<u8>),
}

impl Commands {
    fn new() -> Self {
        Self {
            inside: Inside::Data,
            seen: 0,
        }
    }
}

impl ReadMessages for Commands {
    type Message = Command;

    const MOST: usize = MAX_COMMANDS;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Command>, Error> {
        if self.seen == 0 {
            refuse_tls_record(plain.peek())?;
            if let [0x15 | 0x16] = plain.peek() {
                // The second byte tells whether it is TLS.
                return Ok(None);
            }
        }
        while let Some(&byte) = plain.peek().get(self.seen) {
            self.seen = self.seen.saturating_add(1);
            let inside = mem::replace(&mut self.inside, Inside::Data);
            let (inside, command) = step(inside, byte)?;
            self.inside = inside;
            let Some(command) = command else {
                continue;
            };
            if !matches!(command, Command::Data(_)) {
                plain.consume(self.seen);
            }
            self.seen = 0;
            return Ok(Some(command));
        }
        Ok(None)
    }
}

fn step(inside: Inside, byte: u8) -> Result<(Inside, Option<Command>), Error> {
    Ok(match (inside, byte) {
        (Inside::Data, IAC) => (Inside::Command, None),
        (Inside::Data, byte) | (Inside::Command, byte @ IAC) => {
            (Inside::Data, Some(Command::Data(byte)))
        }
        (Inside::Command, WILL | WONT | DO | DONT) => (Inside::Negotiation(byte), None),
        (Inside::Command, SB) => (Inside::Subnegotiation, None),
        // From EOF (RFC 1184) to GA, without the SE that has no SB.
        (Inside::Command, 236..=239 | 241..=249) => (Inside::Data, Some(Command::Signal)),
        (Inside::Command, _) => return Err(malformed("telnet command", &[IAC, byte])),
        (Inside::Negotiation(verb), option) => {
            (Inside::Data, Some(Command::Negotiation(verb, option)))
        }
        (Inside::Subnegotiation, IAC) => {
            return Err(malformed("telnet subnegotiation", &[IAC, SB, IAC]));
        }
        (Inside::Subnegotiation, option) => (Inside::Words(option, Vec::new()), None),
        (Inside::Words(option, words), IAC) => (Inside::WordsCommand(option, words), None),
        (Inside::WordsCommand(option, words), SE) => {
            (Inside::Data, Some(Command::Subnegotiation(option, words)))
        }
        (Inside::Words(option, mut words), byte)
        | (Inside::WordsCommand(option, mut words), byte @ IAC) => {
            if words.len() >= MAX_SUBNEGOTIATION {
                return Err(too_long("subnegotiation", MAX_SUBNEGOTIATION));
            }
            words.push(byte);
            (Inside::Words(option, words), None)
        }
        (Inside::WordsCommand(..), byte) => {
            return Err(malformed("telnet subnegotiation", &[IAC, byte]));
        }
    })
}
