use starttls_core::rustls::ClientConnection;
use starttls_core::{
    Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use super::{
    FIXED_NEWSTYLE, MAGIC, OPT_STARTTLS, OPTION_MAGIC, REP_ACK, REP_ERR_SHUTDOWN, REP_ERROR,
    REPLY_MAGIC, data_length,
};
use crate::read::dialogue::{Dialogue, ReadAwaited, Step};
use crate::read::fields::{Fields, expect_start, take};
use crate::read::misbehaviour::malformed;

const OLDSTYLE_MAGIC: u64 = 0x0000_4202_8186_1253;
/// Magic, size and flags of an oldstyle greeting, and the zeroes behind them.
const OLDSTYLE_LENGTH: usize = 8 + 8 + 8 + 4 + 124;

/// The client's part: handshake flags, NBD_OPT_STARTTLS, its acknowledgement.
///
/// A server without fixed newstyle negotiation is [`Error::NotOffered`], in front of the client's flags; its [`greeting`](Self::greeting) is there for
/// who goes on without. A refused option leaves the negotiation where it was.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::nbd;
///
/// let mut client = nbd::Client::new();
/// let mut plain = Plain::with_prefix(
///     b"NBDMAGICIHAVEOPT\x00\x01\
///       \x00\x03\xe8\x89\x04\x55\x65\xa9\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x00",
/// );
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// let greeting = client.greeting().unwrap().into_inner();
/// assert_eq!(*greeting, nbd::Greeting::Newstyle { flags: 1 });
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    greeting: Option<Greeting>,
    dialogue: Dialogue<Heard, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Greeting,
    Reply,
}

/// What a server greets with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Greeting {
    /// Newstyle negotiation, fixed or not, as the handshake flags say: 1 is `FIXED_NEWSTYLE`, 2 is `NO_ZEROES`.
    Newstyle {
        /// The server's handshake flags.
        flags: u16,
    },
    /// Oldstyle negotiation, which is a monologue of the server: the transmission begins.
    Oldstyle {
        /// The size of the export, in bytes.
        size: u64,
        /// Its flags.
        flags: u32,
    },
}

impl Client {
    /// NBD from the server's greeting on.
    pub fn new() -> Self {
        Self::starting(Step::Await(Awaited::Greeting))
    }

    /// The caller has exchanged the handshake flags, fixed newstyle, and waits for no reply.
    pub fn at_command() -> Self {
        Self::starting(Step::say(start_tls(), Awaited::Reply))
    }

    /// What the server has greeted with, once it has.
    pub fn greeting(&self) -> Option<Untrusted<&Greeting>> {
        self.greeting.as_ref().map(Untrusted::new)
    }

    fn starting(first: Step<Awaited>) -> Self {
        Self {
            greeting: None,
            dialogue: Dialogue::new(Heard, first),
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
        let known = &mut self.greeting;
        self.dialogue.advance(plain, |_, message| match message {
            Message::Greeting(greeting) => {
                *known = Some(*greeting);
                match greeting {
                    Greeting::Newstyle { flags } if flags & FIXED_NEWSTYLE != 0 => {
                        let ours = u32::from(FIXED_NEWSTYLE).to_be_bytes();
                        let words = [&ours[..], &start_tls()].concat();
                        Ok(Step::say(words, Awaited::Reply))
                    }
                    // "The client MUST NOT issue NBD_OPT_STARTTLS unless the server set flag NBD_FLAG_FIXED_NEWSTYLE"
                    _ => Err(Error::NotOffered),
                }
            }
            Message::Reply(REP_ACK, data) if data.is_empty() => Ok(Step::Done(Boundary::Exact)),
            // "data ... an error message ... suitable for displaying to the user"
            Message::Reply(reply, data) => {
                let refusal = Refusal::new(*reply, data);
                Err(match *reply {
                    REP_ERR_SHUTDOWN => Error::Goodbye(refusal),
                    error if error & REP_ERROR != 0 => refusal.into(),
                    _ => Misbehaviour::Unexpected(refusal).into(),
                })
            }
        })
    }
}

/// NBD_OPT_STARTTLS, which has no data.
fn start_tls() -> Vec<u8> {
    let [option, length] = [OPT_STARTTLS, 0].map(u32::to_be_bytes);
    [&OPTION_MAGIC.to_be_bytes()[..], &option, &length].concat()
}

#[derive(Debug)]
struct Heard;

enum Message {
    Greeting(Greeting),
    /// Type and data of a reply to NBD_OPT_STARTTLS.
    Reply(u32, Vec<u8>),
}

impl ReadAwaited<Awaited> for Heard {
    type Message = Message;

