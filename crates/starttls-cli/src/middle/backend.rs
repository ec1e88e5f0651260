//! The way to the server behind us.

use std::net::SocketAddr;
use std::time::Duration;

use starttls_protocols::proxy::{Ssl, Writer};
use starttls_protocols::registry::Protocol;
use starttls_tokio::starttls_core::{Error as CoreError, UntrustedText};
use starttls_tokio::{Deadlines, PlainStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::dial::{Host, ProxyHeader, dial};
use crate::report::Failure;

/// Whom the client's connection came from and went to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}

/// What is to be told about the client's TLS in a PROXY header of version 2.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) name: Option<String>,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) ssl: Option<Ssl>,
}

/// Connects to the server behind us, and tells it whom it is for if it wants to know.
pub(crate) async fn reach(
    host: &Host,
    header: Option<ProxyHeader>,
    ends: Ends,
    about: &About,
    patience: Duration,
) -> Result<PlainStream<TcpStream>, Failure> {
    let port = host
        .port
        .ok_or_else(|| Failure::Usage("the back end has no port".to_owned()))?;
    let socket = timeout(patience, dial(&host.name, port)).await;
    let socket = socket
        .map_err(|_| failed(host, "it takes too long to connect"))?
        .map_err(|error| failed(host, error))?;
    let deadlines = Deadlines::default().upgrade(patience);
    let plain = PlainStream::new(socket).with_deadlines(deadlines);
    let Some(header) = header else {
        return Ok(plain);
    };
    let writer = match header {
        ProxyHeader::V1 => Writer::v1(ends.source, ends.destination),
        ProxyHeader::V2 => {
            let mut writer = Writer::v2(ends.source, ends.destination);
            if let Some(name) = &about.name {
                writer = writer.authority(name);
            }
            if let Some(alpn) = &about.alpn {
                writer = writer.alpn(alpn.clone());
            }
            if let Some(ssl) = &about.ssl {
                writer = writer.ssl(ssl);
            }
            writer
        }
    };
    let negotiated = plain.negotiate(writer).await;
    Ok(negotiated
        .map_err(|error| failed(host, error))?
        .into_plain())
}

/// Has the plaintext dialogue with the server behind us, up to where TLS begins: there the client goes on.
///
/// # Errors
/// Also if the server goes on speaking there: that is no TLS, and would reach the client in its place.
pub(crate) async fn ask_for_tls(
    host: &Host,
    plain: PlainStream<TcpStream>,
    protocol: Protocol,
    domain: &str,
) -> Result<PlainStream<TcpStream>, Failure> {
    let options = starttls_protocols::registry::ClientOptions::new(domain);
    let negotiator = protocol
        .client(&options)
        .map_err(|error| failed(host, error))?;
    let negotiated = plain.negotiate(negotiator).await;
    let plain = negotiated
        .map_err(|error| failed(host, error))?
        .into_plain();
    match plain.buffered() {
        [] => Ok(plain),
        unread => {
            let error = CoreError::UnreadPlaintext {
                count: unread.len(),
                sample: UntrustedText::new(unread),
            };
            Err(failed(host, error))
        }
    }
}

pub(crate) fn failed(host: &Host, error: impl std::fmt::Display) -> Failure {
    Failure::Backend(format!("{host}: {error}"))
}
