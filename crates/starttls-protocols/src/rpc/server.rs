use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Negotiator, Plain, Progress, Untrusted};

use super::records::{beginning, record, take_record};
use super::{
    AUTH_BADCRED, AUTH_ERROR, AUTH_NONE, AUTH_TLS, AUTH_TOOWEAK, CALL, MSG_ACCEPTED, MSG_DENIED,
    NULL, REPLY, RPC_MISMATCH, RPC_VERSION, STARTTLS, SUCCESS, auth, bytes,
};
use crate::read::dialogue::{Dialogue, ReadMessages, Step};
use crate::read::fields::Fields;
use crate::read::misbehaviour::malformed;

/// The server's part: AUTH_TOOWEAK to every call but that of NULL with AUTH_TLS, unless TLS is [`optional`](Self::optional). That call may be for any
/// program: which ones there are is said inside TLS.
///
/// ```
/// use starttls_core::{Error, Negotiator, Plain};
/// use starttls_protocols::rpc::Server;
///
/// // NULL of NFS with AUTH_NONE, to a server that offers TLS and does not demand it.
/// let call = [0x8000_0028, 7, 0, 2, 100_003, 4, 0, 0, 0, 0, 0_u32].map(u32::to_be_bytes).concat();
/// let mut plain = Plain::with_prefix(&call);
/// assert_eq!(Server::new().optional().advance(&mut plain), Err(Error::NotRequested));
/// assert_eq!(plain.peek(), call);
/// ```
#[derive(Debug)]
pub struct Server {
    called: Option<(u32, u32)>,
    dialogue: Dialogue<Calls>,
}

impl Server {
    /// RPC from the first call on.
    pub fn new() -> Self {
        Self::starting(Step::Await(()))
    }

    /// The caller has just consumed a call of NULL with AUTH_TLS: only the reply to it is left.
    pub fn at_command(xid: u32) -> Self {
        Self::starting(go_ahead(xid))
    }

    /// TLS is offered and not demanded: a client that calls with another flavour is [`Error::NotRequested`], and the connection stands in front of the call. A later
    /// call with AUTH_TLS is [`at_command`](Self::at_command).
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.dialogue.messages().optional = true;
        self
    }

    /// Program and version that the call with AUTH_TLS was for, once it was made.
    pub fn called(&self) -> Option<Untrusted<(u32, u32)>> {
        self.called.map(Untrusted::new)
    }

    fn starting(first: Step) -> Self {
        Self {
            called: None,
            dialogue: Dialogue::new(Calls { optional: false }, first),
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
        let called = &mut self.called;
        self.dialogue.advance(plain, |(), call| {
            let call = Call::parse(call).ok_or_else(|| malformed("RPC call", call))?;
            let denial: &[u32] = match call {
                Call { version, .. } if version != RPC_VERSION => {
                    &[RPC_MISMATCH, RPC_VERSION, RPC_VERSION]
                }
                Call {
                    flavour: AUTH_TLS,
                    is_probe: true,
                    ..
                } => {
                    *called = Some(call.program);
                    return Ok(go_ahead(call.xid));
                }
                // AUTH_TLS is for the NULL procedure only; anything else is an AUTH_ERROR (RFC 9289 section 4.1).
                Call {
                    flavour: AUTH_TLS, ..
                } => &[AUTH_ERROR, AUTH_BADCRED],
                _ => &[AUTH_ERROR, AUTH_TOOWEAK],
            };
            let words = [&[call.xid, REPLY, MSG_DENIED], denial].concat();
            Ok(Step::answer(record(&bytes(&words))))
        })
    }
}

fn go_ahead(xid: u32) -> Step {
    let start = bytes(&[xid, REPLY, MSG_ACCEPTED, AUTH_NONE, 8]);
    let reply = [&start[..], STARTTLS, &SUCCESS.to_be_bytes()].concat();
    Step::go_ahead(record(&reply))
}

#[derive(Debug)]
struct Calls {
    optional: bool,
}

impl ReadMessages for Calls {
    type Message = Vec<u8>;

    /// The calls before the one with AUTH_TLS, and that.
    const MOST: usize = 16;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        if self.optional {
            match beginning(plain, "RPC call")? {
                None => return Ok(None),
                Some(start) if is_for_another(&start) => return Err(Error::NotRequested),
                Some(_) => {}
            }
        }
        take_record(plain, "RPC call")
    }
}

/// A call that is there up to the flavour of its credential, which is another than AUTH_TLS.
fn is_for_another(start: &[u8]) -> bool {
    let mut words = Fields::new(start);
    let (Some(_xid), Some(CALL), Some(version)) = (words.u32(), words.u32(), words.u32()) else {
        return false;
    };
    words.bytes(12);
    version != RPC_VERSION || words.u32().is_some_and(|flavour| flavour != AUTH_TLS)
}

struct Call {
    xid: u32,
    version: u32,
    /// And its version.
    program: (u32, u32),
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
                program: (0, 0),
                flavour: AUTH_NONE,
                is_probe: false,
            });
        }
        let (program, procedure) = ((fields.u32()?, fields.u32()?), fields.u32()?);
        let (flavour, credential) = auth(&mut fields)?;
        let verifier = auth(&mut fields)?;
        Some(Self {
            xid,
            version,
            program,
            flavour,
            is_probe: procedure == NULL
                && credential.is_empty()
                && verifier == (AUTH_NONE, &[])
                && fields.rest().is_empty(),
        })
    }
}
