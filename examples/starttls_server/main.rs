//! A server of any protocol that upgrades: the plaintext dialogue is the library's, and behind it is just as much of the protocol as its usual
//! clients need to be content. Any login is good, nothing is kept.
//!
//! `cargo run --example starttls_server -- --protocol imap --self-signed`, then
//! `curl -k --ssl-reqd imap://localhost:2525/ -u test:secret`

mod binary;
mod databases;
mod ftp;
mod imap;
mod io;
mod ldap;
mod mail;
mod text;
mod web;
mod xmpp;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use starttls_examples::{Identity, negotiated};
use starttls_protocols::registry::{Protocol, ServerOptions};
use starttls_protocols::tunnel::Tunnel;
use starttls_protocols::vencrypt::Subtype;
use starttls_protocols::{connect, postgres, proxy, socks};
use starttls_tokio::rustls::{ServerConfig, ServerConnection};
use starttls_tokio::starttls_core::{Negotiator, Untrusted};
use starttls_tokio::{PlainStream, TlsStream};
use tokio::net::{TcpListener, TcpStream};

use crate::databases::Cancelling;

/// A server of any protocol that upgrades, enough of it for its usual clients.
#[derive(Parser, Clone)]
struct Arguments {
    /// Which protocol to speak.
    #[arg(long)]
    protocol: Protocol,
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:2525")]
    listen: SocketAddr,
    /// What to call ourselves.
    #[arg(long, default_value = "localhost")]
    name: String,
    /// What the clients of a tunnel must know.
    #[arg(long, value_name = "USER:PASSWORD")]
    credentials: Option<String>,
    /// Every connection begins with a PROXY header.
    #[arg(long)]
    proxy_header: bool,
    /// Play the proxy too that leads to this server, wherever a client wants to go: `connect`, `socks4` or `socks5`.
    #[arg(long, value_name = "PROTOCOL")]
    tunnel: Option<Protocol>,
    #[command(flatten)]
    identity: Identity,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let config = arguments.identity.config()?;
    let listener = TcpListener::bind(arguments.listen).await?;
    println!("listening {}", listener.local_addr()?);
    let cancelling = Cancelling::default();
    loop {
        let (socket, _) = listener.accept().await?;
        let (arguments, config) = (arguments.clone(), config.clone());
        let cancelling = cancelling.clone();
        tokio::spawn(async move {
            match serve(socket, &arguments, config, &cancelling).await {
                Ok(()) => println!("closed"),
                Err(error) => println!("{error:#}"),
            }
        });
    }
}

async fn serve(
    socket: TcpStream,
    arguments: &Arguments,
    config: Arc<ServerConfig>,
    cancelling: &Cancelling,
) -> Result<()> {
    let connection = ServerConnection::new(config.clone())?;
    let plain = PlainStream::new(socket);
    let negotiator = negotiator(arguments)?;
    let mut header = proxy::Reader::new();
    let tls = match arguments.protocol {
        // TLS begins right behind the header.
        Protocol::ProxyV1 | Protocol::ProxyV2 => plain.upgrade(&mut header, connection).await?,
        _ if arguments.proxy_header => {
            let both = (&mut header).then(negotiator);
            plain.upgrade(both, connection).await?
        }
        Protocol::Postgres if arguments.tunnel.is_none() => {
            let mut server = postgres::Server::new();
            let upgraded = plain.upgrade(&mut server, connection).await;
            if let Some(request) = server.cancel_request() {
                cancelling.cancel(request.into_inner());
                return Ok(());
            }
            upgraded?
        }
        _ => plain.upgrade(negotiator, connection).await?,
    };
    // It is from a proxy of ours, or everybody may write what they like into it.
    let header = header.header().map(Untrusted::into_inner);
    if let Some(header) = header {
        println!("{header:?}");
    }
    println!("TLS is up, {}", negotiated(tls.connection()));
    inside(arguments, config, tls, header, cancelling).await
}

type Dialogue = Box<dyn Negotiator<Tls = ServerConnection> + Send>;

fn negotiator(arguments: &Arguments) -> Result<Dialogue> {
    let inner = arguments.protocol.server(&options(arguments)?)?;
    Ok(match arguments.tunnel {
        None => inner,
        Some(Protocol::Connect) => Box::new(connect::Server::new().then(inner)),
        Some(Protocol::Socks4 | Protocol::Socks5) => Box::new(socks::Server::new().then(inner)),
        Some(other) => anyhow::bail!("{other} is no tunnel to a server of any protocol"),
    })
}

fn options(arguments: &Arguments) -> Result<ServerOptions> {
    let mut random = [0; 20];
    starttls_core::rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut random)
        .map_err(|_| anyhow::anyhow!("no random bytes"))?;
    let options = ServerOptions::new(&arguments.name)
        // A scramble of MySQL is a string of ASCII.
        .random(random.map(|byte| 1 + byte % 0x7f))
        .subtypes([Subtype::X509None]);
    Ok(
        match arguments
            .credentials
            .as_ref()
            .and_then(|both| both.split_once(':'))
        {
            Some((user, password)) => options.credentials(user, password),
            None => options,
        },
    )
}

type Tls = TlsStream<TcpStream>;

async fn inside(
    arguments: &Arguments,
    config: Arc<ServerConfig>,
    mut tls: Tls,
    header: Option<&proxy::Header>,
    cancelling: &Cancelling,
) -> Result<()> {
    let Arguments { protocol, name, .. } = arguments;
    match protocol {
        Protocol::Smtp => mail::smtp(&mut tls).await?,
        Protocol::Lmtp => mail::lmtp(&mut tls).await?,
        Protocol::Imap => imap::imap(&mut tls).await?,
        Protocol::Pop3 => mail::pop3(&mut tls).await?,
        Protocol::Sieve => mail::sieve(&mut tls).await?,
        // These two can go back to plaintext.
        Protocol::Ftp => return ftp::serve(tls, config).await,
        Protocol::Ldap => return ldap::serve(tls).await,
        Protocol::Xmpp => xmpp::client_to_server(&mut tls, name).await?,
        Protocol::XmppServer => xmpp::server_to_server(&mut tls, name).await?,
        Protocol::Postgres => databases::postgres(&mut tls, cancelling).await?,
        Protocol::Mysql => databases::mysql(&mut tls).await?,
        Protocol::Nntp => text::nntp(&mut tls).await?,
        Protocol::Irc => text::irc(&mut tls, name).await?,
        Protocol::Nut => text::nut(&mut tls).await?,
        Protocol::Munin => text::munin(&mut tls).await?,
        Protocol::Nats => text::nats(&mut tls).await?,
        Protocol::Telnet => text::telnet(&mut tls).await?,
        Protocol::HttpUpgrade => {
            // RFC 2817 section 3.3: the request that was upgraded is answered inside TLS.
            web::options_answer(&mut tls).await?;
            web::http(&mut tls, "upgraded\n").await?;
        }
        Protocol::Connect | Protocol::Socks4 | Protocol::Socks5 => {
            web::http(&mut tls, "through the tunnel\n").await?;
        }
        Protocol::ProxyV1 | Protocol::ProxyV2 => {
            web::http(&mut tls, &format!("{header:?}\n")).await?;
        }
        Protocol::Nbd => binary::nbd(&mut tls).await?,
        Protocol::Rpc => binary::rpc(&mut tls).await?,
        Protocol::Vencrypt => binary::vnc(&mut tls).await?,
        // What follows in RDP is a whole graphics protocol.
        _ => {}
    }
    Ok(tls.shutdown().await?)
}
