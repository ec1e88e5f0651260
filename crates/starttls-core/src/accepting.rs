use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{Accepted, ClientHello};

use crate::engine::{self, HelloReader};
use crate::record::{self, Front};
use crate::wire::Wire;
use crate::{Error, Incoming, Misuse, Phase, Stage, Tls, UntrustedText};

/// A server that has switched to TLS and waits for the ClientHello, to choose the `ServerConfig` by it.
///
/// ```no_run
/// # fn f(config_for: impl Fn(Option<&str>) -> std::sync::Arc<rustls::ServerConfig>) -> Result<(), starttls_core::Error> {
/// # fn recv(_: &mut [u8]) -> usize { 0 }
/// # fn send(_: &[u8]) {}
/// use starttls_core::{Incoming, Phase, Plain};
///
/// let mut accepting = Plain::new().accept()?;
/// let config = loop {
///     let mut out = Vec::new();
///     if accepting.poll_transmit(&mut out) {
///         send(&out);
///     }
///     match accepting.poll_hello()? {
///         Incoming::Data(hello) => break config_for(hello.server_name()),
///         Incoming::NeedInput => match recv(accepting.receive_buffer()) {
///             0 => accepting.handle_eof(),
///             n => accepting.received(n),
///         },
///         Incoming::NeedTransmit | Incoming::Closed => continue,
///     }
/// };
/// let tls = accepting.start_tls(config).expect("a configuration that suits the hello");
/// # Ok(()) }
/// ```
pub struct Accepting {
    wire: Wire,
    seen: usize,
    state: State,
}

enum State {
    Reading { reader: Box<HelloReader>, any: bool },
    Hello(Box<Accepted>),
    Failed(Error),
}

impl Accepting {
    pub(crate) fn new(wire: Wire) -> Self {
        let mut accepting = Self {
            wire,
            seen: 0,
            state: State::Reading {
                reader: Box::default(),
                any: false,
            },
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
            State::Reading { .. } => Ok(Incoming::NeedInput),
            State::Hello(accepted) => Ok(Incoming::Data(accepted.client_hello())),
            State::Failed(_) if owes => Ok(Incoming::NeedTransmit),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Goes on with the handshake under this configuration.
    ///
    /// # Errors
    /// Gives itself back if the configuration does not suit the ClientHello (or if there is none yet): send what it has to send, then
    /// [`poll_hello`](Self::poll_hello) has the error.
    pub fn start_tls(mut self, config: Arc<ServerConfig>) -> Result<Tls, Box<Self>> {
        let (error, alert) = match self.state {
            State::Hello(accepted) => match engine::configure(*accepted, config) {
                Ok(connection) => {
                    return Ok(Tls::resume(
                        Box::new(connection.into()),
                        self.wire,
                        self.seen,
                    ));
                }
                Err((error, alert)) => (Error::Tls(error), alert),
            },
            State::Failed(error) => (error, Vec::new()),
            State::Reading { .. } => (Misuse::Finished.into(), Vec::new()),
        };
        self.state = State::Failed(error);
        self.wire.output.append(&alert, usize::MAX);
        Err(Box::new(self))
    }

    fn advance(&mut self) {
        while let State::Reading { reader, any } = &mut self.state {
            let input = self.wire.input.filled();
            let front = record::front(input);
            let (length, portion) = match front {
                Front::Record(length) => (length, engine::portion(input, length)),
                Front::Malformed => (
                    input.len().min(record::HEADER),
                    input.len().min(record::HEADER),
                ),
                Front::Incomplete => {
                    if self.wire.eof {
                        self.state = State::Failed(Error::Truncated(Stage::Handshake));
                    }
                    return;
                }
            };
            let not_tls = (front == Front::Malformed && !*any).then(|| UntrustedText::new(input));
            let outcome = reader.process(input.get(self.seen..portion).unwrap_or_default());
            *any = true;
            self.seen = portion.saturating_sub(length);
            self.wire.input.consume(length);
            match outcome {
                Ok(None) => {}
                Ok(Some(accepted)) => self.state = State::Hello(Box::new(accepted)),
                Err((error, alert)) => {
                    self.wire.output.append(&alert, usize::MAX);
                    self.state = State::Failed(
                        not_tls.map_or(Error::Tls(error), |sample| Error::NotTls { sample }),
                    );
                }
            }
        }
    }
}

impl Phase for Accepting {
    fn handle_input(&mut self, bytes: &[u8]) -> usize {
        if matches!(self.state, State::Failed(_)) {
            return bytes.len();
        }
        let n = self.wire.input.append(bytes, self.wire.tls_input_limit());
        self.advance();
        n
    }

    fn receive_buffer(&mut self) -> &mut [u8] {
        let limit = self.wire.tls_input_limit();
        self.wire.input.space(limit)
    }

    fn received(&mut self, n: usize) {
        self.wire.input.commit(n);
        self.advance();
        if n == 0 {
            self.wire.input.release();
        }
    }

    fn handle_eof(&mut self) {
        self.wire.eof = true;
        self.advance();
    }

    fn wants_input(&self) -> bool {
        matches!(self.state, State::Reading { .. })
            && !self.wire.eof
            && self.wire.input.len() < self.wire.tls_input_limit()
    }

    fn has_output(&self) -> bool {
        !self.wire.output.is_empty()
    }

    fn transmit_to(&mut self, writer: &mut dyn Write) -> io::Result<usize> {
        self.wire.transmit_to(writer)
    }
}

impl fmt::Debug for Accepting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Reading { .. } => "reading",
            State::Hello(_) => "hello",
            State::Failed(_) => "failed",
        };
        f.debug_struct("Accepting").field("state", &state).finish()
    }
}
