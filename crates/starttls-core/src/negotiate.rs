use rustls::Connection;

use crate::{Error, Misbehaviour, Misuse, Phase, Plain, Stage};

/// A plaintext dialogue that ends in "the next byte is TLS", or in a refusal.
///
/// The `Client` and `Server` types of `starttls-protocols` are these; anybody can write one for a protocol of their own. It reads with
/// [`Plain::peek`] and [`Plain::consume`], speaks with [`Plain::write_all`], and does nothing else. What it learnt in plaintext dies with it,
/// unless the caller lends it (`&mut negotiator`) and looks afterwards.
///
/// ```
/// use starttls_core::{Boundary, Error, Negotiator, Plain, Progress, Refusal};
///
/// /// The client of a protocol in which `STARTTLS` is answered by `OK`.
/// struct Client { asked: bool }
///
/// impl Negotiator for Client {
///     type Tls = rustls::ClientConnection;
///
///     fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
///         if !self.asked {
///             self.asked = true;
///             plain.write_all(b"STARTTLS\n")?;
///         }
///         let Some(end) = plain.peek().iter().position(|byte| *byte == b'\n') else {
///             return Ok(Progress::NeedInput);
///         };
///         let line = plain.peek()[..=end].to_vec();
///         plain.consume(line.len());
///         match &line[..] {
///             b"OK\n" => Ok(Progress::Done(Boundary::Exact)),
///             other => Err(Refusal::new(None, other).into()),
///         }
///     }
/// }
/// ```
pub trait Negotiator {
    /// `rustls::ClientConnection` or `rustls::ServerConnection`: the role, so that a client dialogue cannot end in a server's TLS.
    type Tls: Into<Connection>;

    /// Goes as far as the input allows. It is called at the start, after every input and at the end of input, perhaps also when nothing is new,
    /// until it is [`Progress::Done`] or fails.
    ///
    /// # Errors
    /// Any of [`Error`]: not offered, refused, or the peer misbehaved. What was queued before the error is still sent. The outcome is final: whoever
    /// asks again gets an equal one, and nothing is said twice.
    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error>;

    /// What to say before hanging up because of `error`, be it this negotiator's or that of a limit: [`Plain::negotiate`] queues it, once. A
    /// server tells its client why (`421`, `* BYE`, `ERROR`); the default is silence. It is not asked for after a decline
    /// ([`Error::is_declined`]), behind which the connection goes on.
    fn farewell(&self, error: &Error) -> Vec<u8> {
        let _ = error;
        Vec::new()
    }
}

/// How far a [`Negotiator`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// More input is needed; what was queued must be sent.
    NeedInput,
    /// The plaintext dialogue is over.
    Done(Boundary),
}

/// What unread bytes behind a finished dialogue are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The peer had to wait for a go-ahead, or to be silent: anything behind it is refused.
    Exact,
    /// The protocol has no go-ahead, so that the peer's ClientHello may be there already: it goes to TLS.
    Pipelined,
}

impl<N: Negotiator + ?Sized> Negotiator for &mut N {
    type Tls = N::Tls;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        (**self).advance(plain)
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        (**self).farewell(error)
    }
}

impl<N: Negotiator + ?Sized> Negotiator for Box<N> {
    type Tls = N::Tls;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        (**self).advance(plain)
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        (**self).farewell(error)
    }
}

