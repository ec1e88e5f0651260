//! rustls 0.23 with the certificate of the tests.

use std::io::{Read, Write};
use std::sync::{Arc, LazyLock};

use anyhow::Result;
use starttls_tests::certs;
use today::rustls::client::Resumption;
use today::rustls::server::NoServerSessionStorage;
use today::rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
};

use crate::Sides;

static SERVER: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certs::certificate()], certs::key())
        .expect("certificate and key belong together");
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
});

static CLIENT: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add(certs::authority()).expect("our own authority");
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
});

pub(crate) fn server() -> ServerConnection {
    ServerConnection::new(SERVER.clone()).expect("a valid configuration")
}

pub(crate) fn client() -> ClientConnection {
    let name = "localhost".try_into().expect("a host name");
    ClientConnection::new(CLIENT.clone(), name).expect("a valid configuration")
}

pub(crate) struct Pair {
    client: Box<ClientConnection>,
    server: Box<ServerConnection>,
}

impl Sides for Pair {
    fn connected() -> Result<Self> {
        let (mut client, mut server) = (Box::new(client()), Box::new(server()));
        let mut wire = Vec::new();
        while client.is_handshaking() || server.is_handshaking() || client.wants_write() {
            wire.clear();
            while client.wants_write() {
                client.write_tls(&mut wire)?;
            }
            let mut rest = &wire[..];
            while !rest.is_empty() {
                server.read_tls(&mut rest)?;
                server.process_new_packets()?;
            }
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire)?;
            }
            let mut rest = &wire[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest)?;
                client.process_new_packets()?;
            }
        }
        Ok(Self { client, server })
    }

    fn out(&mut self, data: &[u8], wire: &mut Vec<u8>) -> Result<()> {
        self.client.writer().write_all(data)?;
        while self.client.wants_write() {
            self.client.write_tls(wire)?;
        }
        Ok(())
    }

    fn take_in(&mut self, wire: &mut [u8], buf: &mut [u8]) -> Result<usize> {
        let (mut rest, mut got) = (&wire[..], 0);
        loop {
            while self.server.wants_read() && !rest.is_empty() {
                self.server.read_tls(&mut rest)?;
                self.server.process_new_packets()?;
            }
            while let Ok(n) = self.server.reader().read(buf) {
                got += n;
            }
            if rest.is_empty() {
                return Ok(got);
            }
        }
    }
}
