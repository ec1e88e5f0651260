//! `starttls tunnel`: the upgrade for clients that have none.

use std::process::ExitCode;
use std::sync::{PoisonError, RwLock};

use clap::Args;
use starttls_tokio::PlainStream;
use tokio::io::AsyncWriteExt;

use crate::attempt::Attempt;
use crate::dial::{Host, Name};
use crate::middle::{Place, joinable};
use crate::peer::ReachArguments;
use crate::report::{Failure, Stage};
use crate::serve::{Connection, ServeArguments, Service, relay, run};
use crate::terminal;

/// Upgrade to TLS for plaintext clients
#[derive(Args)]
#[command(before_help = "Example: starttls tunnel imap mail.example.org --listen 127.0.0.1:1143")]
pub(crate) struct Tunnel {
    /// The protocol, or tls
    #[arg(value_name = "PROTO")]
    protocol: Name,
    /// The server; the protocol's port if none is said
    #[arg(value_name = "HOST[:PORT]")]
    host: Host,
    #[command(flatten)]
    reach: ReachArguments,
    #[command(flatten)]
    serve: ServeArguments,
}

struct Running {
    tunnel: Tunnel,
    attempt: RwLock<Attempt>,
}

impl Tunnel {
    pub(crate) async fn run(self) -> ExitCode {
        let started = joinable(self.protocol.protocol, Place::Tunnel).and_then(|_| self.attempt());
        match started {
            Ok(attempt) => {
                let arguments = self.serve.clone();
                let running = Running {
                    tunnel: self,
                    attempt: RwLock::new(attempt),
                };
                run(&arguments, running).await
            }
            Err(error) => terminal::usage(&error),
        }
    }

    fn attempt(&self) -> Result<Attempt, String> {
        let hosts = std::slice::from_ref(&self.host);
        let mut attempts = self
            .reach
            .attempts(self.protocol, hosts, self.serve.timeout)?;
        attempts.pop().ok_or_else(|| "no server".to_owned())
    }
}

impl Service for Running {
    async fn serve(&self, connection: Connection) -> Result<(), Failure> {
        let attempt = self
            .attempt
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let attempted = attempt.run().await;
        let mut server = match (attempted.stream, attempted.failure) {
            (Some(stream), _) => stream,
            (None, Some(failure)) => return Err(failure),
            (None, None) => return Ok(()),
        };
        let tls = attempted.report.tls;
        let group = tls.and_then(|tls| tls.group).unwrap_or_default();
        connection.counters.handshake(&group);
        let mut client = PlainStream::new(connection.socket);
        let protocol = self
            .tunnel
            .protocol
            .protocol
            .filter(|_| !self.tunnel.reach.implicit);
        let in_traffic = |error| Failure::Io(Stage::Traffic, error);
        // What the server has greeted with was heard in plaintext; this was not.
        if let Some(greeting) = protocol.and_then(|protocol| protocol.facts().greeting) {
            client
                .write_all(greeting.as_bytes())
                .await
                .map_err(in_traffic)?;
            client.flush().await.map_err(in_traffic)?;
        }
        let idle = self.tunnel.serve.idle;
        let ended = relay(&mut client, &mut server, idle, &connection.counters).await;
        ended.map_err(in_traffic)
    }

    fn reload(&self) -> Result<(), String> {
        let attempt = self.tunnel.attempt()?;
        *self.attempt.write().unwrap_or_else(PoisonError::into_inner) = attempt;
        Ok(())
    }
}