    fn next_awaited(
        &mut self,
        awaited: Awaited,
        plain: &mut Plain,
    ) -> Result<Option<Message>, Error> {
        Ok(match awaited {
            Awaited::Greeting => greeting(plain)?.map(Message::Greeting),
            Awaited::Reply => reply(plain)?.map(|(reply, data)| Message::Reply(reply, data)),
        })
    }
}

fn greeting(plain: &mut Plain) -> Result<Option<Greeting>, Error> {
    expect_start(plain, &MAGIC.to_be_bytes(), "NBD greeting")?;
    let mut fields = Fields::new(plain.peek());
    let (Some(_), Some(style)) = (fields.u64(), fields.u64()) else {
        return Ok(None);
    };
    let (greeting, length) = match style {
        OPTION_MAGIC => {
            let greeting = fields.u16().map(|flags| Greeting::Newstyle { flags });
            (greeting, 8 + 8 + 2)
        }
        OLDSTYLE_MAGIC => {
            let both = fields.u64().zip(fields.u32());
            let greeting = both.map(|(size, flags)| Greeting::Oldstyle { size, flags });
            (greeting, OLDSTYLE_LENGTH)
        }
        _ => {
            let start = plain.peek().get(..16).unwrap_or_default();
            return Err(malformed("NBD greeting", start));
        }
    };
    Ok(take(plain, length).and(greeting))
}

fn reply(plain: &mut Plain) -> Result<Option<(u32, Vec<u8>)>, Error> {
    const HEADER: usize = 20;
    expect_start(plain, &REPLY_MAGIC.to_be_bytes(), "NBD reply")?;
    let Some(header) = plain.peek().get(..HEADER) else {
        return Ok(None);
    };
    let mut fields = Fields::new(header);
    let (Some(REPLY_MAGIC), Some(OPT_STARTTLS), Some(reply), Some(length)) =
        (fields.u64(), fields.u32(), fields.u32(), fields.u32())
    else {
        return Err(malformed("NBD reply", header));
    };
    let length = data_length(length)?.saturating_add(HEADER);
    Ok(take(plain, length).map(|mut reply_| (reply, reply_.split_off(HEADER))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_greets_with_can_be_asked_for_when_it_has_no_tls() {
        let newstyle = b"NBDMAGICIHAVEOPT\0\x02".to_vec();
        let numbers = [&[0; 5][..], &[16, 0, 0], &[0, 0, 0, 3]].concat();
        let magic = OLDSTYLE_MAGIC.to_be_bytes();
        let oldstyle = [b"NBDMAGIC", &magic[..], &numbers, &[0; 124]].concat();
        let cases = [
            (newstyle, Greeting::Newstyle { flags: 2 }),
            (
                oldstyle,
                Greeting::Oldstyle {
                    size: 1 << 20,
                    flags: 3,
                },
            ),
        ];
        for (said, expected) in cases {
            let (mut client, mut plain) = (Client::new(), Plain::with_prefix(&said));
            assert_eq!(client.advance(&mut plain), Err(Error::NotOffered));
            assert_eq!(client.greeting(), Some(Untrusted::new(&expected)));
            assert!(plain.peek().is_empty());
        }
    }
}
