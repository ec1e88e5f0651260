//! A handshake in memory between any two configurations.

use starttls_core::rustls::Connection;
use starttls_core::{Error, Plain, Tls};
use starttls_testkit::drive::settle;

/// Both sides of a connection, in TLS.
#[derive(Debug)]
pub struct Pair {
    /// The client's.
    pub client: Tls,
    /// The server's.
    pub server: Tls,
}

/// Completes a handshake.
///
/// # Errors
/// The client's, if it has one, or else the server's.
pub fn handshake(
    client: impl Into<Connection>,
    server: impl Into<Connection>,
) -> Result<Pair, Error> {
    let mut client = Plain::new().start_tls(client)?;
    let mut server = Plain::new().start_tls(server)?;
    settle(&mut client, &mut server);
    match (client.error(), server.error()) {
        (Some(error), _) | (_, Some(error)) => Err(error.clone()),
        _ => Ok(Pair { client, server }),
    }
}
