//! What the records of a TLS connection do to it.

use rustls::{AlertDescription, Connection, ContentType, ProtocolVersion};

use crate::engine::Engine;
use crate::intake::{Record, Records};
use crate::record;
use crate::wire::Wire;
use crate::{Error, Limits, Misbehaviour, Misuse, Stage, UntrustedText};

/// A rustls connection and where each of its two directions stands. Ours is only open or closed.
pub(crate) struct Session {
    pub(crate) engine: Engine,
    pub(crate) incoming: State,
    pub(crate) closed: bool,
    pub(crate) established: bool,
    /// A `KeyUpdate` may be waiting for its answer, which waits for the queue to be empty.
    owes_answer: bool,
}

/// Where the peer's side of the connection stands.
pub(crate) enum State {
    /// Bytes received so far.
    Handshake(usize),
    /// Records without data, one behind the other.
    Traffic(usize),
    /// `close_notify` was received: what is left of the input came after it, in plaintext.
    Closed,
    Failed(Box<Error>),
}

impl Session {
    /// `received` bytes of the handshake were given to `connection` already.
    pub(crate) fn new(connection: Box<Connection>, received: usize, wire: &mut Wire) -> Self {
        let mut session = Self {
            engine: Engine::new(connection, wire.limits.tls_output),
            incoming: State::Handshake(received),
            closed: false,
            established: false,
            owes_answer: false,
        };
        let flight = session.engine.take_first_flight();
        let misuse = if !session.engine.connection.is_handshaking() {
            Some(Misuse::UsedConnection)
        } else if session.engine.has_early_data(&flight) {
            Some(Misuse::EarlyData)
        } else {
            None
        };
        match misuse {
            Some(misuse) => {
                session.engine.discard_output();
                session.fail(misuse.into());
            }
            None => {
                wire.output.append(&flight, usize::MAX);
            }
        }
        session
    }

