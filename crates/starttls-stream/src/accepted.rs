use std::sync::Arc;
use std::time::Instant;

use rustls::ServerConfig;
use rustls::server::ClientHello;
use starttls_core::{Accepting, Error as CoreError, Incoming, Misuse, rustls};

use crate::stream::Stream;
use crate::{Error, PlainStream, TlsStream, Transport, Waiting};

/// A server's connection whose client has said hello and waits for an answer.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use starttls_stream::{PlainStream, rustls::ServerConfig};
/// # fn f(plain: PlainStream<std::net::TcpStream>, a: Arc<ServerConfig>, b: Arc<ServerConfig>)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let mut accepted = plain.accept()?;
/// let hello = accepted.client_hello();
/// let config = match hello.as_ref().and_then(|hello| hello.server_name()) {
///     Some("a.example") => a,
///     _ => b,
/// };
/// let tls = accepted.start_tls(config)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Accepted<IO> {
    stream: Stream<IO, Accepting>,
    until: Option<Instant>,
}

impl<IO: Transport> Accepted<IO> {
    pub(crate) fn hello(
        mut stream: Stream<IO, Accepting>,
        until: Option<Instant>,
    ) -> Result<Self, Error> {
        stream.run(Waiting::Handshake, until, |driver, io| driver.hello(io))?;
        Ok(Self { stream, until })
    }

    /// What the client asks for: server name, ALPN, cipher suites.
    pub fn client_hello(&mut self) -> Option<ClientHello<'_>> {
        match self.stream.driver.phase_mut().poll_hello() {
            Ok(Incoming::Data(hello)) => Some(hello),
            _ => None,
        }
    }

    /// The transport, and everything received on it since the plaintext ended, as it came: for one who passes the connection on by what the `ClientHello`
    /// asks for, and does not end TLS here.
    pub fn into_parts(self) -> (IO, Vec<u8>) {
        (self.stream.io, self.stream.driver.into_received())
    }

    /// Completes the handshake under this configuration, within what is left of the deadline.
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`](crate::PlainStream::start_tls).
    pub fn start_tls(self, config: Arc<ServerConfig>) -> Result<TlsStream<IO>, Error> {
        let Stream {
            io,
            driver,
            early,
            deadlines,
            dialogue,
        } = self.stream;
        match driver.start_tls(config) {
            Ok(driver) => {
                let stream = Stream {
                    io,
                    driver,
                    early,
                    deadlines,
                    dialogue,
                };
                TlsStream::handshake(stream, self.until)
            }
            Err(driver) => {
                let mut refused = Stream {
                    io,
                    driver: *driver,
                    early,
                    deadlines,
                    dialogue,
                };
                // Sends the alert; the error is what it ends with.
                refused.run(Waiting::Handshake, self.until, |driver, io| {
                    driver.hello(io)
                })?;
                Err(CoreError::from(Misuse::Finished).into())
            }
        }
    }
}

/// What came where a `ClientHello` was due.
#[derive(Debug)]
#[must_use = "the client waits"]
pub enum Arrival<IO> {
    /// A `ClientHello`.
    Hello(Accepted<IO>),
    /// Something that is not TLS, unread: to be answered in plaintext, say by an error of the protocol that it is. TLS cannot begin before it is read.
    Plaintext(PlainStream<IO>),
}
