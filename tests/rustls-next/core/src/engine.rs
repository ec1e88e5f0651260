//! Every call that moves bytes into or out of rustls.

use std::io::IoSlice;

use rustls::client::ClientSide;
use rustls::crypto::cipher::OutboundPlain;
use rustls::server::ServerSide;
use rustls::{CommonState, Connection, Error, KeyingMaterialExporter, SideData, Tcp};

use crate::input::Input;

/// 0.24 has a type for each side, and no common one.
pub(crate) enum Engine {
    Client(rustls_next::Connection<ClientSide, Tcp>),
    Server(rustls_next::Connection<ServerSide, Tcp>),
}

macro_rules! either {
    ($engine:expr, $connection:ident => $do:expr) => {
        match $engine {
            Engine::Client($connection) => $do,
            Engine::Server($connection) => $do,
        }
    };
}

impl Engine {
    /// With what there is to send already.
    pub(crate) fn new(connection: Connection) -> (Self, Vec<u8>) {
        match connection {
            Connection::Client(client) => (Self::Client(client.engine), client.hello),
            Connection::Server(server) => (Self::Server(server.0), Vec::new()),
        }
    }

    /// Uses records until one has data, which is then in `input`, or there is none; true if there is data.
    pub(crate) fn process(&mut self, input: &mut Input, out: &mut Vec<u8>) -> Result<bool, Error> {
        either!(self, connection => process(connection, input, out))
    }

    pub(crate) fn write(&mut self, data: &[IoSlice<'_>], room: usize, out: &mut Vec<u8>) -> usize {
        let mut left = room;
        let mut chunks = Vec::with_capacity(data.len());
        for slice in data {
            let chunk = slice.get(..left).unwrap_or(slice);
            chunks.push(chunk);
            left = left.saturating_sub(chunk.len());
        }
        let written =
            either!(self, connection => connection.write(OutboundPlain::new(&chunks), out));
        written.map_or(0, |()| room.saturating_sub(left))
    }

    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        // An error is one that the state machine has seen before.
        let _ = either!(self, connection => connection.send_close_notify(out));
    }

    pub(crate) fn refresh_traffic_keys(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        either!(self, connection => connection.refresh_traffic_keys(out))
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        either!(self, connection => connection.is_handshaking())
    }

    pub(crate) fn common(&self) -> &CommonState {
        either!(self, connection => connection)
    }

    pub(crate) fn exporter(&mut self) -> Option<KeyingMaterialExporter> {
        either!(self, connection => connection.exporter()).ok()
    }
}

fn process<S: SideData>(
    connection: &mut rustls_next::Connection<S, Tcp>,
    input: &mut Input,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    loop {
        let base = input.address();
        let mut handler = connection.read_tls(input, out);
        let data = match handler.next_payload() {
            None => return Ok(false),
            Some(payload) => {
                let payload = payload?;
                let start = payload.bytes().as_ptr().addr().wrapping_sub(base);
                start..start.wrapping_add(payload.bytes().len())
            }
        };
        // Dropping it discards the record, which stays in the buffer until its data was read.
        drop(handler);
        if !data.is_empty() {
            input.decrypted(data);
            return Ok(true);
        }
    }
}
