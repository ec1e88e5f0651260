//! A server by hand: rustls over a plaintext stream, with nothing of ours in between but the transport.

use std::io::{Read, Write};

use starttls_core::rustls::ServerConnection;
use starttls_tests::certs::server;

use super::runtime::Stream;

pub(crate) struct Bare<S> {
    pub(crate) tls: ServerConnection,
    /// Records since the handshake that had no data in them.
    pub(crate) quiet_records: usize,
    stream: S,
    received: Vec<u8>,
}

impl<S: Stream> Bare<S> {
    pub(crate) async fn handshake(stream: S) -> Self {
        let mut bare = Self {
            tls: server(),
            quiet_records: 0,
            stream,
            received: Vec::new(),
        };
        while bare.tls.is_handshaking() {
            bare.send().await;
            bare.record().await;
        }
        bare.send().await;
        bare.quiet_records = 0;
        bare
    }

    /// Sends what rustls has to send.
    pub(crate) async fn send(&mut self) {
        let records = self.records(b"");
        self.stream.send(&records).await.unwrap();
    }

    pub(crate) async fn say(&mut self, data: &[u8]) {
        let records = self.records(data);
        self.stream.send(&records).await.unwrap();
    }

    /// Encrypted, to be sent.
    pub(crate) fn records(&mut self, data: &[u8]) -> Vec<u8> {
        self.tls.writer().write_all(data).unwrap();
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).unwrap();
        }
        records
    }

    /// Receives one record; how much data was in it.
    pub(crate) async fn hear(&mut self) -> usize {
        self.record().await;
        let mut data = Vec::new();
        // It ends with "nothing now".
        let _ = self.tls.reader().read_to_end(&mut data);
        if data.is_empty() {
            self.quiet_records += 1;
        }
        data.len()
    }

    async fn record(&mut self) {
        let header = self.stream.read_exact(5).await.unwrap();
        let length = u16::from_be_bytes([header[3], header[4]]);
        self.received = header;
        self.received
            .extend(self.stream.read_exact(length.into()).await.unwrap());
        let mut record = &self.received[..];
        while !record.is_empty() {
            self.tls.read_tls(&mut record).unwrap();
        }
        self.tls.process_new_packets().unwrap();
    }
}