impl Plain {
    /// Lets `negotiator` go as far as it can. To be called at the start and after every input, until it is done; the upgrade is
    /// [`start_tls_at`](Self::start_tls_at) then.
    ///
    /// # Errors
    /// Those of the negotiator; [`Misbehaviour::TooLong`] over [`Limits::negotiation`](crate::Limits::negotiation);
    /// [`Error::Truncated`] if the connection ended before. All but a decline stay, also for another negotiator: there is no way on.
    pub fn negotiate<N: Negotiator + ?Sized>(
        &mut self,
        negotiator: &mut N,
    ) -> Result<Progress, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let progress = self.negotiate_within_limits(negotiator);
        if progress == Ok(Progress::NeedInput) {
            return progress;
        }
        self.negotiating_since = None;
        self.said = 0;
        if let Err(error) = &progress
            && !(error.is_declined() || matches!(error, Error::Misuse(_)))
        {
            // Short, and the last: it needs no limit.
            self.wire
                .output
                .append(&negotiator.farewell(error), usize::MAX);
            self.failed = Some(error.clone());
        }
        progress
    }

    fn negotiate_within_limits<N: Negotiator + ?Sized>(
        &mut self,
        negotiator: &mut N,
    ) -> Result<Progress, Error> {
        let limit = self.wire.limits.negotiation;
        let began = *self.negotiating_since.get_or_insert(self.total_consumed());
        let used = self.total_consumed().saturating_sub(began);
        // It sees no more than the limit, so that it comes to the same however the input was cut.
        self.visible = Some(limit.saturating_sub(usize::try_from(used).unwrap_or(usize::MAX)));
        let progress = negotiator.advance(self);
        self.visible = None;
        if progress != Ok(Progress::NeedInput) {
            return progress;
        }
        let received = self.total_received().saturating_sub(began);
        // A full buffer of which the negotiator wants more would never end.
        if received > limit as u64 || !(self.is_eof() || self.wants_input()) {
            return Err(Misbehaviour::TooLong {
                what: "negotiation",
                limit,
            }
            .into());
        }
        if self.is_eof() {
            return Err(Error::Truncated(Stage::Negotiation));
        }
        progress
    }

    /// The boundary that a negotiator has found, if nothing is there that must not be.
    fn check_boundary(&self, progress: Progress) -> Result<Option<Boundary>, Error> {
        match progress {
            Progress::NeedInput => Ok(None),
            Progress::Done(Boundary::Exact) => self.refuse_unread().map(|()| Some(Boundary::Exact)),
            Progress::Done(Boundary::Pipelined) => Ok(Some(Boundary::Pipelined)),
        }
    }

    /// Switches at the boundary that a negotiator has found.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls) for [`Boundary::Exact`], none for [`Boundary::Pipelined`].
    pub fn start_tls_at(
        self,
        boundary: Boundary,
        connection: impl Into<Connection>,
    ) -> Result<crate::Tls, Error> {
        match boundary {
            Boundary::Exact => self.start_tls(connection),
            Boundary::Pipelined => Ok(self.start_tls_with_unread(connection)),
        }
    }
}

/// What [`Upgrade::poll_output`] has.
#[derive(Debug)]
#[must_use]
pub enum Output {
    /// Send these bytes.
    Transmit(Vec<u8>),
    /// Hand in more input.
    NeedInput,
    /// TLS is up. Whatever came in behind the handshake is in here too.
    Upgraded(Box<crate::Tls>),
}

/// A negotiation and the handshake behind it, as one machine: one loop, one `match`.
///
/// The role is part of the types: a client's dialogue with a server's connection does not compile.
///
/// ```compile_fail,E0308
/// # use starttls_core::{Negotiator, Upgrade};
/// # fn f(client: Box<dyn Negotiator<Tls = rustls::ClientConnection>>, server: rustls::ServerConnection) {
/// let _ = Upgrade::new(client, server);
/// # }
/// ```
///
/// ```no_run
/// # fn f<N: starttls_core::Negotiator>(negotiator: N, connection: N::Tls) -> Result<(), starttls_core::Error> {
/// # fn recv(_: &mut [u8]) -> usize { 0 }
/// # fn send(_: &[u8]) {}
/// use starttls_core::{Output, Upgrade};
///
/// let mut upgrade = Upgrade::new(negotiator, connection);
/// let tls = loop {
///     match upgrade.poll_output()? {
///         Output::Transmit(bytes) => send(&bytes),
///         Output::NeedInput => {
///             let mut buf = [0; 4096];
///             match recv(&mut buf) {
///                 0 => upgrade.handle_eof(),
///                 n => assert_eq!(upgrade.handle_input(&buf[..n]), n),
///             }
///         }
///         Output::Upgraded(tls) => break tls,
///     }
/// };
/// # Ok(()) }
/// ```
pub struct Upgrade<N: Negotiator> {
    state: State<N>,
}

enum State<N: Negotiator> {
    Negotiating(Box<Negotiating<N>>),
    Handshaking(Box<crate::Tls>),
    /// What is left to send, and what comes after it.
    Failed(Vec<u8>, Error),
}

struct Negotiating<N: Negotiator> {
    plain: Plain,
    negotiator: N,
    connection: N::Tls,
}

impl<N: Negotiator> Upgrade<N> {
    /// On a connection on which nothing was said yet.
    pub fn new(negotiator: N, connection: N::Tls) -> Self {
        Self::with_plain(Plain::new(), negotiator, connection)
    }

