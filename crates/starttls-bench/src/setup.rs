use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::Result;
use starttls_core::rustls::client::Resumption;
use starttls_core::rustls::pki_types::PrivateKeyDer;
use starttls_core::rustls::server::NoServerSessionStorage;
use starttls_core::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
};

/// The same TLS configurations and the same sockets for every row.
pub(crate) struct Setup {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    listener: TcpListener,
}

impl Setup {
    pub(crate) fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .map_err(anyhow::Error::msg)?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;

        // Without resumption every handshake is a full one.
        let mut server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.resumption = Resumption::disabled();

        Ok(Self {
            server: Arc::new(server),
            client: Arc::new(client),
            listener: TcpListener::bind("127.0.0.1:0")?,
        })
    }

    /// The server's and the client's end of a new connection.
    pub(crate) fn sockets(&self) -> Result<Sockets> {
        let client = TcpStream::connect(self.listener.local_addr()?)?;
        let (server, _) = self.listener.accept()?;
        for socket in [&client, &server] {
            socket.set_nodelay(true)?;
        }
        Ok(Sockets { server, client })
    }

    pub(crate) fn server_config(&self) -> &Arc<ServerConfig> {
        &self.server
    }

    pub(crate) fn client_config(&self) -> &Arc<ClientConfig> {
        &self.client
    }

    pub(crate) fn server_connection(&self) -> Result<ServerConnection> {
        Ok(ServerConnection::new(self.server.clone())?)
    }

    pub(crate) fn client_connection(&self) -> Result<ClientConnection> {
        Ok(ClientConnection::new(
            self.client.clone(),
            "localhost".try_into()?,
        )?)
    }
}

pub(crate) struct Sockets {
    pub(crate) server: TcpStream,
    pub(crate) client: TcpStream,
}
