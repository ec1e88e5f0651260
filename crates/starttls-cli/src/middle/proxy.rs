//! `starttls proxy`: the upgrade in front of a server that has none.

use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};

use clap::Args;
use starttls_protocols::proxy::{Header, Reader, Ssl};
use starttls_protocols::registry::{First, Protocol};
use starttls_protocols::tunnel::Tunnel as _;
use starttls_tokio::rustls::pki_types::ServerName;
use starttls_tokio::rustls::{ClientConnection, ServerConfig, ServerConnection};
use starttls_tokio::starttls_core::Untrusted;
use starttls_tokio::{Deadlines, Opportunistic, PlainStream, TlsStream};
use tokio::net::TcpStream;
use tracing::info;

use crate::attempt::{suite_name, version};
use crate::dial::{Host, Name, ProxyHeader};
use crate::middle::backend::{About, Ends, failed, reach};
use crate::middle::certificates::CertificateArguments;
use crate::middle::{Place, joinable, server_side};
use crate::report::{Failure, Stage};
use crate::serve::{Connection, ServeArguments, Service, relay, run};
use crate::terminal;
use crate::trust::{Trust, TrustArguments};

/// Upgrade clients to TLS in front of a plaintext server
#[derive(Args)]
#[command(
    before_help = "Example: starttls proxy --protocol imap --listen 0.0.0.0:143 \\\n           --backend 127.0.0.1:1143 --cert mail.pem --key mail.key"
)]
pub(crate) struct Proxy {
    /// The protocol, or tls
    #[arg(long, value_name = "PROTO")]
    protocol: Name,
    /// The server behind it
    #[arg(long, value_name = "HOST:PORT")]
    backend: Host,
    /// Our own name before TLS [default: localhost]
    #[arg(
        long,
        value_name = "NAME",
        default_value = "localhost",
        hide_default_value = true
    )]
    name: String,
    /// Connections begin with a PROXY header
    #[arg(long)]
    proxy_in: bool,
    /// Begin with one to the back end: v1 or v2
    #[arg(long, value_name = "VERSION", value_enum, hide_possible_values = true)]
    proxy_out: Option<ProxyHeader>,
    /// The back end has TLS, trusted by these (PEM)
    #[arg(long, value_name = "FILE")]
    backend_ca: Option<std::path::PathBuf>,
    #[command(flatten)]
    certificates: CertificateArguments,
    #[command(flatten)]
    serve: ServeArguments,
}

struct Running {
    proxy: Proxy,
    protocol: Option<Protocol>,
    config: RwLock<Arc<ServerConfig>>,
    /// For the back end, and whether it must have TLS.
    trust: Trust,
}

impl Proxy {
    pub(crate) async fn run(self) -> ExitCode {
        match self.start() {
            Ok(running) => {
                let arguments = running.proxy.serve.clone();
                run(&arguments, running).await
            }
            Err(error) => terminal::usage(&error),
        }
    }

    fn start(self) -> Result<Running, String> {
        let protocol = joinable(self.protocol.protocol, Place::Proxy)?;
        if self.backend.port.is_none() {
            return Err("--backend needs a port".to_owned());
        }
        let trust = match &self.backend_ca {
            Some(file) => Trust::new(&TrustArguments {
                ca: vec![file.clone()],
                ..TrustArguments::default()
            })?,
            // Whatever it shows is no worse than the plaintext that would be taken as well.
            None => Trust::of_anybody(),
        };
        Ok(Running {
            config: RwLock::new(self.certificates.load()?),
            proxy: self,
            protocol,
            trust,
        })
    }
}

impl Service for Running {
    async fn serve(&self, connection: Connection) -> Result<(), Failure> {
        let Connection {
            socket,
            peer,
            counters,
        } = connection;
        let here = socket.local_addr();
        let here = here.map_err(|error| Failure::Io(Stage::Connecting, error))?;
        let mut header = Reader::new();
        let mut tls = self.upgrade(socket, &mut header).await?;
        // Believed, since --proxy-in says that whoever reaches this port is a proxy.
        let of_header = header.header().map(Untrusted::into_inner);
        let ends = Ends {
            source: of_header.and_then(Header::source).unwrap_or(peer),
            destination: of_header.and_then(Header::destination).unwrap_or(here),
        };
        let about = self.about(&tls, &ends);
        let group = tls.connection().negotiated_key_exchange_group();
        counters.handshake(&group.map_or_else(String::new, |group| format!("{:?}", group.name())));
        let proxy = &self.proxy;
        let (host, idle) = (&proxy.backend, proxy.serve.idle);
        let patience = proxy.serve.timeout;
        let backend = reach(host, proxy.proxy_out, ends, &about, patience).await?;
        let ended = match self.past_the_greeting(backend).await? {
            Opportunistic::Tls(mut server) => relay(&mut tls, &mut server, idle, &counters).await,
            Opportunistic::Declined { mut plain, .. } => {
                relay(&mut tls, &mut plain, idle, &counters).await
            }
        };
        ended.map_err(|error| Failure::Io(Stage::Traffic, error))
    }

