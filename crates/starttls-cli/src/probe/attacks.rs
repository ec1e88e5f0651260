//! Attacks on a server. Each has connections of its own, is compared with what an honest client hears, and says nothing that does harm.

use std::time::Duration;

use starttls_protocols::registry::Protocol;
use starttls_tokio::rustls::ClientConnection;
use starttls_tokio::rustls::pki_types::ServerName;
use starttls_tokio::starttls_core::Boundary;
use starttls_tokio::{Deadlines, PlainStream, TlsStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::dial::{Host, Said, Side, dial};
use crate::probe::drive::{Driven, Edit, drive, hear, unchanged};
use crate::probe::inside::{ask, listen};
use crate::probe::words::{Words, words};
use crate::probe::{Evidence, Judged, Verdict};
use crate::report::{Failure, Stage};
use crate::trust::Trust;

/// Whom to attack.
pub(crate) struct Target {
    pub(crate) protocol: Protocol,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) timeout: Duration,
    pub(crate) wait: Duration,
}

/// What an honest client hears.
struct Honest {
    /// The request for the upgrade, and the go-ahead.
    request: Vec<u8>,
    go_ahead: Vec<u8>,
    /// Unasked inside TLS, and in answer to the end of the session.
    inside: Vec<u8>,
}

type Outcome = (Verdict, String, Vec<Evidence>);

/// All attacks on a server that upgrades.
///
/// # Errors
/// Why it does not.
pub(crate) async fn all(target: &Target) -> Result<Vec<Judged>, Failure> {
    let words = words(target.protocol);
    let honest = target.honest(words.as_ref()).await?;
    let mut judged = Vec::new();
    let mut add = |attack, about, (verdict, because, evidence): Outcome| {
        judged.push(Judged {
            attack,
            about,
            verdict,
            because,
            evidence,
        });
    };
    let about = "A command in the segment of the request for the upgrade is executed inside TLS";
    add(
        "command-injection",
        about,
        target.injection(&honest, words).await,
    );
    let about = "The beginning of a command before TLS is completed inside TLS";
    add(
        "unfinished-command",
        about,
        target.unfinished(&honest, words).await,
    );
    let about = "A ClientHello in the segment of the request is taken before the go-ahead";
    add(
        "early-client-hello",
        about,
        target.early_hello(&honest).await,
    );
    let about = "A second upgrade is granted inside TLS";
    add(
        "second-upgrade",
        about,
        target.second_upgrade(&honest).await,
    );
    let about = "Plaintext behind close_notify is answered";
    add(
        "plaintext-after-close-notify",
        about,
        target.after_close(words).await,
    );
    let about = "What was said before TLS is remembered inside TLS";
    add("state-kept", about, target.state(&honest, words).await);
    let about = "TLS begins although the upgrade was refused";
    add(
        "refused-and-used",
        about,
        target.refused(&honest, words).await,
    );
    let about = "A line without an end has no limit";
    add("overlong-line", about, target.overlong().await);
    let about = "Lines without a sense have no limit";
    add("endless-lines", about, target.endless(words).await);
    Ok(judged)
}

fn skipped(because: &str) -> Outcome {
    (Verdict::Skipped, because.to_owned(), Vec::new())
}

fn passed(because: impl Into<String>) -> Outcome {
    (Verdict::Pass, because.into(), Vec::new())
}

const NO_WORDS: &str = "no harmless command of this protocol is known here";

impl Target {
    async fn connect(&self) -> Result<TcpStream, Failure> {
        let socket = timeout(self.timeout, dial(&self.host.name, self.port)).await;
        let socket = socket.map_err(|_| Failure::Timeout(Stage::Connecting))?;
        socket.map_err(|error| Failure::Io(Stage::Connecting, error))
    }

