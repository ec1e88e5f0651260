//! One attempt: to the server, through the plaintext dialogue, into TLS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use starttls_protocols::registry::{ClientOptions, First};
use starttls_tokio::rustls::crypto::SupportedKxGroup;
use starttls_tokio::rustls::pki_types::ServerName;
use starttls_tokio::rustls::{
    ClientConfig, ClientConnection, Connection, HandshakeKind, NamedGroup, ProtocolVersion,
};
use starttls_tokio::starttls_core::{Error as CoreError, Misbehaviour};
use starttls_tokio::{Deadlines, PlainStream, TlsStream};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::dial::{Dialogue, Hop, Host, Name, ProxyHeader, Said, Side, Tap, dial};
use crate::ears::Ears;
use crate::report::{self, Failure, Line, Outcome, Report, Seconds, Stage, Tls, advice, escape};
use crate::trust::{Seen, Trust, Verdict, describe, end_point, hex};

/// What to reach and how.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) name: Name,
    /// TLS from the first byte.
    pub(crate) implicit: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) hops: Vec<Hop>,
    pub(crate) proxy_header: Option<ProxyHeader>,
    pub(crate) servername: Option<String>,
    pub(crate) own_name: Option<String>,
    pub(crate) trust: Trust,
    pub(crate) timeout: Duration,
}

/// The plaintext and the TLS streams of an attempt.
pub(crate) type Io = Tap<TcpStream>;

/// What came of an attempt.
#[derive(Debug)]
pub(crate) struct Attempted {
    pub(crate) report: Report,
    pub(crate) stream: Option<TlsStream<Io>>,
    pub(crate) failure: Option<Failure>,
    pub(crate) said: Vec<Said>,
    pub(crate) verdict: Verdict,
}

/// What is known while it is under way.
#[derive(Debug)]
struct Progress {
    dialogue: Dialogue,
    stage: Stage,
    began: Instant,
    address: Option<String>,
    seconds: Seconds,
    plaintext_authentication: Option<bool>,
}

impl Progress {
    /// This stage begins; the seconds since the last one did.
    fn enter(&mut self, stage: Stage) -> f64 {
        self.stage = stage;
        let spent = self.began.elapsed().as_secs_f64();
        self.began = Instant::now();
        spent
    }

    fn failed(&self, error: impl Into<starttls_tokio::Error>) -> Failure {
        Failure::of(self.stage, error.into())
    }
}

impl Attempt {
    /// Does it, within the time.
    pub(crate) async fn run(&self) -> Attempted {
        let began = Instant::now();
        let mut progress = Progress {
            dialogue: Dialogue::default(),
            stage: Stage::Connecting,
            began,
            address: None,
            seconds: Seconds::default(),
            plaintext_authentication: None,
        };
        let (result, seen) = match self.trust.client() {
            Ok((config, seen)) => {
                let secure = self.secure(config, &mut progress);
                let result = timeout(self.timeout, secure).await;
                let late = |_| Err(Failure::Timeout(progress.stage));
                (result.unwrap_or_else(late), seen)
            }
            Err(error) => (Err(Failure::Usage(error)), Seen::default()),
        };
        progress.seconds.total = began.elapsed().as_secs_f64();
        let said = progress.dialogue.take();
        self.report(progress, result, said, seen.verdict())
    }

