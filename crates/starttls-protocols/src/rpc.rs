//! RPC-with-TLS (RFC 9289 over ONC RPC, RFC 5531), for NFS and its relatives on TCP.
//!
//! The client calls the procedure NULL with the flavour AUTH_TLS; a server that can do TLS answers with `STARTTLS` in the
//! verifier. No other call may be outstanding. There is no greeting, so that the [`Client`] has nothing but the command.
//!
//! After TLS the client calls whatever it wants; no call outside of TLS is answered any more (RFC 9289 section 5.1.1). The RFC
//! demands TLS 1.3 and the ALPN name `sunrpc` (sections 5 and 8.2): both are set in the configuration of rustls.

use std::mem;

use rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, rustls};

use crate::read::fields::{Fields, take};
use crate::read::misbehaviour::{malformed, refuse_tls_record, too_long};

const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;
const NULL: u32 = 0;
const AUTH_NONE: u32 = 0;
const AUTH_TLS: u32 = 7;
const STARTTLS: &[u8] = b"STARTTLS";

const MSG_ACCEPTED: u32 = 0;
const MSG_DENIED: u32 = 1;
const SUCCESS: u32 = 0;
const PROG_MISMATCH: u32 = 2;
const RPC_MISMATCH: u32 = 0;
const AUTH_ERROR: u32 = 1;
const AUTH_BADCRED: u32 = 1;
const AUTH_TOOWEAK: u32 = 5;

const LAST_FRAGMENT: u32 = 1 << 31;
/// The longest record. A call has 24 bytes, two authentications of at most 408 bytes, and arguments.
const MAX_RECORD: usize = 8 * 1024;
/// The most fragments of a record. Each real one is whole; empty fragments are allowed and would never end.
const MAX_FRAGMENTS: usize = 16;
/// The longest authentication body (RFC 5531 section 8.2).
const MAX_AUTH: usize = 400;
/// The most calls before the one with AUTH_TLS.
const MAX_CALLS: usize = 16;

/// The client's part: a call of NULL with AUTH_TLS, and its reply.
///
/// A reply without the verifier, and a denied call, are refusals, with accept_stat or auth_stat as their code.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::rpc;
///
/// let mut client = rpc::Client::new(100_003, 4); // NFS version 4
/// let mut plain = Plain::with_prefix(
///     b"\x80\0\0\x20\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x08STARTTLS\0\0\0\0",
/// );
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    program: u32,
    version: u32,
    xid: u32,
    asked: bool,
    records: Records,
}

impl Client {
    /// Calls NULL of a program that the server has, with 1 as the transaction id.
    pub fn new(program: u32, version: u32) -> Self {
        Self::with_xid(program, version, 1)
    }

    /// The same with another transaction id.
    pub fn with_xid(program: u32, version: u32, xid: u32) -> Self {
        Self {
            program,
            version,
            xid,
            asked: false,
            records: Records::default(),
        }
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if !self.asked {
            self.asked = true;
            // The credential is empty, and the verifier beside it is AUTH_NONE, empty too (RFC 9289 section 4.1).
            let (program, version) = (self.program, self.version);
            let call = [
                self.xid,
                CALL,
                RPC_VERSION,
                program,
                version,
                NULL,
                AUTH_TLS,
                0,
                AUTH_NONE,
                0,
            ];
            write_record(plain, &call.map(u32::to_be_bytes).concat())?;
        }
        match self.records.next(plain)? {
            Some(record) => self.reply(&record),
            None => Ok(Progress::NeedInput),
        }
    }
}

impl Client {
    fn reply(&self, record: &[u8]) -> Result<Progress, Error> {
        let mut fields = Fields::new(record);
        let unparsable = || malformed("RPC reply", record);
        let unexpected = || Misbehaviour::Unexpected(Refusal::new(None, record)).into();
        let (xid, kind) = fields.u32().zip(fields.u32()).ok_or_else(unparsable)?;
        if (xid, kind) != (self.xid, REPLY) {
            return Err(unexpected());
        }
        match fields.u32().ok_or_else(unparsable)? {
            MSG_ACCEPTED => {
                let (flavour, body) = auth(&mut fields).ok_or_else(unparsable)?;
                let status = fields.u32().ok_or_else(unparsable)?;
                let rest = if status == PROG_MISMATCH { 8 } else { 0 };
                if fields.rest().len() != rest {
                    return Err(unparsable());
                }
                // With the verifier the client goes on, whether or not the call itself has succeeded (section 4.1).
                if (flavour, body) == (AUTH_NONE, STARTTLS) {
                    return Ok(Progress::Done(Boundary::Exact));
                }
                Err(Refusal::new(status, body).into())
            }
            MSG_DENIED => match (fields.u32(), fields.u32(), fields.rest()) {
                (Some(AUTH_ERROR), Some(status), []) => Err(Refusal::new(status, b"").into()),
                (Some(RPC_MISMATCH), Some(_), [_, _, _, _]) => Err(unexpected()),
                _ => Err(unparsable()),
            },
            _ => Err(unparsable()),
        }
    }
}

/// The server's part: AUTH_TOOWEAK to every call but that of NULL with AUTH_TLS, which may be for any program: which ones there
/// are is said inside TLS.
#[derive(Debug)]
pub struct Server {
    go_ahead: Option<u32>,
    calls: usize,
    records: Records,
}

