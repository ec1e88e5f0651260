use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use rustls::server::{Accepted, ClientHello, ServerHandshake};
use rustls::{NeedsInput, ServerConfig, ServerConnection, ServerSide, Tcp};

use crate::input::Input;
use crate::phase::Sealed;
use crate::record::{self, Front};
use crate::wire::Wire;
use crate::{Error, Incoming, Phase, Stage, Tls, UntrustedText};

/// A server that has switched to TLS and waits for the ClientHello, to choose the `ServerConfig` by it.
///
/// What 0.24 makes of a ClientHello ends in another type of connection. So it is read here from a copy, and the bytes themselves are
/// given to the connection that is made when the configuration is known.
pub struct Accepting {
    wire: Wire,
    state: State,
}

enum State {
    Reading(Box<NeedsInput<ServerSide>>, Input),
    Hello(Box<Accepted<Tcp>>),
    Failed(Box<Error>),
}

impl Accepting {
    pub(crate) fn new(wire: Wire) -> Self {
        let mut copy = Input::default();
        copy.append(wire.input.filled(), usize::MAX);
        let mut accepting = Self {
            wire,
            state: State::Reading(Box::new(ServerHandshake::start()), copy),
        };
        accepting.advance();
        accepting
    }

    /// The ClientHello once it is there; never [`Incoming::Closed`].
    ///
    /// # Errors
    /// What is wrong with it, after the alert that says so was sent.
    pub fn poll_hello(&mut self) -> Result<Incoming<ClientHello<'_>>, Error> {
        let owes = self.has_output();
        match &self.state {
            State::Reading(..) => Ok(Incoming::NeedInput),
            State::Hello(accepted) => Ok(Incoming::Data(accepted.client_hello())),
            State::Failed(_) if owes => Ok(Incoming::NeedTransmit),
            State::Failed(error) => Err((**error).clone()),
        }
    }

    /// Goes on with the handshake under this configuration. What does not suit the ClientHello is an error of the [`Tls`].
    ///
    /// # Errors
    /// Gives itself back if there is no ClientHello, or the configuration is none.
    pub fn start_tls(self, config: Arc<ServerConfig>) -> Result<Tls, Box<Self>> {
        match (&self.state, ServerConnection::new(config)) {
            (State::Hello(_), Ok(connection)) => Ok(Tls::new(connection.into(), self.wire)),
            _ => Err(Box::new(self)),
        }
    }

    fn advance(&mut self) {
        let eof = self.wire.eof;
        let State::Reading(reader, input) = std::mem::replace(
            &mut self.state,
            State::Failed(Box::new(Error::Truncated(Stage::Handshake))),
        ) else {
            return;
        };
        self.state = self.step(*reader, input, eof);
    }

    fn step(&mut self, reader: NeedsInput<ServerSide>, mut input: Input, eof: bool) -> State {
        let held = self.wire.input.filled();
        let not_tls = (record::front(held) == Front::Malformed).then(|| UntrustedText::new(held));
        let mut alert = Vec::new();
        let outcome = reader.process(&mut input, &mut alert);
        self.wire.output.append(&alert, usize::MAX);
        match outcome {
            Ok(ServerHandshake::NeedsInput(reader)) if !eof => {
                State::Reading(Box::new(reader), input)
            }
            Ok(ServerHandshake::Accepted(accepted)) => State::Hello(Box::new(accepted)),
            Ok(_) => State::Failed(Box::new(Error::Truncated(Stage::Handshake))),
            Err(error) => State::Failed(Box::new(
                not_tls.map_or(Error::Tls(error), |sample| Error::NotTls { sample }),
            )),
        }
    }

    /// What was received is there twice.
    fn take_in(&mut self, from: usize) {
        if let State::Reading(_, copy) = &mut self.state {
            let new = self.wire.input.filled().get(from..).unwrap_or_default();
            copy.append(new, usize::MAX);
            self.advance();
        }
    }
}

impl Phase for Accepting {
    fn handle_input(&mut self, bytes: &[u8]) -> usize {
        if matches!(self.state, State::Failed(_)) {
            return bytes.len();
        }
        let before = self.wire.input.len();
        let n = self.wire.input.append(bytes, self.wire.limits.tls_input);
        self.take_in(before);
        n
    }

    fn receive_buffer(&mut self) -> &mut [u8] {
        self.wire.input.space(self.wire.limits.tls_input)
    }

    fn received(&mut self, n: usize) {
        let before = self.wire.input.len();
        self.wire.input.commit(n);
        self.take_in(before);
        if n == 0 {
            self.wire.input.release();
        }
    }

    fn received_in(&mut self, buffer: &mut Vec<u8>, n: usize) {
        let before = self.wire.input.len();
        let received = buffer.get(..n).unwrap_or(buffer);
        self.wire.input.append(received, usize::MAX);
        self.take_in(before);
    }

    fn handle_eof(&mut self) {
        self.wire.eof = true;
        if matches!(self.state, State::Reading(..)) {
            self.advance();
        }
    }

    fn wants_input(&self) -> bool {
        matches!(self.state, State::Reading(..))
            && !self.wire.eof
            && self.wire.input.len() < self.wire.limits.tls_input
    }

    fn has_output(&self) -> bool {
        !self.wire.output.is_empty()
    }

    fn transmit_to(&mut self, writer: &mut dyn Write) -> io::Result<usize> {
        self.wire.transmit_to(writer)
    }
}

impl Sealed for Accepting {}

impl fmt::Debug for Accepting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Reading(..) => "reading",
            State::Hello(_) => "hello",
            State::Failed(_) => "failed",
        };
        f.debug_struct("Accepting").field("state", &state).finish()
    }
}