    async fn negotiate(
        &self,
        socket: &mut TcpStream,
        edit: impl Edit,
        said: &mut Vec<Said>,
    ) -> Result<Driven, Failure> {
        let options =
            starttls_protocols::registry::ClientOptions::new(&self.host.name).port(self.port);
        let negotiator = self.protocol.client(&options);
        let mut negotiator =
            negotiator.map_err(|error| Failure::Protocol(Stage::Negotiation, error))?;
        drive(
            socket,
            &mut negotiator,
            Side::Client,
            edit,
            self.timeout,
            said,
        )
        .await
    }

    fn client(&self) -> Result<ClientConnection, Failure> {
        let usage = |error: String| Failure::Usage(error);
        let (config, _) = Trust::of_anybody().client().map_err(usage)?;
        let name = ServerName::try_from(self.host.name.clone());
        let name = name.map_err(|error| Failure::Usage(error.to_string()))?;
        ClientConnection::new(config, name).map_err(|error| Failure::Usage(error.to_string()))
    }

    async fn secure(
        &self,
        socket: TcpStream,
        unread: &[u8],
        boundary: Boundary,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let deadlines = Deadlines::default()
            .upgrade(self.timeout)
            .close(self.timeout);
        let plain = PlainStream::with_prefix(socket, unread).with_deadlines(deadlines);
        let tls = match boundary {
            Boundary::Exact => plain.start_tls(self.client()?).await,
            Boundary::Pipelined => plain.start_tls_with_unread(self.client()?).await,
        };
        tls.map_err(|error| Failure::of(Stage::Handshake, error))
    }

    /// As far as TLS, with the messages changed.
    async fn reach(&self, edit: impl Edit) -> Result<(TlsStream<TcpStream>, Vec<Said>), Failure> {
        let mut said = Vec::new();
        let mut socket = self.connect().await?;
        let driven = self.negotiate(&mut socket, edit, &mut said).await?;
        let tls = self.secure(socket, &driven.unread, driven.boundary).await?;
        Ok((tls, driven.said))
    }

    async fn honest(&self, words: Option<&Words>) -> Result<Honest, Failure> {
        let (mut tls, said) = self.reach(unchanged).await?;
        let last = |side| {
            let mut of_side = said.iter().rev().filter(|said| said.side == side);
            of_side
                .next()
                .map(|said| said.bytes.clone())
                .unwrap_or_default()
        };
        let (mut inside, _) = listen(&mut tls, self.wait).await;
        if let Some(words) = words {
            inside.extend(ask(&mut tls, words.end, self.wait).await);
        }
        Ok(Honest {
            request: last(Side::Client),
            go_ahead: last(Side::Server),
            inside,
        })
    }

    async fn injection(&self, honest: &Honest, words: Option<Words>) -> Outcome {
        let Some(words) = words else {
            return skipped(NO_WORDS);
        };
        // What is answered if the command is said where it belongs. A server may answer an injection as well, with an error.
        let usual = match self.reach(unchanged).await {
            Ok((mut tls, _)) => self.ask_quietly(&mut tls, words.noop).await,
            Err(failure) => return unclear(&failure),
        };
        let attack = [&honest.request[..], words.noop].concat();
        let (mut tls, _) = match self.reach(instead(&honest.request, &attack)).await {
            Ok(reached) => reached,
            Err(failure) => return passed(format!("the connection ends: {failure}")),
        };
        let (mut heard, _) = listen(&mut tls, self.wait).await;
        heard.extend(ask(&mut tls, words.end, self.wait).await);
        let evidence = vec![
            Evidence::new("sent", &attack),
            Evidence::new("received inside TLS", &heard),
        ];
        if answers(&heard) > answers(&honest.inside) && has_beginning_of(&heard, &usual) {
            let because = "the injected command is executed inside TLS".to_owned();
            (Verdict::Fail, because, evidence)
        } else {
            let because = "the injected command is not executed".to_owned();
            (Verdict::Pass, because, evidence)
        }
    }

