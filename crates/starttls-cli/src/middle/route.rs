//! `starttls route`: the back end chosen by the ClientHello behind an upgrade, without ending TLS.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};

use clap::Args;
use starttls_protocols::proxy::{Header, Reader};
use starttls_protocols::registry::Protocol;
use starttls_protocols::tunnel::Tunnel as _;
use starttls_tokio::rustls::ServerConfig;
use starttls_tokio::starttls_core::Untrusted;
use starttls_tokio::{Accepted, Deadlines, PlainStream};
use tokio::net::TcpStream;
use tracing::info;

use crate::dial::{Host, Name, ProxyHeader};
use crate::middle::backend::{About, Ends, ask_for_tls, reach};
use crate::middle::certificates::nobody;
use crate::middle::table::{Entry, Table};
use crate::middle::{Place, joinable, server_side};
use crate::report::{Failure, Stage};
use crate::serve::{Connection, ServeArguments, Service, relay, run};
use crate::terminal;

/// Choose the server by the name in TLS, behind the upgrade
#[derive(Args)]
#[command(
    before_help = "Example: starttls route --protocol postgres --listen 0.0.0.0:5432 \\\n           --to a.example=10.0.0.1:5432 --to b.example=10.0.0.2:5432"
)]
pub(crate) struct Route {
    /// The protocol, or tls
    #[arg(long, value_name = "PROTO")]
    protocol: Name,
    /// Where a name leads; *.example.org is possible
    #[arg(long, value_name = "NAME=HOST:PORT")]
    to: Vec<Entry>,
    /// More of them, as lines NAME HOST:PORT
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Where other names lead, and none
    #[arg(long, value_name = "HOST:PORT")]
    default: Option<Host>,
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
    #[command(flatten)]
    serve: ServeArguments,
}

struct Running {
    route: Route,
    protocol: Option<Protocol>,
    table: RwLock<Table>,
    nobody: Arc<ServerConfig>,
}

impl Route {
    pub(crate) async fn run(self) -> ExitCode {
        match self.start() {
            Ok(running) => {
                let arguments = running.route.serve.clone();
                run(&arguments, running).await
            }
            Err(error) => terminal::usage(&error),
        }
    }

    fn start(self) -> Result<Running, String> {
        Ok(Running {
            protocol: joinable(self.protocol.protocol, Place::Route)?,
            table: RwLock::new(self.table()?),
            nobody: nobody()?,
            route: self,
        })
    }

    fn table(&self) -> Result<Table, String> {
        let table = Table::new(&self.to, self.map.as_deref(), self.default.as_ref())?;
        if table.hosts().next().is_none() {
            return Err("nowhere to lead to: say --to, --map or --default".to_owned());
        }
        if let Some(host) = table.hosts().find(|host| host.port.is_none()) {
            return Err(format!("{host} needs a port"));
        }
        Ok(table)
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
        let mut accepted = self.hello(socket, &mut header).await?;
        let hello = accepted.client_hello();
        let name = hello.and_then(|hello| hello.server_name().map(str::to_owned));
        let host = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            table.find(name.as_deref()).cloned()
        };
        let Some(host) = host else {
            // It is told by an alert that nobody of this name is here.
            let refused = accepted.start_tls(self.nobody.clone()).await.err();
            let refused = refused.map(|error| Failure::of(Stage::Handshake, error));
            return Err(refused.unwrap_or_else(|| Failure::Backend("no such name".to_owned())));
        };
        // Believed, since --proxy-in says that whoever reaches this port is a proxy.
        let of_header = header.header().map(Untrusted::into_inner);
        let ends = Ends {
            source: of_header.and_then(Header::source).unwrap_or(peer),
            destination: of_header.and_then(Header::destination).unwrap_or(here),
        };
        info!(source = %ends.source, name = name.as_deref().unwrap_or_default(), to = %host, "routed");
        let about = About {
            name: name.clone(),
            ..About::default()
        };
        let route = &self.route;
        let mut server = reach(&host, route.proxy_out, ends, &about, route.serve.timeout).await?;
        if let Some(protocol) = self.protocol {
            let domain = name.as_deref().unwrap_or(&host.name);
            server = ask_for_tls(&host, server, protocol, domain).await?;
        }
        // From here on these are bytes to us: the ClientHello first, as it came.
        let (socket, received) = accepted.into_parts();
        let mut client = PlainStream::with_prefix(socket, &received);
        let ended = relay(&mut client, &mut server, route.serve.idle, &counters).await;
        ended.map_err(|error| Failure::Io(Stage::Traffic, error))
    }

    fn reload(&self) -> Result<(), String> {
        let table = self.route.table()?;
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        Ok(())
    }
}

impl Running {
    async fn hello(
        &self,
        socket: TcpStream,
        header: &mut Reader,
    ) -> Result<Accepted<TcpStream>, Failure> {
        let deadlines = Deadlines::default().upgrade(self.route.serve.timeout);
        let plain = PlainStream::new(socket).with_deadlines(deadlines);
        let in_dialogue = |error| Failure::of(Stage::Negotiation, error);
        let negotiator = self
            .protocol
            .map(|protocol| server_side(protocol, &self.route.name));
        let negotiator = negotiator
            .transpose()
            .map_err(|error| in_dialogue(error.into()))?;
        let negotiated = match (negotiator, self.route.proxy_in) {
            (Some(negotiator), true) => plain.negotiate(header.then(negotiator)).await,
            (Some(negotiator), false) => plain.negotiate(negotiator).await,
            (None, true) => plain.negotiate(header).await,
            (None, false) => {
                let accepted = plain.accept().await;
                return accepted.map_err(|error| Failure::of(Stage::Handshake, error));
            }
        };
        let accepted = negotiated.map_err(in_dialogue)?.accept().await;
        accepted.map_err(|error| Failure::of(Stage::Handshake, error))
    }
}
