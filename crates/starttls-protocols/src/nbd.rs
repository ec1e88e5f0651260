//! NBD_OPT_STARTTLS of the network block device (NetworkBlockDevice/nbd, `doc/proto.md`, fixed newstyle negotiation).
//!
//! The handshake flags hold on: after TLS the client goes on with options, without a second greeting. Everything else is
//! forgotten: no option that was sent before TLS counts (CVE-2021-3716), and the [`Server`] here takes none. Neither side offers
//! or sets `NO_ZEROES`, so that the caller knows: NBD_OPT_EXPORT_NAME is answered with the 124 zeroes.

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, rustls};

use crate::read::fields::{Fields, expect_start, take};
use crate::read::misbehaviour::{malformed, too_long};

const MAGIC: u64 = 0x4e42_444d_4147_4943;
const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const OLDSTYLE_MAGIC: u64 = 0x0000_4202_8186_1253;
const REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const FIXED_NEWSTYLE: u16 = 1;

const OPT_EXPORT_NAME: u32 = 1;
const OPT_ABORT: u32 = 2;
const OPT_STARTTLS: u32 = 5;

const REP_ACK: u32 = 1;
const REP_ERROR: u32 = 1 << 31;
const REP_ERR_INVALID: u32 = REP_ERROR | 3;
const REP_ERR_TLS_REQD: u32 = REP_ERROR | 5;
const REP_ERR_SHUTDOWN: u32 = REP_ERROR | 7;

/// The most data of one option or reply. A string has at most 4,096 bytes, and an error or an option few of them.
const MAX_DATA: usize = 16 * 1024;
/// The most options before NBD_OPT_STARTTLS. The protocol has ten; no client tries each of them more than once.
const MAX_OPTIONS: usize = 64;

/// The client's part: handshake flags, NBD_OPT_STARTTLS, its acknowledgement.
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
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    state: ClientState,
}

#[derive(Debug, Clone, Copy)]
enum ClientState {
    Greeting,
    Command,
    Reply,
    ReplyData { reply: u32, length: usize },
}

impl Client {
    /// NBD from the server's greeting on.
    pub fn new() -> Self {
        Self {
            state: ClientState::Greeting,
        }
    }

    /// The caller has exchanged the handshake flags, fixed newstyle, and waits for no reply.
    pub fn at_command() -> Self {
        Self {
            state: ClientState::Command,
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
        loop {
            match self.state {
                ClientState::Greeting => {
                    if !greeting(plain)? {
                        return Ok(Progress::NeedInput);
                    }
                    plain.write_all(&u32::from(FIXED_NEWSTYLE).to_be_bytes())?;
                    self.state = ClientState::Command;
                }
                ClientState::Command => {
                    plain.write_all(&OPTION_MAGIC.to_be_bytes())?;
                    plain.write_all(&OPT_STARTTLS.to_be_bytes())?;
                    plain.write_all(&0_u32.to_be_bytes())?;
                    self.state = ClientState::Reply;
                }
                ClientState::Reply => {
                    expect_start(plain.peek(), &REPLY_MAGIC.to_be_bytes(), "NBD reply")?;
                    let Some(header) = take(plain, 20) else {
                        return Ok(Progress::NeedInput);
                    };
                    let (reply, length) = reply(&header)?;
                    if (reply, length) == (REP_ACK, 0) {
                        return Ok(Progress::Done(Boundary::Exact));
                    }
                    self.state = ClientState::ReplyData { reply, length };
                }
                ClientState::ReplyData { reply, length } => {
                    let Some(data) = take(plain, length) else {
                        return Ok(Progress::NeedInput);
                    };
                    // "data ... an error message ... suitable for displaying to the user"
                    let refusal = Refusal::new(reply, &data);
                    return Err(match reply {
                        REP_ERR_SHUTDOWN => Error::Goodbye(refusal),
                        error if error & REP_ERROR != 0 => refusal.into(),
                        _ => Misbehaviour::Unexpected(refusal).into(),
                    });
                }
            }
        }
    }
}

/// True when a greeting has come that allows options.
fn greeting(plain: &mut Plain) -> Result<bool, Error> {
    expect_start(plain.peek(), &MAGIC.to_be_bytes(), "NBD greeting")?;
    let mut fields = Fields::new(plain.peek());
    let (Some(_), Some(style)) = (fields.u64(), fields.u64()) else {
        return Ok(false);
    };
    match style {
        OPTION_MAGIC => {}
        // Oldstyle is a monologue of the server.
        OLDSTYLE_MAGIC => return Err(Error::NotOffered),
        _ => {
            return Err(malformed(
                "NBD greeting",
                plain.peek().get(..16).unwrap_or_default(),
            ));
        }
    }
    let Some(flags) = fields.u16() else {
        return Ok(false);
    };
    plain.consume(18);
    // "The client MUST NOT issue NBD_OPT_STARTTLS unless the server set flag NBD_FLAG_FIXED_NEWSTYLE"
    if flags & FIXED_NEWSTYLE == 0 {
        return Err(Error::NotOffered);
    }
    Ok(true)
}

/// Type and data length of a reply to NBD_OPT_STARTTLS.
fn reply(header: &[u8]) -> Result<(u32, usize), Error> {
    let mut fields = Fields::new(header);
    let (Some(REPLY_MAGIC), Some(OPT_STARTTLS), Some(reply), Some(length)) =
        (fields.u64(), fields.u32(), fields.u32(), fields.u32())
    else {
        return Err(malformed("NBD reply", header));
    };
    Ok((reply, data_length(length)?))
}

fn data_length(length: u32) -> Result<usize, Error> {
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_DATA)
        .ok_or_else(|| too_long("option data", MAX_DATA))
}