    fn reload(&self) -> Result<(), String> {
        let config = self.proxy.certificates.load()?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }
}

impl Running {
    async fn upgrade(
        &self,
        socket: TcpStream,
        header: &mut Reader,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let config = self
            .config
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let connection =
            ServerConnection::new(config).map_err(|error| Failure::Usage(error.to_string()))?;
        let deadlines = Deadlines::default().upgrade(self.proxy.serve.timeout);
        let plain = PlainStream::new(socket).with_deadlines(deadlines);
        let in_dialogue = |error| Failure::of(Stage::Negotiation, error);
        let negotiator = self
            .protocol
            .map(|protocol| server_side(protocol, &self.proxy.name));
        let negotiator = negotiator
            .transpose()
            .map_err(|error| in_dialogue(error.into()))?;
        let negotiated = match (negotiator, self.proxy.proxy_in) {
            (Some(negotiator), true) => plain.negotiate(header.then(negotiator)).await,
            (Some(negotiator), false) => plain.negotiate(negotiator).await,
            (None, true) => plain.negotiate(header).await,
            (None, false) => {
                let tls = plain.start_tls(connection).await;
                return tls.map_err(|error| Failure::of(Stage::Handshake, error));
            }
        };
        let tls = negotiated.map_err(in_dialogue)?.start_tls(connection).await;
        tls.map_err(|error| Failure::of(Stage::Handshake, error))
    }

    fn about(&self, tls: &TlsStream<TcpStream>, ends: &Ends) -> About {
        let connection = tls.connection();
        let name = match connection {
            starttls_tokio::rustls::Connection::Server(server) => server.server_name(),
            starttls_tokio::rustls::Connection::Client(_) => None,
        };
        let spoken = connection
            .protocol_version()
            .map(version)
            .unwrap_or_default();
        let suite = connection.negotiated_cipher_suite();
        let suite = suite
            .map(|suite| suite_name(suite.suite()))
            .unwrap_or_default();
        info!(
            source = %ends.source,
            name = name.unwrap_or_default(),
            version = spoken,
            suite,
            "secured"
        );
        About {
            name: name.map(str::to_owned),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            ssl: Some(Ssl::new().with_version(spoken).with_cipher(suite)),
        }
    }

    /// The client has been greeted by us, and begins anew inside TLS: the greeting of the back end must not be in its way. A back end with TLS gets TLS.
    async fn past_the_greeting(
        &self,
        plain: PlainStream<TcpStream>,
    ) -> Result<Opportunistic<TcpStream>, Failure> {
        let host = &self.proxy.backend;
        let greets = self.protocol.is_some_and(|protocol| {
            let facts = protocol.facts();
            facts.first_in_plaintext == First::Server && facts.greeting.is_some()
        });
        let required = self.proxy.backend_ca.is_some();
        let asks = greets || required && self.protocol.is_some();
        let Some(protocol) = self.protocol.filter(|_| asks) else {
            let reason = starttls_tokio::starttls_core::Error::NotOffered;
            return Ok(Opportunistic::Declined { plain, reason });
        };
        let options = starttls_protocols::registry::ClientOptions::new(&host.name);
        let negotiator = protocol
            .client(&options)
            .map_err(|error| failed(host, error))?;
        let (config, _) = self.trust.client().map_err(|error| failed(host, error))?;
        let name = ServerName::try_from(host.name.clone()).map_err(|error| failed(host, error))?;
        let connection =
            ClientConnection::new(config, name).map_err(|error| failed(host, error))?;
        let result = plain
            .upgrade_opportunistically(negotiator, connection)
            .await;
        match result.map_err(|error| failed(host, error))? {
            Opportunistic::Declined { reason, .. } if required => Err(failed(host, reason)),
            other => Ok(other),
        }
    }
}