    async fn secure(
        &self,
        config: Arc<ClientConfig>,
        progress: &mut Progress,
    ) -> Result<TlsStream<Io>, Failure> {
        let server = self.servername.as_deref().unwrap_or(&self.host.name);
        let server = ServerName::try_from(server.trim_end_matches('.').to_owned())
            .map_err(|_| Failure::Usage("the server's name is no host name".to_owned()))?;
        let connection = ClientConnection::new(config, server)
            .map_err(|error| Failure::Usage(error.to_string()))?;
        let plain = self.reach(progress).await?;
        let spent = progress.enter(Stage::Negotiation);
        progress.seconds.connect = Some(spent);
        let protocol = self.name.protocol.filter(|_| !self.implicit);
        let stream = match protocol {
            Some(protocol) => {
                progress.dialogue.record(true);
                progress.dialogue.add(Side::Server, plain.buffered());
                let own_name = self.own_name.as_deref();
                let mut negotiator = Ears::new(protocol, own_name, &self.client_options())
                    .map_err(|error| progress.failed(error))?;
                let negotiated = plain.negotiate(&mut negotiator).await;
                progress.plaintext_authentication = negotiator.plaintext_authentication();
                let negotiated = negotiated.map_err(|error| progress.failed(error))?;
                progress.dialogue.record(false);
                let spent = progress.enter(Stage::Handshake);
                progress.seconds.negotiate = Some(spent);
                negotiated.start_tls(connection).await
            }
            None => {
                progress.enter(Stage::Handshake);
                plain.start_tls(connection).await
            }
        };
        let stream = stream.map_err(|error| progress.failed(error))?;
        progress.seconds.handshake = Some(progress.began.elapsed().as_secs_f64());
        Ok(stream)
    }

    /// As far as the server, through all proxies.
    async fn reach(&self, progress: &mut Progress) -> Result<PlainStream<Io>, Failure> {
        let io_error = |error| Failure::Io(Stage::Connecting, error);
        let first = self.hops.first();
        let (name, port) = first.map_or((&self.host.name, self.port), |hop| (&hop.host, hop.port));
        let socket = dial(name, port).await.map_err(io_error)?;
        let source = socket.local_addr().map_err(io_error)?;
        let destination = socket.peer_addr().map_err(io_error)?;
        progress.address = Some(destination.to_string());
        // One timeout is around everything.
        let deadlines = Deadlines::default().without_upgrade_deadline();
        let io = Tap::new(socket, progress.dialogue.clone());
        let mut plain = PlainStream::new(io).with_deadlines(deadlines);
        let mut rest = self.hops.iter().peekable();
        while let Some(hop) = rest.next() {
            // What is said to a proxy may have a password in it, and is not recorded.
            progress.stage = Stage::Proxy;
            let next = rest.peek().map(|next| (&next.host, next.port));
            let (name, port) = next.unwrap_or((&self.host.name, self.port));
            let tunnel = hop.protocol.tunnel(&hop.options(name, port));
            let tunnel = tunnel.map_err(|error| progress.failed(error))?;
            let tunnel = plain.negotiate(tunnel).await;
            plain = tunnel.map_err(|error| progress.failed(error))?.into_plain();
        }
        if let Some(header) = self.proxy_header {
            let options = ClientOptions::new(&self.host.name).addresses(source, destination);
            let writer = header.protocol().tunnel(&options);
            let writer = writer.map_err(|error| progress.failed(error))?;
            let written = plain.negotiate(writer).await;
            plain = written
                .map_err(|error| progress.failed(error))?
                .into_plain();
        }
        Ok(plain)
    }

    pub(crate) fn client_options(&self) -> ClientOptions {
        let domain = self.servername.as_deref().unwrap_or(&self.host.name);
        let options = ClientOptions::new(domain).port(self.port);
        match &self.own_name {
            Some(name) => options.own_name(name),
            None => options,
        }
    }