/// The server's part in FORCEDTLS mode: NBD_REP_ERR_TLS_REQD to every option but NBD_OPT_STARTTLS and NBD_OPT_ABORT.
///
/// NBD_OPT_EXPORT_NAME has no reply that could say so: it ends the session, as the protocol demands.
#[derive(Debug)]
pub struct Server {
    state: ServerState,
    options: usize,
}

#[derive(Debug, Clone, Copy)]
enum ServerState {
    Greeting,
    Flags,
    Options,
    /// Data of the option that is left to be skipped.
    Skip {
        option: u32,
        left: usize,
    },
    GoAhead,
}

impl Server {
    /// NBD from the greeting on.
    pub fn new() -> Self {
        Self::starting(ServerState::Greeting)
    }

    /// The caller has just consumed NBD_OPT_STARTTLS, which has no data: only the acknowledgement is left. Whatever options
    /// it has agreed to before, it must forget.
    pub fn at_command() -> Self {
        Self::starting(ServerState::GoAhead)
    }

    fn starting(state: ServerState) -> Self {
        Self { state, options: 0 }
    }

    fn option(&mut self, header: &[u8], plain: &mut Plain) -> Result<(), Error> {
        let mut fields = Fields::new(header);
        let (Some(OPTION_MAGIC), Some(option), Some(length)) =
            (fields.u64(), fields.u32(), fields.u32())
        else {
            return Err(malformed("NBD option", header));
        };
        let left = data_length(length)?;
        self.options = self.options.saturating_add(1);
        if self.options > MAX_OPTIONS {
            return Err(too_long("options", MAX_OPTIONS));
        }
        self.state = match option {
            OPT_STARTTLS if left == 0 => ServerState::GoAhead,
            // "as this request cannot error, it MUST terminate the session"
            OPT_EXPORT_NAME => {
                return Err(Misbehaviour::Unexpected(Refusal::new(option, b"")).into());
            }
            OPT_ABORT => {
                answer(plain, option, REP_ACK, b"")?;
                return Err(Error::Goodbye(Refusal::new(option, b"")));
            }
            _ => ServerState::Skip { option, left },
        };
        Ok(())
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
        loop {
            match self.state {
                ServerState::Greeting => {
                    plain.write_all(&MAGIC.to_be_bytes())?;
                    plain.write_all(&OPTION_MAGIC.to_be_bytes())?;
                    plain.write_all(&FIXED_NEWSTYLE.to_be_bytes())?;
                    self.state = ServerState::Flags;
                }
                ServerState::Flags => {
                    expect_start(plain.peek(), &[0, 0, 0], "NBD client flags")?;
                    let Some(flags) = take(plain, 4) else {
                        return Ok(Progress::NeedInput);
                    };
                    match flags.last() {
                        Some(1) => self.state = ServerState::Options,
                        // Without fixed newstyle the client can send nothing but NBD_OPT_EXPORT_NAME.
                        Some(0) => return Err(Error::NotOffered),
                        // "the server MUST drop the TCP connection if the client sets an unknown flag, or a flag that
                        // does not match something advertised by the server"
                        _ => return Err(malformed("NBD client flags", &flags)),
                    }
                }
                ServerState::Options => {
                    expect_start(plain.peek(), &OPTION_MAGIC.to_be_bytes(), "NBD option")?;
                    match take(plain, 16) {
                        Some(header) => self.option(&header, plain)?,
                        None => return Ok(Progress::NeedInput),
                    }
                }
                ServerState::Skip { option, left } => {
                    let there = left.min(plain.peek().len());
                    plain.consume(there);
                    let left = left.saturating_sub(there);
                    self.state = ServerState::Skip { option, left };
                    if left > 0 {
                        return Ok(Progress::NeedInput);
                    }
                    let (error, words): (_, &[u8]) = match option {
                        OPT_STARTTLS => (REP_ERR_INVALID, b"no data with STARTTLS"),
                        _ => (REP_ERR_TLS_REQD, b"STARTTLS first"),
                    };
                    answer(plain, option, error, words)?;
                    self.state = ServerState::Options;
                }
                ServerState::GoAhead => {
                    answer(plain, OPT_STARTTLS, REP_ACK, b"")?;
                    return Ok(Progress::Done(Boundary::Exact));
                }
            }
        }
    }
}

fn answer(plain: &mut Plain, option: u32, reply: u32, words: &[u8]) -> Result<(), Error> {
    let length = u32::try_from(words.len()).unwrap_or_default();
    plain.write_all(&REPLY_MAGIC.to_be_bytes())?;
    for field in [option, reply, length] {
        plain.write_all(&field.to_be_bytes())?;
    }
    plain.write_all(words)
}
