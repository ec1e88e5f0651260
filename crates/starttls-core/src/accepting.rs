use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{Accepted, ClientHello};

use crate::engine::{self, HelloReader};
use crate::intake::{Intake, Record, Records};
use crate::phase::Sealed;
use crate::session;
use crate::wire::Wire;
use crate::{Error, Incoming, Limits, Misuse, Phase, Stage, Tls, UntrustedText};

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
    intake: Intake,
    hello: Hello,
}

struct Hello {
    state: State,
    /// Bytes received so far.
    received: usize,
    /// What rustls was given of it, as it came. Bounded by [`Limits::handshake`], and let go with the ClientHello.
    given: Vec<u8>,
    /// The alert that is owed to the client.
    alert: Vec<u8>,
}

enum State {
    Reading(Box<HelloReader>),
    Hello(Box<Accepted>),
    Failed(Error),
}

impl Accepting {
    pub(crate) fn new(wire: Wire) -> Self {
        let mut accepting = Self {
            intake: Intake::new(wire),
            hello: Hello {
                state: State::Reading(Box::default()),
                received: 0,
                given: Vec::new(),
                alert: Vec::new(),
            },
        };
        accepting.intake.advance(&mut accepting.hello);
        accepting.settle();
        accepting
    }

    /// The ClientHello once it is there; never [`Incoming::Closed`].
    ///
    /// # Errors
    /// What is wrong with it, after the alert that says so was sent.
    pub fn poll_hello(&mut self) -> Result<Incoming<ClientHello<'_>>, Error> {
        let owes = self.has_output();
        match &self.hello.state {
            State::Reading(_) => Ok(Incoming::NeedInput),
            State::Hello(accepted) => Ok(Incoming::Data(accepted.client_hello())),
            State::Failed(_) if owes => Ok(Incoming::NeedTransmit),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Goes on with the handshake under this configuration.
    ///
    /// # Errors
    /// Gives itself back if the configuration does not suit the ClientHello, if it takes 0-RTT data ([`Misuse::EarlyData`]), or if there is no ClientHello
    /// yet: send what it has to send, then [`poll_hello`](Self::poll_hello) has the error.
    pub fn start_tls(mut self, config: Arc<ServerConfig>) -> Result<Tls, Box<Self>> {
        let (error, alert) = match self.hello.state {
            State::Hello(_) if config.max_early_data_size > 0 => (
                Misuse::EarlyData.into(),
                engine::plain_alert(engine::INTERNAL_ERROR).to_vec(),
            ),
            State::Hello(accepted) => match engine::configure(*accepted, config) {
                Ok(connection) => {
                    let connection = Box::new(connection.into());
                    return Ok(Tls::resume(connection, self.intake, self.hello.received));
                }
                Err((error, alert)) => (Error::Tls(error), alert),
            },
            State::Failed(error) => (error, Vec::new()),
            State::Reading(_) => (Misuse::Finished.into(), Vec::new()),
        };
        self.hello.state = State::Failed(error);
        self.intake.wire.output.append(&alert, usize::MAX);
        Err(Box::new(self))
    }

    /// Everything received since the plaintext ended, as it came: for one who passes the connection on by what the ClientHello asks for, and does not end
    /// TLS here.
    ///
    /// ```
    /// use starttls_core::{Phase, Plain};
    ///
    /// let mut accepting = Plain::new().accept()?;
    /// assert_eq!(accepting.handle_input(b"\x16\x03\x01\x00"), 4);
    /// assert_eq!(accepting.into_received(), b"\x16\x03\x01\x00");
    /// # Ok::<(), starttls_core::Error>(())
    /// ```
    pub fn into_received(self) -> Vec<u8> {
        let mut received = self.hello.given;
        let seen = self.intake.seen();
        let rest = self.intake.wire.input.filled().get(seen..);
        received.extend_from_slice(rest.unwrap_or_default());
        received
    }

    /// What failed has left its alert beside the output.
    fn settle(&mut self) {
        let alert = std::mem::take(&mut self.hello.alert);
        self.intake.wire.output.append(&alert, usize::MAX);
    }
}

impl Hello {
    fn fail(&mut self, error: Error, alert: Vec<u8>) {
        self.state = State::Failed(error);
        self.alert = alert;
    }
}

impl Records for Hello {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Reading(_))
    }

    fn has_unread(&self) -> bool {
        false
    }

    fn has_failed(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }

    fn waits_for_reader(&self) -> bool {
        false
    }

    fn part(&mut self, bytes: &[u8]) {
        self.given.extend_from_slice(bytes);
        if let State::Reading(reader) = &mut self.state
            && let Err((error, alert)) = reader.feed(bytes)
        {
            self.fail(Error::Tls(error), alert);
        }
    }

    fn record(&mut self, record: Record<'_>, limits: &Limits) {
        let State::Reading(reader) = &mut self.state else {
            return;
        };
        self.received = self.received.saturating_add(record.length);
        self.given.extend_from_slice(record.unseen);
        match reader.feed(record.unseen).and_then(|()| reader.process()) {
            Err((error, alert)) => self.fail(Error::Tls(error), alert),
            Ok(_) if self.received > limits.handshake => self.fail(
                session::too_long("handshake", limits.handshake),
                engine::plain_alert(engine::DECODE_ERROR).to_vec(),
            ),
            Ok(Some(accepted)) => self.state = State::Hello(Box::new(accepted)),
            Ok(None) => {}
        }
    }

    fn malformed(&mut self, input: &[u8], unseen: &[u8]) {
        self.given.extend_from_slice(unseen);
        let State::Reading(reader) = &mut self.state else {
            return;
        };
        let (error, alert) = match reader.feed(unseen).and_then(|()| reader.process()) {
            Err((error, alert)) => (Error::Tls(error), alert),
            Ok(_) => (
                Error::Tls(rustls::Error::General("no TLS record".into())),
                engine::plain_alert(engine::DECODE_ERROR).to_vec(),
            ),
        };
        let sample = (self.received == 0).then(|| UntrustedText::new(input));
        self.fail(
            sample.map_or(error, |sample| Error::NotTls { sample }),
            alert,
        );
    }

    fn ended(&mut self) {
        self.fail(Error::Truncated(Stage::Handshake), Vec::new());
    }
}

