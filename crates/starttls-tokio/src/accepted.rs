use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::ClientHello;
use starttls_stream::core::{Accepting, Incoming};
use starttls_stream::{Error, rustls};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::stream::Stream;
use crate::tls_stream::TlsStream;

/// A server's connection whose client has said hello and waits for an answer.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use starttls_tokio::{PlainStream, rustls::ServerConfig};
/// # async fn f(plain: PlainStream<tokio::net::TcpStream>, a: Arc<ServerConfig>, b: Arc<ServerConfig>)
/// # -> Result<(), Box<dyn std::error::Error>> {
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
pub struct Accepted<IO> {
    stream: Stream<IO, Accepting>,
    until: Option<Instant>,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Accepted<IO> {
    pub(crate) async fn hello(
        mut stream: Stream<IO, Accepting>,
        until: Option<Instant>,
    ) -> Result<Self, Error> {
        stream.run(until, |driver, io| driver.hello(io)).await?;
        Ok(Self { stream, until })
    }

    /// What the client asks for: server name, ALPN, cipher suites.
    pub fn client_hello(&mut self) -> Option<ClientHello<'_>> {
        match self.stream.driver.phase_mut().poll_hello() {
            Ok(Incoming::Data(hello)) => Some(hello),
            _ => None,
        }
    }

    /// Completes the handshake under this configuration, within what is left of the deadline.
    ///
    /// # Errors
    /// As [`PlainStream::start_tls`](crate::PlainStream::start_tls).
    pub async fn start_tls(self, config: Arc<ServerConfig>) -> Result<TlsStream<IO>, Error> {
        let Stream {
            io,
            driver,
            wakers,
            deadlines,
        } = self.stream;
        match driver.start_tls(config) {
            Ok(driver) => {
                TlsStream::handshake(
                    Stream {
                        io,
                        driver,
                        wakers,
                        deadlines,
                    },
                    self.until,
                )
                .await
            }
            Err(driver) => {
                let mut refused = Stream {
                    io,
                    driver: *driver,
                    wakers,
                    deadlines,
                };
                // Sends the alert; the error is what it ends with.
                refused
                    .run(self.until, |driver, io| driver.hello(io))
                    .await?;
                Err(
                    starttls_stream::core::Error::from(starttls_stream::core::Misuse::Finished)
                        .into(),
                )
            }
        }
    }
}
