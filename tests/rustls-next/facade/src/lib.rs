//! rustls 0.24 under the name `rustls`, with the three connection types that 0.23 has and 0.24 has not. They are what of rustls is in
//! signatures of `starttls-core` and cannot stay: with them the unchanged files of the core compile.

use std::fmt;
use std::sync::Arc;

use rustls_next::Connection as Next;
use rustls_next::pki_types::ServerName;

pub use rustls_next as engine;
pub use rustls_next::*;

/// A client's connection, with the ClientHello that 0.24 makes at once.
pub struct ClientConnection {
    /// The engine.
    pub engine: Next<ClientSide, Tcp>,
    /// What it has to send already.
    pub hello: Vec<u8>,
}

impl ClientConnection {
    /// As in 0.23.
    ///
    /// # Errors
    /// Those of the configuration.
    pub fn new(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        let mut hello = Vec::new();
        let engine = config.connect(name).build(&mut hello)?;
        Ok(Self { engine, hello })
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.engine.fmt(f)
    }
}

/// A server's connection.
#[derive(Debug)]
pub struct ServerConnection(
    /// The engine.
    pub Next<ServerSide, Tcp>,
);

impl ServerConnection {
    /// As in 0.23.
    ///
    /// # Errors
    /// Those of the configuration.
    pub fn new(config: Arc<ServerConfig>) -> Result<Self, Error> {
        Next::<ServerSide, Tcp>::new(config).map(Self)
    }
}

/// Either of them.
#[derive(Debug)]
pub enum Connection {
    /// A client's.
    Client(ClientConnection),
    /// A server's.
    Server(ServerConnection),
}

impl From<ClientConnection> for Connection {
    fn from(connection: ClientConnection) -> Self {
        Self::Client(connection)
    }
}

impl From<ServerConnection> for Connection {
    fn from(connection: ServerConnection) -> Self {
        Self::Server(connection)
    }
}
