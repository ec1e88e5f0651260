use std::fmt;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use starttls_core::rustls::client::Resumption;
use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use starttls_core::rustls::server::{
    NoServerSessionStorage, ServerSessionMemoryCache, StoresServerSessions,
};
use starttls_core::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
};

/// How long an upgrade may take: what `Deadlines` has, and what is put around the other bindings.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The same TLS configurations and the same sockets for every row.
pub(crate) struct Setup {
    /// Every handshake is a full one.
    pub(crate) full: Tls,
    /// Every handshake but the first is resumed.
    pub(crate) resuming: Tls,
    resumed: Arc<Sessions>,
    listener: TcpListener,
}

/// The configurations of both sides.
pub(crate) struct Tls {
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) client: Arc<ClientConfig>,
    /// The server's certificate and key, for engines other than rustls.
    #[cfg(feature = "openssl")]
    pub(crate) openssl: Option<crate::rows::OpenSsl>,
}

impl Setup {
    /// Lives as long as the process, so that tasks can refer to it.
    pub(crate) fn new() -> Result<&'static Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .map_err(anyhow::Error::msg)?;
        let resumed = Arc::new(Sessions {
            cache: ServerSessionMemoryCache::new(1024),
            hits: AtomicUsize::new(0),
        });
        Ok(Box::leak(Box::new(Self {
            full: Tls::new(&certificate, &key, None)?,
            resuming: Tls::new(&certificate, &key, Some(resumed.clone()))?,
            resumed,
            listener: TcpListener::bind("127.0.0.1:0")?,
        })))
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

    /// How many handshakes were resumed so far.
    pub(crate) fn resumed(&self) -> usize {
        self.resumed.hits.load(Ordering::Relaxed)
    }
}

impl Tls {
    fn new(
        certificate: &CertificateDer<'static>,
        key: &PrivateKeyDer<'static>,
        sessions: Option<Arc<Sessions>>,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let mut server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.clone_key())?;
        let mut client = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        match sessions {
            Some(sessions) => server.session_storage = sessions,
            None => {
                server.session_storage = Arc::new(NoServerSessionStorage {});
                server.send_tls13_tickets = 0;
                client.resumption = Resumption::disabled();
            }
        }
        Ok(Self {
            server: Arc::new(server),
            client: Arc::new(client),
            #[cfg(feature = "openssl")]
            openssl: Some(crate::rows::OpenSsl::new(certificate, key)?),
        })
    }

    /// For rows on rustls alone.
    pub(crate) fn leaked(
        server: Arc<ServerConfig>,
        client: Arc<ClientConfig>,
    ) -> Result<&'static Self> {
        Ok(Box::leak(Box::new(Self {
            server,
            client,
            #[cfg(feature = "openssl")]
            openssl: None,
        })))
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

/// The server's sessions, with the number of those that were asked for and found.
struct Sessions {
    cache: Arc<ServerSessionMemoryCache>,
    hits: AtomicUsize,
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.cache.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.cache.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        let found = self.cache.take(key);
        self.hits
            .fetch_add(usize::from(found.is_some()), Ordering::Relaxed);
        found
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("hits", &self.hits)
            .finish_non_exhaustive()
    }
}
