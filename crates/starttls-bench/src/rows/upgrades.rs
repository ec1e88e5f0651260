use std::marker::PhantomData;

use starttls_core::Negotiator;
use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_protocols::{ldap, postgres, smtp};
use starttls_tokio::PlainStream;

use super::on_tokio::{Io, StarttlsTokio, Tokio, TokioRustls};
use super::{Group, Row};
use crate::binding::{Binding, Opening, pipe};
use crate::measures::Measure;
use crate::report::Role;
use crate::runtimes::Tokio1;
use crate::setup::Tls;

/// What the dialogue before TLS adds to the bare handshake.
pub(super) fn rows() -> Vec<Row> {
    let group = Group {
        name: "tokio, upgrades",
        measures: &[Measure::Handshake],
    };
    vec![
        group.row::<TokioRustls, Tokio1>(Role::Other, "tokio-rustls, bare handshake"),
        group.row::<StarttlsTokio, Tokio1>(Role::Ours, "starttls-tokio, bare handshake"),
        group.row::<Upgrade<Smtp>, Tokio1>(Role::Ours, "starttls-tokio, SMTP upgrade"),
        group.row::<Upgrade<Postgres>, Tokio1>(Role::Ours, "starttls-tokio, PostgreSQL upgrade"),
        group.row::<Upgrade<Ldap>, Tokio1>(Role::Ours, "starttls-tokio, LDAP upgrade"),
    ]
}

/// The two sides of a dialogue.
trait Dialogue: 'static {
    fn server() -> impl Negotiator<Tls = ServerConnection> + Send;
    fn client() -> impl Negotiator<Tls = ClientConnection> + Send;
}

struct Smtp;

impl Dialogue for Smtp {
    fn server() -> impl Negotiator<Tls = ServerConnection> + Send {
        smtp::Server::new("localhost")
    }

    fn client() -> impl Negotiator<Tls = ClientConnection> + Send {
        smtp::Client::new("localhost")
    }
}

struct Postgres;

impl Dialogue for Postgres {
    fn server() -> impl Negotiator<Tls = ServerConnection> + Send {
        postgres::Server::new()
    }

    fn client() -> impl Negotiator<Tls = ClientConnection> + Send {
        postgres::Client::new()
    }
}

struct Ldap;

impl Dialogue for Ldap {
    fn server() -> impl Negotiator<Tls = ServerConnection> + Send {
        ldap::Server::new()
    }

    fn client() -> impl Negotiator<Tls = ClientConnection> + Send {
        ldap::Client::new()
    }
}

struct Upgrade<D>(PhantomData<D>);

impl<IO: Io, D: Dialogue> Binding<IO> for Upgrade<D> {
    fn server(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let plain = PlainStream::new(io);
            let connection = tls.server_connection()?;
            Ok(pipe(Tokio(plain.upgrade(D::server(), connection).await?)))
        })
    }

    fn client(tls: &'static Tls, io: IO) -> Opening {
        Box::pin(async move {
            let plain = PlainStream::new(io);
            let connection = tls.client_connection()?;
            Ok(pipe(Tokio(plain.upgrade(D::client(), connection).await?)))
        })
    }
}
