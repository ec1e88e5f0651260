//! rustls 0.24 with the certificate of the tests, used as it wants to be: it decrypts in the caller's slice.

use anyhow::Result;
use next::rustls::{ClientSide, Connection, ServerSide, SliceInput, Tcp, engine};
use starttls_tests::certs;

use crate::Sides;

pub(crate) struct Pair {
    client: Box<engine::Connection<ClientSide, Tcp>>,
    server: Box<engine::Connection<ServerSide, Tcp>>,
}

impl Sides for Pair {
    fn connected() -> Result<Self> {
        let Connection::Client(client) = certs::client_without_resumption().into() else {
            anyhow::bail!("a client is a client");
        };
        let Connection::Server(server) = certs::server_without_resumption().into() else {
            anyhow::bail!("a server is a server");
        };
        let (mut to_server, mut to_client) = (client.hello, Vec::new());
        let (mut client, mut server) = (Box::new(client.engine), Box::new(server.0));
        let mut none = Vec::new();
        while client.is_handshaking() || server.is_handshaking() || !to_server.is_empty() {
            let mut received = std::mem::take(&mut to_server);
            let mut input = SliceInput::new(&mut received);
            let _ = server
                .read_tls(&mut input, &mut to_client)
                .handle_all(&mut none)?;
            let mut received = std::mem::take(&mut to_client);
            let mut input = SliceInput::new(&mut received);
            let _ = client
                .read_tls(&mut input, &mut to_server)
                .handle_all(&mut none)?;
        }
        Ok(Self { client, server })
    }

    fn out(&mut self, data: &[u8], wire: &mut Vec<u8>) -> Result<()> {
        Ok(self.client.write(data.into(), wire)?)
    }

    fn take_in(&mut self, wire: &mut [u8], buf: &mut [u8]) -> Result<usize> {
        let mut input = SliceInput::new(wire);
        let mut answers = Vec::new();
        let mut handler = self.server.read_tls(&mut input, &mut answers);
        let mut got = 0;
        while let Some(payload) = handler.next_payload() {
            let payload = payload?;
            let data = payload.bytes();
            buf[got..got + data.len()].copy_from_slice(data);
            got += data.len();
        }
        Ok(got)
    }
}