impl Phase for Accepting {
    fn handle_input(&mut self, bytes: &[u8]) -> usize {
        let n = self.intake.handle_input(&mut self.hello, bytes);
        self.settle();
        n
    }

    fn receive_buffer(&mut self) -> &mut [u8] {
        self.intake.receive_buffer()
    }

    fn received(&mut self, n: usize) {
        self.intake.received(&mut self.hello, n);
        self.settle();
    }

    #[inline]
    fn takes_buffer(&self) -> usize {
        self.intake.takes_buffer(&self.hello)
    }

    #[inline]
    fn received_in(&mut self, buffer: &mut Vec<u8>, n: usize) {
        self.intake.received_in(&mut self.hello, buffer, n);
        self.settle();
    }

    #[inline]
    fn reclaim_buffer(&mut self) -> Option<Vec<u8>> {
        self.intake.wire.input.reclaim()
    }

    fn handle_eof(&mut self) {
        self.intake.handle_eof(&mut self.hello);
        self.settle();
    }

    fn wants_input(&self) -> bool {
        self.intake.wants_input(&self.hello)
    }

    fn has_output(&self) -> bool {
        !self.intake.wire.output.is_empty()
    }

    fn transmit_to(&mut self, writer: &mut dyn Write) -> io::Result<usize> {
        self.intake.wire.transmit_to(writer)
    }
}

impl Sealed for Accepting {}

impl fmt::Debug for Accepting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.hello.state {
            State::Reading(_) => "reading",
            State::Hello(_) => "hello",
            State::Failed(_) => "failed",
        };
        f.debug_struct("Accepting").field("state", &state).finish()
    }
}
