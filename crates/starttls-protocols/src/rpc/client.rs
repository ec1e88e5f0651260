use starttls_core::rustls::ClientConnection;
use starttls_core::{
    Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, Untrusted,
};

use super::records::{record, take_record};
use super::{
    AUTH_ERROR, AUTH_NONE, AUTH_TLS, CALL, MSG_ACCEPTED, MSG_DENIED, NULL, PROG_MISMATCH, REPLY,
    RPC_MISMATCH, RPC_VERSION, STARTTLS, auth, bytes,
};
use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::fields::Fields;
use crate::read::misbehaviour::malformed;

/// The client's part: a call of NULL with AUTH_TLS, and its reply.
///
/// A reply without the verifier, and a denied call, are refusals, with accept_stat or auth_stat as their code; [`reply`](Self::reply) says which. The connection
/// goes on behind them, unless it is RPC_MISMATCH: that server speaks another version of RPC.
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
    xid: u32,
    reply: Option<Reply>,
    dialogue: Dialogue<Replies>,
}

impl Client {
    /// Calls NULL of a program that the server has, with 1 as the transaction id.
    pub fn new(program: u32, version: u32) -> Self {
        Self::with_xid(program, version, 1)
    }

    /// The same with another transaction id.
    pub fn with_xid(program: u32, version: u32, xid: u32) -> Self {
        // The credential is empty, and the verifier beside it is AUTH_NONE, empty too (RFC 9289 section 4.1).
        let call = [
            xid,
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
        Self {
            xid,
            reply: None,
            dialogue: Dialogue::new(Replies, Step::say(record(&bytes(&call)), ())),
        }
    }

    /// The server's reply, once it is there.
    pub fn reply(&self) -> Option<Untrusted<&Reply>> {
        self.reply.as_ref().map(Untrusted::new)
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let (xid, heard) = (self.xid, &mut self.reply);
        self.dialogue.advance(plain, |(), record| {
            let unparsable = || malformed("RPC reply", record);
            let mut fields = Fields::new(record);
            let ids = fields.u32().zip(fields.u32()).ok_or_else(unparsable)?;
            if ids != (xid, REPLY) {
                return Err(Misbehaviour::Unexpected(Refusal::new(None, record)).into());
            }
            heard
                .insert(Reply::parse(fields).ok_or_else(unparsable)?)
                .follow()
        })
    }
}

/// What a server has said to the call with AUTH_TLS (RFC 5531 section 9).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// MSG_ACCEPTED
    Accepted {
        /// accept_stat: 0 if the call itself has succeeded.
        status: u32,
        /// The flavour of the verifier.
        flavour: u32,
        /// The body of the verifier, at most 400 bytes.
        verifier: Vec<u8>,
    },
    /// MSG_DENIED because of the credential, with auth_stat: 1 (AUTH_BADCRED) of a server that does not know AUTH_TLS.
    AuthError(u32),
    /// MSG_DENIED by a server that does not speak version 2 of RPC.
    RpcMismatch {
        /// The lowest version that it speaks.
        low: u32,
        /// The highest one.
        high: u32,
    },
}

impl Reply {
    /// What is behind the transaction id and REPLY.
    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        let reply = match fields.u32()? {
            MSG_ACCEPTED => {
                let (flavour, verifier) = auth(&mut fields)?;
                let status = fields.u32()?;
                if status == PROG_MISMATCH {
                    fields.bytes(8)?;
                }
                let verifier = verifier.to_vec();
                Self::Accepted {
                    status,
                    flavour,
                    verifier,
                }
            }
            MSG_DENIED => match fields.u32()? {
                AUTH_ERROR => Self::AuthError(fields.u32()?),
                RPC_MISMATCH => Self::RpcMismatch {
                    low: fields.u32()?,
                    high: fields.u32()?,
                },
                _ => return None,
            },
            _ => return None,
        };
        fields.rest().is_empty().then_some(reply)
    }

    fn follow(&self) -> Result<Step, Error> {
        match self {
            // With the verifier the client goes on, whether or not the call itself has succeeded (section 4.1).
            Self::Accepted {
                flavour: AUTH_NONE,
                verifier,
                ..
            } if verifier == STARTTLS => Ok(Step::Done(Boundary::Exact)),
            Self::Accepted {
                status, verifier, ..
            } => Err(Refusal::new(*status, verifier).into()),
            Self::AuthError(status) => Err(Refusal::new(*status, b"").into()),
            Self::RpcMismatch { .. } => Err(Refusal::new(None, b"").ending().into()),
        }
    }
}

#[derive(Debug)]
struct Replies;

impl ReadMessages for Replies {
    type Message = Vec<u8>;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        take_record(plain, "RPC reply")
    }
}