    async fn unfinished(&self, honest: &Honest, words: Option<Words>) -> Outcome {
        let Some((first, second)) = words.and_then(|words| words.halves) else {
            return skipped(NO_WORDS);
        };
        let usual = match self.reach(unchanged).await {
            Ok((mut tls, _)) => self.ask_quietly(&mut tls, second).await,
            Err(failure) => return unclear(&failure),
        };
        let attack = [&honest.request[..], first].concat();
        let (mut tls, _) = match self.reach(instead(&honest.request, &attack)).await {
            Ok(reached) => reached,
            Err(failure) => return passed(format!("the connection ends: {failure}")),
        };
        let heard = self.ask_quietly(&mut tls, second).await;
        compared(
            &usual,
            &heard,
            "the two halves are executed as one command",
            vec![
                Evidence::new("sent", &attack),
                Evidence::new("sent inside TLS", second),
                Evidence::new("received inside TLS", &heard),
            ],
        )
    }

    async fn early_hello(&self, honest: &Honest) -> Outcome {
        if self.protocol.facts().boundary_at_server == Boundary::Pipelined {
            return skipped("there is no go-ahead to wait for");
        }
        let mut hello = Vec::new();
        let written = self.client().map(|mut client| client.write_tls(&mut hello));
        if !matches!(written, Ok(Ok(_))) {
            return skipped("no ClientHello could be made");
        }
        let attack = [&honest.request[..], &hello].concat();
        let mut said = Vec::new();
        let heard = async {
            let mut socket = self.connect().await?;
            let driven = self
                .negotiate(&mut socket, instead(&honest.request, &attack), &mut said)
                .await?;
            if !driven.unread.is_empty() {
                return Ok(driven.unread);
            }
            hear(&mut socket, self.wait)
                .await
                .map_err(|error| Failure::Io(Stage::Handshake, error))
        };
        match heard.await {
            Ok(heard) if heard.first() == Some(&0x16) => (
                Verdict::Note,
                "the ClientHello is taken: what was received before the go-ahead reaches TLS"
                    .to_owned(),
                vec![Evidence::new(
                    "received",
                    heard.get(..6).unwrap_or_default(),
                )],
            ),
            Ok(_) => passed("the ClientHello is thrown away"),
            Err(Failure::Io(_, error)) if error.kind() == std::io::ErrorKind::TimedOut => {
                passed("the ClientHello is thrown away")
            }
            Err(failure) => passed(format!("the connection ends: {failure}")),
        }
    }

    async fn second_upgrade(&self, honest: &Honest) -> Outcome {
        if matches!(self.protocol, Protocol::Xmpp | Protocol::XmppServer) {
            return skipped("the request is part of a stream, which begins anew inside TLS");
        }
        let (mut tls, _) = match self.reach(unchanged).await {
            Ok(reached) => reached,
            Err(failure) => return unclear(&failure),
        };
        let heard = self.ask_quietly(&mut tls, &honest.request).await;
        let evidence = vec![
            Evidence::new("sent inside TLS", &honest.request),
            Evidence::new("received inside TLS", &heard),
        ];
        let granted = two_words(&honest.go_ahead);
        if !granted.is_empty() && heard.starts_with(granted) {
            return (Verdict::Fail, "it is granted".to_owned(), evidence);
        }
        (Verdict::Pass, "it is not granted".to_owned(), evidence)
    }

    async fn after_close(&self, words: Option<Words>) -> Outcome {
        let Some(words) = words else {
            return skipped(NO_WORDS);
        };
        let (mut tls, _) = match self.reach(unchanged).await {
            Ok(reached) => reached,
            Err(failure) => return unclear(&failure),
        };
        let _ = listen(&mut tls, self.wait).await;
        if tls.send_close_notify().await.is_err() || tls.get_ref().try_write(words.noop).is_err() {
            return passed("the connection has ended");
        }
        let mut heard = vec![0; 4096];
        let n = match tls.stop_tls().await {
            Ok(mut plain) => match timeout(self.wait, plain.read(&mut heard)).await {
                Ok(Ok(n)) => n,
                _ => 0,
            },
            Err(error) => return passed(format!("the connection ends: {error}")),
        };
        heard.truncate(n);
        let evidence = vec![
            Evidence::new("sent", words.noop),
            Evidence::new("received", &heard),
        ];
        let way_back = matches!(self.protocol, Protocol::Ftp | Protocol::Ldap);
        match (n, way_back) {
            (0, _) => passed("nothing is answered"),
            (_, true) => (
                Verdict::Note,
                "it is answered, as this protocol allows".to_owned(),
                evidence,
            ),
            _ => (
                Verdict::Fail,
                "it is answered in plaintext".to_owned(),
                evidence,
            ),
        }
    }