    #[inline]
    pub(crate) fn error(&self) -> Option<&Error> {
        match &self.incoming {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Why nothing can be sent any more, if that is so: an end without `close_notify` ends only the peer's direction.
    #[inline]
    pub(crate) fn send_error(&self) -> Option<&Error> {
        self.error()
            .filter(|error| **error != Error::Truncated(Stage::Traffic))
    }

    /// Ends our side, unless it has ended.
    pub(crate) fn close(&mut self) {
        if !self.closed && self.send_error().is_none() {
            self.engine.close();
        }
        self.closed = true;
    }

    /// Something has left: if that was all, what was held back for it is next.
    #[inline]
    pub(crate) fn sent(&mut self) {
        if self.owes_answer && !self.engine.has_output() {
            self.answer();
        }
    }

    fn answer(&mut self) {
        // Nothing follows our close_notify.
        if self.closed || self.send_error().is_some() {
            self.owes_answer = false;
        } else if self.engine.has_output() {
            // One at a time is on its way: a peer that does not read must not make us queue more and more.
            self.owes_answer = true;
        } else {
            self.owes_answer = false;
            self.engine.answer_key_update();
        }
    }

    fn fail(&mut self, error: Error) {
        self.incoming = State::Failed(Box::new(error));
    }

    /// It fails for a reason of which rustls knows nothing.
    fn abort(&mut self, error: Error) {
        if !self.closed {
            self.engine.abort();
        }
        self.fail(error);
    }

    fn after_record(&mut self, length: usize, limits: &Limits) {
        match self.incoming {
            State::Handshake(so_far) => {
                let received = so_far.saturating_add(length);
                if self.engine.has_early_data(&[]) {
                    self.abort(Misuse::EarlyData.into());
                } else if !self.engine.connection.is_handshaking() {
                    self.established = true;
                    self.incoming = State::Traffic(0);
                } else if received > limits.handshake {
                    self.abort(too_long("handshake", limits.handshake));
                } else {
                    self.incoming = State::Handshake(received);
                }
            }
            State::Traffic(_) if self.engine.has_unread() => self.incoming = State::Traffic(0),
            State::Traffic(quiet) if quiet >= limits.quiet_records => {
                self.abort(too_long("records without data", limits.quiet_records));
            }
            State::Traffic(quiet) => {
                self.answer();
                self.incoming = State::Traffic(quiet.saturating_add(1));
            }
            State::Closed | State::Failed(_) => {}
        }
    }

    /// Records that the peer may still send when we have closed: anything else is never shown to rustls.
    fn may_come_behind_our_close(&self, kind: u8) -> bool {
        let version = self.engine.connection.protocol_version();
        match kind {
            record::APPLICATION_DATA => true,
            // With TLS 1.3, everything is application data from outside (RFC 8446 section 5.2).
            record::CHANGE_CIPHER_SPEC | record::HEARTBEAT => false,
            _ => version != Some(ProtocolVersion::TLSv1_3),
        }
    }
}

pub(crate) fn too_long(what: &'static str, limit: usize) -> Error {
    Misbehaviour::TooLong { what, limit }.into()
}

impl Records for Session {
    #[inline]
    fn is_open(&self) -> bool {
        matches!(self.incoming, State::Handshake(_) | State::Traffic(_))
    }

    #[inline]
    fn has_unread(&self) -> bool {
        self.engine.has_unread()
    }

    #[inline]
    fn has_failed(&self) -> bool {
        matches!(self.incoming, State::Failed(_))
    }

    /// Behind our own `close_notify` nobody has to be answered, so that nothing is looked at that nobody wants to read.
    #[inline]
    fn waits_for_reader(&self) -> bool {
        self.closed
    }

    fn part(&mut self, bytes: &[u8]) {
        if let Err(error) = self.engine.feed(bytes) {
            self.abort(Error::Tls(error));
        }
    }

    fn record(&mut self, record: Record<'_>, limits: &Limits) {
        if self.closed && !self.may_come_behind_our_close(record.kind) {
            return self.fail(Error::Tls(rustls::Error::InappropriateMessage {
                expect_types: vec![ContentType::ApplicationData],
                got_type: ContentType::from(record.kind),
            }));
        }
        if self.closed && record.length < record::SHORTEST_ENCRYPTED {
            return self.fail(Error::Tls(rustls::Error::DecryptError));
        }
        if let Err(error) = self.engine.feed(record.unseen) {
            return self.abort(Error::Tls(error));
        }
        let outcome = if self.closed {
            self.engine.process_behind_our_close()
        } else {
            self.engine.process()
        };
        match outcome {
            Ok(true) => self.incoming = State::Closed,
            Ok(false) if !self.established && is_plain_close_notify(&record) => {
                // rustls takes it for a warning, and would wait for more.
                let closed = rustls::Error::AlertReceived(AlertDescription::CloseNotify);
                self.fail(Error::Tls(closed));
            }
            Ok(false) => self.after_record(record.length, limits),
            Err(error) => self.fail(Error::Tls(error)),
        }
    }

    fn malformed(&mut self, input: &[u8], unseen: &[u8]) {
        if self.closed {
            let sample = UntrustedText::new(input);
            return self.fail(Misbehaviour::PlaintextInTls { sample }.into());
        }
        // rustls knows best what is wrong with it, and which alert that is worth.
        let outcome = self
            .engine
            .feed(unseen)
            .and_then(|()| self.engine.process());
        let error = match (outcome, &self.incoming) {
            (_, State::Handshake(0)) => Error::NotTls {
                sample: UntrustedText::new(input),
            },
            (Err(error), _) => Error::Tls(error),
            (Ok(_), _) => Error::Tls(rustls::Error::General("no TLS record".into())),
        };
        self.fail(error);
    }

    fn ended(&mut self) {
        let stage = if self.established {
            Stage::Traffic
        } else {
            Stage::Handshake
        };
        self.fail(Error::Truncated(stage));
    }
}

fn is_plain_close_notify(record: &Record<'_>) -> bool {
    // Level and description; an encrypted one is longer.
    const LENGTH: usize = record::HEADER + 2;
    record.kind == record::ALERT && record.length == LENGTH && record.unseen.last() == Some(&0)
}