    fn report(
        &self,
        progress: Progress,
        result: Result<TlsStream<Io>, Failure>,
        said: Vec<Said>,
        verdict: Verdict,
    ) -> Attempted {
        let (stream, failure) = match result {
            Ok(stream) => (Some(stream), None),
            Err(failure) => (None, Some(failure)),
        };
        let outcome = failure.as_ref().map_or(Outcome::Secured, Failure::outcome);
        let report = Report {
            schema: "starttls-connect/1",
            protocol: self.name.text(),
            implicit: self.implicit || self.name.protocol.is_none(),
            host: self.host.name.clone(),
            port: self.port,
            via: self.hops.iter().map(Hop::to_string).collect(),
            address: progress.address,
            outcome,
            exit_code: outcome.code(),
            error: failure.as_ref().map(Failure::to_string),
            refusal: failure
                .as_ref()
                .and_then(Failure::refusal)
                .map(report::Refused::from),
            injected: failure.as_ref().and_then(Failure::injected),
            advice: failure
                .as_ref()
                .map(|failure| advice(self, failure, &said, &verdict))
                .unwrap_or_default(),
            plaintext_authentication: progress.plaintext_authentication,
            dialogue: Line::all(&said),
            seconds: progress.seconds,
            tls: stream.as_ref().map(|stream| negotiated(stream, &verdict)),
            chain: verdict
                .chain
                .iter()
                .filter_map(|der| describe(der))
                .collect(),
            certificate_error: verdict
                .error
                .as_ref()
                .map(|error| escape(&error.to_string())),
        };
        Attempted {
            report,
            stream,
            failure,
            said,
            verdict,
        }
    }

    /// After an attempt in which the server said nothing at all: whether it waits for TLS.
    pub(crate) async fn waits_for_tls(&self, attempted: &Attempted) -> bool {
        let Some(protocol) = self.name.protocol.filter(|_| !self.implicit) else {
            return false;
        };
        let silent = !attempted.said.iter().any(|said| said.side == Side::Server);
        let in_dialogue = matches!(
            attempted.failure,
            Some(
                Failure::Timeout(Stage::Negotiation)
                    | Failure::Io(Stage::Negotiation, _)
                    | Failure::Protocol(
                        Stage::Negotiation,
                        CoreError::Truncated(_) | CoreError::Misbehaved(Misbehaviour::TlsTooEarly),
                    ),
            )
        );
        if !silent || !in_dialogue || protocol.facts().first_in_plaintext == First::Either {
            return false;
        }
        let implicit = Self {
            implicit: true,
            trust: Trust::of_anybody(),
            timeout: self.timeout.min(Duration::from_secs(3)),
            ..self.clone()
        };
        implicit.run().await.stream.is_some()
    }
}

fn negotiated(stream: &TlsStream<Io>, verdict: &Verdict) -> Tls {
    let connection: &Connection = stream.connection();
    let group = connection
        .negotiated_key_exchange_group()
        .map(SupportedKxGroup::name);
    Tls {
        version: connection
            .protocol_version()
            .map_or_else(String::new, version),
        cipher_suite: connection
            .negotiated_cipher_suite()
            .map_or_else(String::new, |suite| suite_name(suite.suite())),
        group: group.map(|group| format!("{group:?}")),
        post_quantum: group.is_some_and(is_post_quantum),
        alpn: connection
            .alpn_protocol()
            .map(|name| name.escape_ascii().to_string()),
        handshake: match connection.handshake_kind() {
            Some(HandshakeKind::Resumed) => "resumed",
            Some(HandshakeKind::FullWithHelloRetryRequest) => "full with a retry",
            _ => "full",
        },
        exporter: stream.tls_exporter().map(|binding| hex(&binding)),
        server_end_point: verdict
            .chain
            .first()
            .and_then(|der| end_point(der))
            .map(|binding| hex(&binding)),
    }
}

/// `TLS_AES_128_GCM_SHA256`, as IANA has it; rustls says `TLS13_...`.
pub(crate) fn suite_name(suite: starttls_tokio::rustls::CipherSuite) -> String {
    format!("{suite:?}").replacen("TLS13_", "TLS_", 1)
}

pub(crate) fn version(version: ProtocolVersion) -> String {
    format!("{version:?}").replacen("TLSv1_", "TLS 1.", 1)
}

fn is_post_quantum(group: NamedGroup) -> bool {
    matches!(
        group,
        NamedGroup::X25519MLKEM768
            | NamedGroup::secp256r1MLKEM768
            | NamedGroup::MLKEM512
            | NamedGroup::MLKEM768
            | NamedGroup::MLKEM1024
    )
}