impl Server {
    /// RPC from the first call on.
    pub fn new() -> Self {
        Self {
            go_ahead: None,
            calls: 0,
            records: Records::default(),
        }
    }

    /// The caller has just consumed a call of NULL with AUTH_TLS: only the reply to it is left.
    pub fn at_command(xid: u32) -> Self {
        Self {
            go_ahead: Some(xid),
            ..Self::new()
        }
    }

    fn call(&mut self, record: &[u8], plain: &mut Plain) -> Result<(), Error> {
        self.calls = self.calls.saturating_add(1);
        if self.calls > MAX_CALLS {
            return Err(too_long("calls", MAX_CALLS));
        }
        let call = Call::parse(record).ok_or_else(|| malformed("RPC call", record))?;
        let denial: &[u32] = match call {
            Call { version, .. } if version != RPC_VERSION => {
                &[RPC_MISMATCH, RPC_VERSION, RPC_VERSION]
            }
            Call {
                flavour: AUTH_TLS,
                is_probe: true,
                ..
            } => {
                self.go_ahead = Some(call.xid);
                return Ok(());
            }
            // AUTH_TLS is for the NULL procedure only; anything else is an AUTH_ERROR (RFC 9289 section 4.1).
            Call {
                flavour: AUTH_TLS, ..
            } => &[AUTH_ERROR, AUTH_BADCRED],
            _ => &[AUTH_ERROR, AUTH_TOOWEAK],
        };
        let words = [&[call.xid, REPLY, MSG_DENIED], denial].concat();
        write_record(plain, &bytes(&words))
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
            if let Some(xid) = self.go_ahead {
                let start = bytes(&[xid, REPLY, MSG_ACCEPTED, AUTH_NONE, 8]);
                write_record(
                    plain,
                    &[&start[..], STARTTLS, &SUCCESS.to_be_bytes()].concat(),
                )?;
                return Ok(Progress::Done(Boundary::Exact));
            }
            match self.records.next(plain)? {
                Some(record) => self.call(&record, plain)?,
                None => return Ok(Progress::NeedInput),
            }
        }
    }
}

struct Call {
    xid: u32,
    version: u32,
    flavour: u32,
    /// NULL, with nothing in the credential, the verifier and the arguments.
    is_probe: bool,
}

impl Call {
    fn parse(record: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(record);
        let (xid, CALL, version) = (fields.u32()?, fields.u32()?, fields.u32()?) else {
            return None;
        };
        if version != RPC_VERSION {
            // What follows is that version's own affair.
            return Some(Self {
                xid,
                version,
                flavour: AUTH_NONE,
                is_probe: false,
            });
        }
        let (_program, _version, procedure) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (flavour, credential) = auth(&mut fields)?;
        let verifier = auth(&mut fields)?;
        Some(Self {
            xid,
            version,
            flavour,
            is_probe: procedure == NULL
                && credential.is_empty()
                && verifier == (AUTH_NONE, &[])
                && fields.rest().is_empty(),
        })
    }
}

/// Flavour and body of an authentication, padded to four bytes.
fn auth<'a>(fields: &mut Fields<'a>) -> Option<(u32, &'a [u8])> {
    let flavour = fields.u32()?;
    let length = usize::try_from(fields.u32()?)
        .ok()
        .filter(|length| *length <= MAX_AUTH)?;
    let body = fields.bytes(length)?;
    fields.bytes(length.wrapping_neg() % 4)?;
    Some((flavour, body))
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn write_record(plain: &mut Plain, record: &[u8]) -> Result<(), Error> {
    let length = u32::try_from(record.len()).unwrap_or_default();
    plain.write_all(&(LAST_FRAGMENT | length).to_be_bytes())?;
    plain.write_all(record)
}

/// Reads records, each of one or more fragments (RFC 5531 section 11).
#[derive(Debug, Default)]
struct Records {
    record: Vec<u8>,
    fragments: usize,
    /// Length of the fragment whose mark was read, and whether it is the last.
    mark: Option<(usize, bool)>,
}

impl Records {
    /// The next record, consumed; `None` if it is not complete.
    fn next(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        loop {
            let (length, is_last) = match self.mark {
                Some(mark) => mark,
                None => match self.read_mark(plain)? {
                    Some(mark) => mark,
                    None => return Ok(None),
                },
            };
            self.mark = Some((length, is_last));
            let Some(fragment) = take(plain, length) else {
                return Ok(None);
            };
            self.mark = None;
            self.record.extend_from_slice(&fragment);
            if is_last {
                self.fragments = 0;
                return Ok(Some(mem::take(&mut self.record)));
            }
        }
    }

    fn read_mark(&mut self, plain: &mut Plain) -> Result<Option<(usize, bool)>, Error> {
        if self.fragments == 0 {
            refuse_tls_record(plain.peek())?;
        }
        let Some(mark) = take(plain, 4).and_then(|mark| Fields::new(&mark).u32()) else {
            return Ok(None);
        };
        self.fragments = self.fragments.saturating_add(1);
        if self.fragments > MAX_FRAGMENTS {
            return Err(too_long("fragments", MAX_FRAGMENTS));
        }
        let length = usize::try_from(mark & !LAST_FRAGMENT).unwrap_or(usize::MAX);
        if self.record.len().saturating_add(length) > MAX_RECORD {
            return Err(too_long("record", MAX_RECORD));
        }
        Ok(Some((length, mark & LAST_FRAGMENT != 0)))
    }
}
