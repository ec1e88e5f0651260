use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, Untrusted};

use super::{
    FIXED_NEWSTYLE, MAGIC, MAX_DATA, OPT_STARTTLS, OPTION_MAGIC, REP_ACK, REP_ERR_SHUTDOWN,
    REP_ERROR, REPLY_MAGIC, data_length,
};
use crate::read::dialogue::{Dialogue, ReadAwaited, Step};
use crate::read::fields::{Fields, expect_start, take};
use crate::read::misbehaviour::{malformed, too_long};

const OPT_EXPORT_NAME: u32 = 1;
const OPT_ABORT: u32 = 2;

const REP_ERR_INVALID: u32 = REP_ERROR | 3;
const REP_ERR_TLS_REQD: u32 = REP_ERROR | 5;
const REP_ERR_TOO_BIG: u32 = REP_ERROR | 9;

/// The server's part in FORCEDTLS mode: NBD_REP_ERR_TLS_REQD to every option but NBD_OPT_STARTTLS and NBD_OPT_ABORT. In SELECTIVETLS mode it is
/// [`optional`](Self::optional).
///
/// NBD_OPT_EXPORT_NAME has no reply that could say so: it ends the session, as the protocol demands. So does a client without fixed newstyle
/// negotiation, which has nothing else to say.
///
/// ```
/// use starttls_core::{Error, Negotiator, Plain};
/// use starttls_protocols::nbd::Server;
///
/// // The client's flags, and NBD_OPT_LIST, to a server that offers TLS and does not demand it.
/// let list = b"IHAVEOPT\0\0\0\x03\0\0\0\0";
/// let mut plain = Plain::with_prefix(&[b"\0\0\0\x01", &list[..]].concat());
/// let mut server = Server::new().optional();
/// assert_eq!(server.advance(&mut plain), Err(Error::NotRequested));
/// assert_eq!(plain.peek(), list);
/// assert_eq!(server.client_flags().unwrap().into_inner(), 1);
/// ```
#[derive(Debug)]
pub struct Server {
    flags: Option<u32>,
    dialogue: Dialogue<Heard, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Flags,
    Option,
}

impl Server {
    /// NBD from the greeting on.
    pub fn new() -> Self {
        let greeting = [
            &MAGIC.to_be_bytes()[..],
            &OPTION_MAGIC.to_be_bytes(),
            &FIXED_NEWSTYLE.to_be_bytes(),
        ];
        Self::starting(Step::say(greeting.concat(), Awaited::Flags))
    }

    /// The caller has just consumed NBD_OPT_STARTTLS, which has no data: only the acknowledgement is left. Whatever options
    /// it has agreed to before, it must forget.
    pub fn at_command() -> Self {
        Self::starting(Step::go_ahead(answer(OPT_STARTTLS, REP_ACK, b"")))
    }

    /// TLS is offered and not demanded: with the first other option (or without fixed newstyle negotiation) the client is [`Error::NotRequested`], and the connection stands in
    /// front of that, behind the client's flags. A later NBD_OPT_STARTTLS is [`at_command`](Self::at_command).
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.dialogue.messages().optional = true;
        self
    }

    /// The client's flags, once they are there: 1 with fixed newstyle negotiation, and 0 without.
    pub fn client_flags(&self) -> Option<Untrusted<u32>> {
        self.flags.map(Untrusted::new)
    }

    fn starting(first: Step<Awaited>) -> Self {
        let heard = Heard {
            optional: false,
            option: OPT_STARTTLS,
        };
        Self {
            flags: None,
            dialogue: Dialogue::new(heard, first),
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
        let (known, optional) = (&mut self.flags, self.dialogue.reader().optional);
        self.dialogue.advance(plain, |_, message| match *message {
            Message::Flags(flags) => {
                *known = Some(flags);
                match flags {
                    1 => Ok(Step::Await(Awaited::Option)),
                    // The client can send nothing but NBD_OPT_EXPORT_NAME.
                    _ if optional => Err(Error::NotRequested),
                    _ => Err(Refusal::new(None, b"").ending().into()),
                }
            }
            Message::Option(option, length) => follow(option, length),
            Message::TooBig(option) => Ok(Step::fail(
                answer(option, REP_ERR_TOO_BIG, b"too much data"),
                too_long("option data", MAX_DATA),
            )),
        })
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        let (reply, words): (_, &[u8]) = match error {
            Error::UnreadPlaintext { .. } => (REP_ERR_INVALID, b"plaintext behind STARTTLS"),
            Error::Misbehaved(Misbehaviour::TooLong {
                what: "messages", ..
            }) => (REP_ERR_SHUTDOWN, b"too many options before TLS"),
            // To what is no option there is no reply.
            _ => return Vec::new(),
        };
        answer(self.dialogue.reader().option, reply, words)
    }
}

