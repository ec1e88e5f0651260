//! Dialogues of whole messages, which most of these protocols are on both sides: say, read, say, until one of the two gives the go-ahead.
//!
//! A protocol supplies where its dialogue begins and what follows from which message. The order of saying and reading is made here.

use starttls_core::{Boundary, Error, Plain, Progress, Refusal};

use crate::read::misbehaviour::too_long;

/// Reads the peer's messages out of the plaintext phase, each whole and only once, however it comes in.
pub(crate) trait ReadMessages {
    type Message;

    /// The most messages of one negotiation: each may be answered, and a peer that floods is not answered for ever.
    const MOST: usize = 128;

    /// The next message; `None` if it is not complete. It is consumed to its last byte and no further, here or in `consume`.
    fn next(&mut self, plain: &mut Plain) -> Result<Option<Self::Message>, Error>;

    /// Consumes what `next` has left of its message, so that it could be [left](Step::Leave) to somebody else.
    fn consume(&mut self, plain: &mut Plain) {
        let _ = plain;
    }
}

/// The same where what may come next depends on what is awaited: a version, a list, one byte.
pub(crate) trait ReadAwaited<A> {
    type Message;

    /// As [`ReadMessages::MOST`].
    const MOST: usize = 128;

    /// The next message, which must be what is awaited; consumed as by [`ReadMessages::next`].
    fn next_awaited(
        &mut self,
        awaited: A,
        plain: &mut Plain,
    ) -> Result<Option<Self::Message>, Error>;

    /// As [`ReadMessages::consume`].
    fn consume_awaited(&mut self, plain: &mut Plain) {
        let _ = plain;
    }
}

impl<A, R: ReadMessages> ReadAwaited<A> for R {
    type Message = R::Message;

    const MOST: usize = R::MOST;

    fn next_awaited(&mut self, _: A, plain: &mut Plain) -> Result<Option<Self::Message>, Error> {
        self.next(plain)
    }

    fn consume_awaited(&mut self, plain: &mut Plain) {
        self.consume(plain);
    }
}

/// What one side does next. `A` is what it awaits from the peer, where that is not always the same.
#[derive(Debug)]
pub(crate) enum Step<A = ()> {
    /// Reads a message.
    Await(A),
    /// Says this, and then reads.
    Say(Vec<u8>, A),
    /// The peer has given the go-ahead: TLS begins.
    Done(Boundary),
    /// Gives the go-ahead in these words: TLS begins, and the peer had to wait for them.
    GoAhead(Vec<u8>),
    /// Says this, and the dialogue has failed.
    Fail(Vec<u8>, Error),
    /// The message is none of this dialogue: it is left unread, and the client has not asked for TLS. Only where the reader consumes in `consume`.
    Leave,
}

impl<A> Step<A> {
    pub(crate) fn say(words: impl Into<Vec<u8>>, awaited: A) -> Self {
        Self::Say(words.into(), awaited)
    }

    pub(crate) fn go_ahead(words: impl Into<Vec<u8>>) -> Self {
        Self::GoAhead(words.into())
    }

    pub(crate) fn fail(words: impl Into<Vec<u8>>, error: impl Into<Error>) -> Self {
        Self::Fail(words.into(), error.into())
    }

    /// The answer to a peer that ended the dialogue in the words `said`.
    pub(crate) fn goodbye(words: impl Into<Vec<u8>>, said: &[u8]) -> Self {
        Self::fail(words, Error::Goodbye(Refusal::new(None, said)))
    }
}

impl Step {
    /// Of a side that awaits the same all the time: a server, its next command.
    pub(crate) fn answer(words: impl Into<Vec<u8>>) -> Self {
        Self::say(words, ())
    }
}

/// The outcome of a negotiation, which is final (S9): whoever asks again gets an equal one, and nothing is said twice.
#[derive(Debug, Default)]
pub(crate) struct Outcome(Option<Result<Progress, Error>>);

impl Outcome {
    /// What it came to, once it has.
    pub(crate) fn get(&self) -> Option<Result<Progress, Error>> {
        self.0.clone()
    }

    /// Keeps it, if it is one.
    pub(crate) fn keep(&mut self, progress: Result<Progress, Error>) -> Result<Progress, Error> {
        if progress != Ok(Progress::NeedInput) {
            self.0 = Some(progress.clone());
        }
        progress
    }
}

/// One side of a dialogue.
#[derive(Debug)]
pub(crate) struct Dialogue<R, A = ()> {
    messages: R,
    /// `None` until it has begun.
    next: Option<Step<A>>,
    count: usize,
    outcome: Outcome,
}

impl<A: Copy, R: ReadAwaited<A>> Dialogue<R, A> {
    pub(crate) fn new(messages: R, first: Step<A>) -> Self {
        let mut dialogue = Self::unbegun(messages);
        dialogue.begin(first);
        dialogue
    }

    /// One whose first step is not known yet: the caller's words may still change, and are looked at before they are said.
    pub(crate) fn unbegun(messages: R) -> Self {
        Self {
            messages,
            next: None,
            count: 0,
            outcome: Outcome::default(),
        }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.next.is_some()
    }

    pub(crate) fn begin(&mut self, first: Step<A>) {
        self.next = Some(first);
    }

    /// What reads the messages.
    pub(crate) fn reader(&self) -> &R {
        &self.messages
    }

    /// The same, to be configured.
    pub(crate) fn messages(&mut self) -> &mut R {
        &mut self.messages
    }

    /// Goes as far as the input allows. `react` tells the step that follows from a message, by what was awaited.
    pub(crate) fn advance(
        &mut self,
        plain: &mut Plain,
        react: impl FnMut(A, &R::Message) -> Result<Step<A>, Error>,
    ) -> Result<Progress, Error> {
        if let Some(outcome) = self.outcome.get() {
            return outcome;
        }
        let progress = self.go_on(plain, react);
        self.outcome.keep(progress)
    }

    fn go_on(
        &mut self,
        plain: &mut Plain,
        mut react: impl FnMut(A, &R::Message) -> Result<Step<A>, Error>,
    ) -> Result<Progress, Error> {
        loop {
            let Some(next) = &mut self.next else {
                return Ok(Progress::NeedInput);
            };
            match next {
                Step::Await(awaited) => match self.messages.next_awaited(*awaited, plain)? {
                    Some(message) => {
                        self.count = self.count.saturating_add(1);
                        if self.count > R::MOST {
                            return Err(too_long("messages", R::MOST));
                        }
                        let step = react(*awaited, &message);
                        if !matches!(step, Ok(Step::Leave)) {
                            self.messages.consume_awaited(plain);
                        }
                        *next = step?;
                    }
                    None => return Ok(Progress::NeedInput),
                },
                Step::Say(words, awaited) => {
                    plain.write_all(words)?;
                    *next = Step::Await(*awaited);
                }
                Step::Done(boundary) => return Ok(Progress::Done(*boundary)),
                Step::GoAhead(words) => {
                    // What is there already was sent by somebody who did not wait for the go-ahead, and does not get it.
                    plain.refuse_unread()?;
                    plain.write_all(words)?;
                    return Ok(Progress::Done(Boundary::Exact));
                }
                Step::Fail(words, error) => {
                    plain.write_all(words)?;
                    return Err(error.clone());
                }
                Step::Leave => return Err(Error::NotRequested),
            }
        }
    }
}