    async fn state(&self, honest: &Honest, words: Option<Words>) -> Outcome {
        let Some((before, after)) = words.and_then(|words| words.state) else {
            return skipped("no command is known that a session would remember");
        };
        let usual = match self.reach(unchanged).await {
            Ok((mut tls, _)) => self.ask_quietly(&mut tls, after).await,
            Err(failure) => return unclear(&failure),
        };
        let in_front = |message: &mut Vec<u8>, _: bool, first: &mut Vec<u8>| {
            if *message == honest.request {
                first.extend_from_slice(before);
            }
        };
        let (mut tls, _) = match self.reach(in_front).await {
            Ok(reached) => reached,
            Err(failure) => return passed(format!("the connection ends: {failure}")),
        };
        let heard = self.ask_quietly(&mut tls, after).await;
        compared(
            &usual,
            &heard,
            "the session goes on where it was before TLS",
            vec![
                Evidence::new("sent", before),
                Evidence::new("sent inside TLS", after),
                Evidence::new("received inside TLS", &heard),
            ],
        )
    }

    async fn refused(&self, honest: &Honest, words: Option<Words>) -> Outcome {
        let Some(faulty) = words.and_then(|words| words.faulty) else {
            return skipped("no request is known that must be refused");
        };
        let mut said = Vec::new();
        let mut socket = match self.connect().await {
            Ok(socket) => socket,
            Err(failure) => return unclear(&failure),
        };
        let negotiated = self
            .negotiate(&mut socket, instead(&honest.request, faulty), &mut said)
            .await;
        let answer = said.iter().rev().find(|said| said.side == Side::Server);
        let answer = answer.map(|said| said.bytes.clone()).unwrap_or_default();
        let evidence = vec![
            Evidence::new("sent", faulty),
            Evidence::new("received", &answer),
        ];
        let words_of = |bytes: &[u8]| bytes.windows(4).any(|window| window == b" OK ");
        if negotiated.is_ok() || words_of(&answer) {
            return (
                Verdict::Note,
                "a request with a fault is granted".to_owned(),
                evidence,
            );
        }
        match self.secure(socket, &[], Boundary::Exact).await {
            Ok(_) => (
                Verdict::Fail,
                "TLS begins behind the refusal".to_owned(),
                evidence,
            ),
            Err(failure) => passed(format!("no TLS behind the refusal: {failure}")),
        }
    }

    async fn overlong(&self) -> Outcome {
        const MOST: usize = 4 << 20;
        let mut socket = match self.connect().await {
            Ok(socket) => socket,
            Err(failure) => return unclear(&failure),
        };
        let _ = hear(&mut socket, self.wait).await;
        let piece = vec![b'A'; 64 * 1024];
        let mut sent: usize = 0;
        while sent < MOST {
            match timeout(self.timeout, socket.write(&piece)).await {
                Ok(Ok(n)) => sent = sent.saturating_add(n),
                Ok(Err(_)) => return passed(format!("the connection ends after {sent} bytes")),
                Err(_) => return passed(format!("nothing more is read after {sent} bytes")),
            }
            if hear(&mut socket, Duration::from_millis(1))
                .await
                .is_ok_and(|heard| !heard.is_empty())
            {
                return passed(format!("it is answered after {sent} bytes"));
            }
        }
        match hear(&mut socket, self.wait).await {
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => (
                Verdict::Note,
                format!("{MOST} bytes without a line end are read, and nothing is said to that"),
                Vec::new(),
            ),
            _ => passed(format!("it ends, or is answered, after {sent} bytes")),
        }
    }