    /// On a connection that has a plaintext past.
    pub fn with_plain(plain: Plain, negotiator: N, connection: N::Tls) -> Self {
        Self {
            state: State::Negotiating(Box::new(Negotiating {
                plain,
                negotiator,
                connection,
            })),
        }
    }

    /// What to do next. Call it until it says [`Output::NeedInput`], and again after every input.
    ///
    /// # Errors
    /// Why there will be no TLS; everything that was to be sent (a last reply, an alert) was handed out before. It stays the same.
    pub fn poll_output(&mut self) -> Result<Output, Error> {
        loop {
            let state = std::mem::replace(
                &mut self.state,
                State::Failed(Vec::new(), Misuse::Finished.into()),
            );
            let (next, output) = state.step();
            if let Some(next) = next {
                self.state = next;
            }
            if let Some(output) = output {
                return output;
            }
        }
    }

    /// In the plaintext dialogue still: once this is false everything is TLS, or it has failed.
    pub fn is_negotiating(&self) -> bool {
        matches!(self.state, State::Negotiating(_))
    }

    /// As [`Phase::handle_input`].
    #[must_use = "bytes that were not taken are lost unless they are handed in again"]
    pub fn handle_input(&mut self, bytes: &[u8]) -> usize {
        match &mut self.state {
            State::Negotiating(negotiating) => negotiating.plain.handle_input(bytes),
            State::Handshaking(tls) => tls.handle_input(bytes),
            State::Failed(..) => bytes.len(),
        }
    }

    /// As [`Phase::handle_eof`].
    pub fn handle_eof(&mut self) {
        match &mut self.state {
            State::Negotiating(negotiating) => negotiating.plain.handle_eof(),
            State::Handshaking(tls) => tls.handle_eof(),
            State::Failed(..) => {}
        }
    }

    /// As [`Phase::wants_input`].
    pub fn wants_input(&self) -> bool {
        match &self.state {
            State::Negotiating(negotiating) => negotiating.plain.wants_input(),
            State::Handshaking(tls) => tls.wants_input(),
            State::Failed(..) => false,
        }
    }
}

type Step<N> = (Option<State<N>>, Option<Result<Output, Error>>);

impl<N: Negotiator> State<N> {
    /// One transition, by value: the next state if there is one, and what to tell the caller if there is something.
    fn step(self) -> Step<N> {
        match self {
            Self::Negotiating(negotiating) => negotiating.step(),
            Self::Handshaking(mut tls) => {
                let mut out = Vec::new();
                if tls.poll_transmit(&mut out) {
                    (
                        Some(Self::Handshaking(tls)),
                        Some(Ok(Output::Transmit(out))),
                    )
                } else if let Some(error) = tls.error().filter(|_| tls.is_handshaking()).cloned() {
                    (Some(Self::Failed(out, error)), None)
                } else if tls.is_handshaking() {
                    (Some(Self::Handshaking(tls)), Some(Ok(Output::NeedInput)))
                } else {
                    (None, Some(Ok(Output::Upgraded(tls))))
                }
            }
            Self::Failed(out, error) if out.is_empty() => {
                (Some(Self::Failed(out, error.clone())), Some(Err(error)))
            }
            Self::Failed(out, error) => (
                Some(Self::Failed(Vec::new(), error)),
                Some(Ok(Output::Transmit(out))),
            ),
        }
    }
}

impl<N: Negotiator> Negotiating<N> {
    fn step(mut self: Box<Self>) -> Step<N> {
        let progress = self.plain.negotiate(&mut self.negotiator);
        let mut out = Vec::new();
        match progress.and_then(|progress| self.plain.check_boundary(progress)) {
            // The boundary is here and now: input that comes while the go-ahead is being sent is TLS. What is queued goes along. The
            // negotiator and all it has learnt end here.
            Ok(Some(boundary)) => match self.plain.start_tls_at(boundary, self.connection) {
                Ok(tls) => (Some(State::Handshaking(Box::new(tls))), None),
                Err(error) => (Some(State::Failed(out, error)), None),
            },
            Ok(None) if self.plain.poll_transmit(&mut out) => (
                Some(State::Negotiating(self)),
                Some(Ok(Output::Transmit(out))),
            ),
            Ok(None) => (Some(State::Negotiating(self)), Some(Ok(Output::NeedInput))),
            Err(error) => {
                self.plain.poll_transmit(&mut out);
                (Some(State::Failed(out, error)), None)
            }
        }
    }
}
