//! hyper-util's legacy client asks its connections what they are; with this its connector can be made of these streams without a type of one's own.

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{PlainStream, TlsStream, UpgradeableStream};

/// What the transport is.
impl<IO: Connection> Connection for PlainStream<IO> {
    fn connected(&self) -> Connected {
        self.get_ref().connected()
    }
}

/// What the transport is, and whether HTTP/2 was agreed on by ALPN.
impl<IO: Connection> Connection for TlsStream<IO> {
    fn connected(&self) -> Connected {
        let connected = self.get_ref().connected();
        match self.connection().alpn_protocol() {
            Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}

/// As the stream that it is now.
impl<IO: AsyncRead + AsyncWrite + Unpin + Connection> Connection for UpgradeableStream<IO> {
    fn connected(&self) -> Connected {
        match (self.tls(), self.plain()) {
            (Some(tls), _) => tls.connected(),
            (None, Some(plain)) => plain.connected(),
            (None, None) => Connected::new(),
        }
    }
}