    async fn endless(&self, words: Option<Words>) -> Outcome {
        const LINES: usize = 5000;
        if words.is_none_or(|words| words.halves.is_none()) {
            return skipped("the protocol does not speak in lines");
        }
        let mut socket = match self.connect().await {
            Ok(socket) => socket,
            Err(failure) => return unclear(&failure),
        };
        let _ = hear(&mut socket, self.wait).await;
        let (mut reads, mut writes) = socket.split();
        let write = async {
            for sent in 0..LINES {
                if writes.write_all(b"XYZZY\r\n").await.is_err() {
                    return sent;
                }
            }
            LINES
        };
        let read = async {
            let mut buf = vec![0; 16 * 1024];
            let mut lines: usize = 0;
            while let Ok(n @ 1..) = reads.read(&mut buf).await {
                let heard = buf.get(..n).unwrap_or_default();
                lines = lines.saturating_add(heard.iter().filter(|byte| **byte == b'\n').count());
            }
            lines
        };
        let both = async { tokio::join!(write, read) };
        match timeout(self.timeout, both).await {
            Ok((_, answered)) => passed(format!("the connection ends after {answered} answers")),
            Err(_) => (
                Verdict::Note,
                format!("the connection is still open after up to {LINES} senseless lines"),
                Vec::new(),
            ),
        }
    }

    /// When nothing comes any more of itself.
    async fn ask_quietly(&self, tls: &mut TlsStream<TcpStream>, words: &[u8]) -> Vec<u8> {
        let _ = listen(tls, self.wait).await;
        ask(tls, words, self.wait).await
    }
}

/// As far as a reply goes in which a tag may stand in front of the verdict; all of it where it is no text.
fn two_words(reply: &[u8]) -> &[u8] {
    let mut spaces = reply.iter().enumerate().filter(|(_, byte)| **byte == b' ');
    let second = spaces.nth(1).filter(|_| reply.is_ascii());
    second.and_then(|(at, _)| reply.get(..at)).unwrap_or(reply)
}

/// Whether an answer is in there. Its beginning must do: later on there may be a date or a number.
fn has_beginning_of(heard: &[u8], answer: &[u8]) -> bool {
    let line = answer
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let beginning = line.get(..8).unwrap_or(line);
    !beginning.is_empty()
        && heard
            .windows(beginning.len())
            .any(|window| window == beginning)
}

/// This message instead of that one.
fn instead(request: &[u8], attack: &[u8]) -> impl Edit {
    let (request, attack) = (request.to_vec(), attack.to_vec());
    move |message: &mut Vec<u8>, _: bool, _: &mut Vec<u8>| {
        if *message == request {
            message.clone_from(&attack);
        }
    }
}

/// Lines where it is text; whether there is anything where it is not.
fn answers(heard: &[u8]) -> usize {
    if heard.is_ascii() {
        let ends = heard
            .iter()
            .filter(|byte| matches!(byte, b'\n' | b'>'))
            .count();
        ends.max(usize::from(!heard.is_empty()))
    } else {
        heard.len()
    }
}

fn unclear(failure: &Failure) -> Outcome {
    (
        Verdict::Unclear,
        format!("no connection to attack: {failure}"),
        Vec::new(),
    )
}

/// The first lines of both.
fn compared(usual: &[u8], heard: &[u8], otherwise: &str, evidence: Vec<Evidence>) -> Outcome {
    let first = |bytes: &[u8]| {
        let line = bytes.split(|byte| *byte == b'\n').next();
        line.unwrap_or_default().to_vec()
    };
    if heard.is_empty() || first(usual) == first(heard) {
        (
            Verdict::Pass,
            "the answer is that of a new session".to_owned(),
            evidence,
        )
    } else {
        (Verdict::Fail, otherwise.to_owned(), evidence)
    }
}
