use std::sync::Arc;

use futures_io::{AsyncRead, AsyncWrite};
use rustls::ServerConfig;
use rustls::server::ClientHello;
use starttls_stream::adapter::Timer;
use starttls_stream::starttls_core::{Accepting, Error as CoreError, Incoming, Misuse};
use starttls_stream::{Error, Waiting, rustls};

use super::plain_stream::PlainStream;
use super::stream::{Deadline, Stream};
use super::tls_stream::TlsStream;

/// A server's connection whose client has said hello and waits for an answer.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use starttls_futures::{PlainStream, rustls::ServerConfig};
/// # use futures_util::io::{AsyncRead, AsyncWrite};
/// # async fn f<IO>(plain: PlainStream<IO>, a: Arc<ServerConfig>, b: Arc<ServerConfig>)
/// # -> Result<(), Box<dyn std::error::Error>> where IO: AsyncRead + AsyncWrite + Unpin {
/// let mut accepted = plain.accept().await?;
/// let hello = accepted.client_hello();
/// let config = match hello.as_ref().and_then(|hello| hello.server_name()) {
///     Some("a.example") => a,
///     _ => b,
/// };
/// let tls = accepted.start_tls(config).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Accepted<IO, T: Timer> {
    stream: Stream<IO, Accepting, T>,
    deadline: Deadline<T>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin, T: Timer> Accepted<IO, T> {
    pub(crate) async fn hello(
        mut stream: Stream<IO, Accepting, T>,
        mut deadline: Deadline<T>,
    ) -> Result<Self, Error> {
        let waiting = Waiting::Handshake;
        stream
            .run(waiting, &mut deadline, |driver, io| driver.hello(io))
            .await?;
        Ok(Self { stream, deadline })
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
    pub async fn start_tls(mut self, config: Arc<ServerConfig>) -> Result<TlsStream<IO, T>, Error> {
        match self.stream.configure(config) {
            Ok(stream) => TlsStream::handshake(stream, self.deadline).await,
            Err(mut refused) => {
                let waiting = Waiting::Handshake;
                // Sends the alert; the error is what it ends with.
                refused
                    .run(waiting, &mut self.deadline, |driver, io| driver.hello(io))
                    .await?;
                Err(CoreError::from(Misuse::Finished).into())
            }
        }
    }
}

/// What came where a `ClientHello` was due.
#[derive(Debug)]
#[must_use = "the client waits"]
pub enum Arrival<IO, T: Timer> {
    /// A `ClientHello`.
    Hello(Accepted<IO, T>),
    /// Something that is not TLS, unread: to be answered in plaintext, say by an error of the protocol that it is. TLS cannot begin before it is read.
    Plaintext(PlainStream<IO, T>),
}