fn follow(option: u32, length: usize) -> Result<Step<Awaited>, Error> {
    let (error, words): (_, &[u8]) = match option {
        OPT_STARTTLS if length == 0 => {
            return Ok(Step::go_ahead(answer(option, REP_ACK, b"")));
        }
        OPT_STARTTLS => (REP_ERR_INVALID, b"no data with STARTTLS"),
        // "as this request cannot error, it MUST terminate the session"
        OPT_EXPORT_NAME => return Err(Refusal::new(option, b"").ending().into()),
        OPT_ABORT => {
            let goodbye = Error::Goodbye(Refusal::new(option, b""));
            return Ok(Step::fail(answer(option, REP_ACK, b""), goodbye));
        }
        _ => (REP_ERR_TLS_REQD, b"STARTTLS first"),
    };
    Ok(Step::say(answer(option, error, words), Awaited::Option))
}

fn answer(option: u32, reply: u32, words: &[u8]) -> Vec<u8> {
    let length = u32::try_from(words.len()).unwrap_or_default();
    let fields = [option, reply, length].map(u32::to_be_bytes).concat();
    [&REPLY_MAGIC.to_be_bytes()[..], &fields, words].concat()
}

#[derive(Debug)]
struct Heard {
    optional: bool,
    /// The option that was read last.
    option: u32,
}

enum Message {
    Flags(u32),
    /// Its number, and how much data it had.
    Option(u32, usize),
    /// Its number: there is more data behind it than is read.
    TooBig(u32),
}

impl ReadAwaited<Awaited> for Heard {
    type Message = Message;

    /// The flags, and 64 options, the last of which is NBD_OPT_STARTTLS. The protocol has ten; no client tries each of them more than once.
    const MOST: usize = 65;

    fn next_awaited(
        &mut self,
        awaited: Awaited,
        plain: &mut Plain,
    ) -> Result<Option<Message>, Error> {
        match awaited {
            Awaited::Flags => client_flags(plain),
            Awaited::Option => self.option(plain),
        }
    }
}

fn client_flags(plain: &mut Plain) -> Result<Option<Message>, Error> {
    expect_start(plain, &[0, 0, 0], "NBD client flags")?;
    let Some(flags) = take(plain, 4) else {
        return Ok(None);
    };
    match flags.last() {
        Some(flags @ (0 | 1)) => Ok(Some(Message::Flags(u32::from(*flags)))),
        // "the server MUST drop the TCP connection if the client sets an unknown flag, or a flag that does not match something advertised by the server"
        _ => Err(malformed("NBD client flags", &flags)),
    }
}

impl Heard {
    fn option(&mut self, plain: &mut Plain) -> Result<Option<Message>, Error> {
        const HEADER: usize = 16;
        expect_start(plain, &OPTION_MAGIC.to_be_bytes(), "NBD option")?;
        let mut fields = Fields::new(plain.peek());
        let (Some(_), Some(option)) = (fields.u64(), fields.u32()) else {
            return Ok(None);
        };
        if self.optional && !matches!(option, OPT_STARTTLS | OPT_ABORT) {
            return Err(Error::NotRequested);
        }
        let Some(length) = fields.u32() else {
            return Ok(None);
        };
        self.option = option;
        let Ok(length) = data_length(length) else {
            plain.consume(HEADER);
            return Ok(Some(Message::TooBig(option)));
        };
        let message = take(plain, length.saturating_add(HEADER));
        Ok(message.map(|_| Message::Option(option, length)))
    }
}
