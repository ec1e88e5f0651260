//! One of our clients at a real server: the way to TLS, and what can be said inside.

pub(crate) mod ftp;
pub(crate) mod nbd;

use std::future::Future;
use std::time::Duration;

use starttls_core::Negotiator;
use starttls_core::rustls::{
    CertificateError, ClientConnection, Error as TlsError, ProtocolVersion, version,
};
use starttls_tokio::starttls_core::Error as CoreError;
use starttls_tokio::{Error, Opportunistic, PlainStream, TlsStream};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ANY, client_config, connection};

/// How long a server may take for an answer: much longer than any does.
const PATIENCE: Duration = Duration::from_secs(30);

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: nothing for {PATIENCE:?}"),
    }
}

/// A connection to a server on this machine.
pub(crate) async fn connect(port: u16) -> PlainStream<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port)).await;
    PlainStream::new(socket.unwrap_or_else(|error| panic!("port {port}: {error}")))
}

/// A connection on which the server's greeting of one line was read.
pub(crate) async fn greeted(port: u16) -> PlainStream<TcpStream> {
    let mut plain = connect(port).await;
    let mut line = String::new();
    in_time("greeting", plain.read_line(&mut line))
        .await
        .unwrap();
    assert!(line.ends_with("\r\n"), "{line:?}");
    plain
}

/// The way to TLS, with the certificate verified for `localhost`.
pub(crate) async fn inside<N>(port: u16, negotiator: N) -> Inside
where
    N: Negotiator<Tls = ClientConnection>,
{
    let connection = connection(client_config(ANY), "localhost");
    let tls = connect(port).await.upgrade(negotiator, connection).await;
    Inside::new(tls.unwrap())
}

/// TLS 1.2 alone and TLS 1.3 alone can be had, and a certificate for another name is refused.
pub(crate) async fn is_verified_in_each_version<N>(port: u16, negotiator: impl Fn() -> N)
where
    N: Negotiator<Tls = ClientConnection>,
{
    for (versions, expected) in [
        (&[&version::TLS12], ProtocolVersion::TLSv1_2),
        (&[&version::TLS13], ProtocolVersion::TLSv1_3),
    ] {
        for name in ["localhost", "127.0.0.1"] {
            let connection = connection(client_config(versions), name);
            let tls = connect(port).await.upgrade(negotiator(), connection).await;
            let tls = tls.unwrap();
            assert_eq!(tls.connection().protocol_version(), Some(expected));
        }
    }
    let connection = connection(client_config(ANY), "other.example");
    let refused = connect(port).await.upgrade(negotiator(), connection).await;
    assert!(
        matches!(
            &refused,
            Err(Error::Protocol(CoreError::Tls(
                TlsError::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
            )))
        ),
        "{refused:?}"
    );
}

/// What our client says of a server that does not want TLS.
pub(crate) async fn declined<N>(port: u16, negotiator: N) -> CoreError
where
    N: Negotiator<Tls = ClientConnection>,
{
    declined_on(connect(port).await, negotiator).await
}

/// The same after the caller's own dialogue.
pub(crate) async fn declined_on<N>(plain: PlainStream<TcpStream>, negotiator: N) -> CoreError
where
    N: Negotiator<Tls = ClientConnection>,
{
    match plain.negotiate(negotiator).await {
        Err(Error::Protocol(reason)) if reason.is_declined() => reason,
        other => panic!("{other:?}"),
    }
}

/// The connection that is left when a server does not want TLS, and what our client says of it. The negotiator is lent, so that what it has heard is there.
pub(crate) async fn without_tls<N>(port: u16, negotiator: N) -> (PlainStream<TcpStream>, CoreError)
where
    N: Negotiator<Tls = ClientConnection>,
{
    let connection = connection(client_config(ANY), "localhost");
    let outcome = connect(port)
        .await
        .upgrade_opportunistically(negotiator, connection)
        .await;
    match outcome {
        Ok(Opportunistic::Declined { plain, reason, .. }) => (plain, reason),
        other => panic!("{other:?}"),
    }
}

/// A tunnel that the proxy does not make, which is no decline of the peer's: why.
pub(crate) async fn not_made<N>(port: u16, negotiator: N) -> CoreError
where
    N: Negotiator<Tls = ClientConnection>,
{
    match connect(port).await.negotiate(negotiator).await {
        Err(Error::Protocol(reason @ CoreError::TunnelRefused(_))) if !reason.is_declined() => {
            reason
        }
        other => panic!("{other:?}"),
    }
}

/// Whether it was refused with this code and words that have this in them.
pub(crate) fn refused_with(reason: &CoreError, code: impl Into<Option<u32>>, words: &str) -> bool {
    match reason {
        CoreError::Refused(refusal) | CoreError::TunnelRefused(refusal) => {
            refusal.code == code.into() && refusal.text.escaped().contains(words)
        }
        _ => false,
    }
}

/// A session inside TLS.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) tls: TlsStream<TcpStream>,
}

impl Inside {
    pub(crate) fn new(tls: TlsStream<TcpStream>) -> Self {
        Self { tls }
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        in_time("send", async {
            self.tls.write_all(bytes).await.unwrap();
            self.tls.flush().await.unwrap();
        })
        .await;
    }

    /// Sends a line.
    pub(crate) async fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n").as_bytes()).await;
    }

    /// The next line, without its end.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = Vec::new();
        in_time("line", self.tls.read_until(b'\n', &mut line))
            .await
            .unwrap();
        let line = String::from_utf8(line).unwrap();
        let whole = line.strip_suffix("\r\n");
        whole
            .unwrap_or_else(|| panic!("the end after {line:?}"))
            .to_owned()
    }

    /// Lines up to the one that is the last, joined.
    pub(crate) async fn lines(&mut self, is_last: impl Fn(&str) -> bool) -> String {
        let mut lines = String::new();
        loop {
            let line = self.line().await;
            lines.push_str(&line);
            lines.push('\n');
            if is_last(&line) {
                return lines;
            }
        }
    }

    /// Says a line and reads an answer with three digits, of one line or several.
    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.say(line).await;
        self.reply().await
    }

    /// An answer with three digits, of one line or several.
    pub(crate) async fn reply(&mut self) -> String {
        self.lines(|line| {
            let (code, rest) = line.split_at_checked(3).unwrap_or_default();
            code.len() == 3
                && code.bytes().all(|byte| byte.is_ascii_digit())
                && !rest.starts_with('-')
        })
        .await
    }

    /// So many bytes.
    pub(crate) async fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        in_time("bytes", self.tls.read_exact(&mut bytes))
            .await
            .unwrap();
        bytes
    }

    /// Everything up to these words, for what does not come in lines.
    pub(crate) async fn text_with(&mut self, words: &str) -> String {
        let mut text = String::new();
        while !text.contains(words) {
            let mut byte = [0];
            in_time("text", self.tls.read_exact(&mut byte))
                .await
                .unwrap_or_else(|error| panic!("{error} after {text:?}"));
            text.push(char::from(byte[0]));
        }
        text
    }

    /// The end, by `close_notify` or by a bare FIN, which many servers have when nothing can be missing. `close_notify` of ours goes first.
    pub(crate) async fn ends(mut self) {
        self.tls.shutdown().await.unwrap();
        let mut rest = Vec::new();
        match in_time("end", self.tls.read_to_end(&mut rest)).await {
            Ok(_) => {}
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset
                ),
                "{error}"
            ),
        }
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }
}
