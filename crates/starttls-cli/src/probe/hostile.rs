//! A hostile server, and what its clients do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use starttls_protocols::registry::Protocol;
use starttls_tokio::rustls::pki_types::PrivateKeyDer;
use starttls_tokio::rustls::{ServerConfig, ServerConnection};
use starttls_tokio::starttls_core::Boundary;
use starttls_tokio::{Deadlines, PlainStream};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::dial::{Said, Side};
use crate::middle::server_side;
use crate::probe::cases::Case;
use crate::probe::drive::{drive, hear};
use crate::probe::inside::listen;
use crate::probe::words::words;
use crate::probe::{Evidence, Judged, Verdict};
use crate::report::Failure;
use crate::terminal;

/// How to be hostile.
pub(crate) struct Hostile {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
    pub(crate) cases: Vec<Case>,
    pub(crate) name: String,
    pub(crate) ca_out: Option<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) wait: Duration,
}

/// One certificate for each purpose.
struct Configs {
    good: Arc<ServerConfig>,
    unknown: Arc<ServerConfig>,
    wrong: Arc<ServerConfig>,
    expired: Arc<ServerConfig>,
}

type Outcome = (Verdict, String, Vec<Evidence>);

/// Serves one connection for each case, and judges.
pub(crate) async fn serve(hostile: Hostile) -> Result<Vec<Judged>, String> {
    let configs = hostile.configs().map_err(|error| error.to_string())?;
    let listener = TcpListener::bind(hostile.address).await;
    let listener = listener.map_err(|error| format!("{}: {error}", hostile.address))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    terminal::complain(&format!("listening {address}\n"));
    let mut cases = hostile.cases.clone();
    if cases.is_empty() {
        cases.extend(Case::ALL);
    }
    // What an honest server hears is what the others are compared with.
    cases.retain(|case| *case != Case::Honest);
    cases.insert(0, Case::Honest);
    let mut judged = Vec::new();
    let mut honest = Vec::new();
    for case in cases {
        let outcome = if let Some(reason) = hostile.does_not_apply(case) {
            (Verdict::Skipped, reason.to_owned(), Vec::new())
        } else {
            terminal::complain(&format!("waiting for a client: {}\n", case.name()));
            let (socket, _) = listener.accept().await.map_err(|error| error.to_string())?;
            let _ = socket.set_nodelay(true);
            hostile.attack(case, socket, &configs, &mut honest).await
        };
        let (verdict, because, evidence) = outcome;
        judged.push(Judged {
            attack: case.name(),
            about: case.about(),
            verdict,
            because,
            evidence,
        });
    }
    Ok(judged)
}

impl Hostile {
    fn does_not_apply(&self, case: Case) -> Option<&'static str> {
        let words = words(self.protocol);
        match case {
            Case::Preauth if self.protocol != Protocol::Imap => Some("only IMAP has PREAUTH"),
            Case::InjectedReply if words.is_none() => {
                Some("no reply of this protocol is known here")
            }
            Case::Refused | Case::Stripped if words.is_none_or(|words| words.refusal.is_none()) => {
                Some("no refusal of this protocol is known here")
            }
            Case::Stripped if self.offer().is_none() => Some("there is no offer to strip"),
            _ => None,
        }
    }

    /// The word by which the upgrade is offered.
    fn offer(&self) -> Option<&'static [u8]> {
        match self.protocol {
            Protocol::Smtp | Protocol::Lmtp | Protocol::Imap | Protocol::Nntp | Protocol::Sieve => {
                Some(b"STARTTLS")
            }
            Protocol::Pop3 => Some(b"STLS"),
            Protocol::Xmpp => Some(b"starttls"),
            _ => None,
        }
    }

    async fn attack(
        &self,
        case: Case,
        mut socket: TcpStream,
        configs: &Configs,
        honest: &mut Vec<u8>,
    ) -> Outcome {
        let mut said = Vec::new();
        let plaintext = matches!(case, Case::Refused | Case::Stripped | Case::Preauth);
        let reached = self.dialogue(case, &mut socket, &mut said).await;
        if plaintext {
            let _ = hear(&mut socket, self.wait).await.map(|heard| {
                said.push(Said {
                    side: Side::Client,
                    bytes: heard,
                });
            });
            return judge_plaintext(&said);
        }
        let (unread, boundary) = match reached {
            Ok(reached) => reached,
            Err(failure) => return before_tls(case, &failure, &said),
        };
        let config = match case {
            Case::UnknownAuthority => &configs.unknown,
            Case::WrongName => &configs.wrong,
            Case::Expired => &configs.expired,
            _ => &configs.good,
        };
        let deadlines = Deadlines::default()
            .upgrade(self.timeout)
            .close(self.timeout);
        let plain = PlainStream::with_prefix(socket, &unread).with_deadlines(deadlines);
        let tls = match (ServerConnection::new(config.clone()), boundary) {
            (Ok(connection), Boundary::Exact) => plain.start_tls(connection).await,
            (Ok(connection), Boundary::Pipelined) => plain.start_tls_with_unread(connection).await,
            (Err(error), _) => return (Verdict::Unclear, error.to_string(), Vec::new()),
        };
        let mut tls = match tls {
            Ok(tls) => tls,
            Err(error) if case == Case::Honest => {
                let because = format!(
                    "the client does not come to TLS ({error}): does it trust what --ca-out has?"
                );
                return (Verdict::Unclear, because, Vec::new());
            }
            Err(error) => {
                let because = format!("the client ends the connection: {error}");
                return (Verdict::Pass, because, Vec::new());
            }
        };
        let (heard, _) = listen(&mut tls, self.wait).await;
        let evidence = vec![Evidence::new("received inside TLS", &heard)];
        match case {
            Case::Honest => {
                *honest = heard;
                (
                    Verdict::Pass,
                    "the client comes to TLS".to_owned(),
                    evidence,
                )
            }
            Case::InjectedReply if lines(&heard) > lines(honest) => {
                let because = "the client goes on as if the injected reply had come through TLS";
                (Verdict::Fail, because.to_owned(), evidence)
            }
            Case::InjectedReply => {
                let because = "the injected reply is not taken for one from inside TLS";
                (Verdict::Pass, because.to_owned(), evidence)
            }
            _ if heard.is_empty() => {
                let because = "the client says nothing to this server";
                (Verdict::Pass, because.to_owned(), evidence)
            }
            _ => (
                Verdict::Fail,
                "the client accepts the certificate".to_owned(),
                evidence,
            ),
        }
    }

    /// The dialogue with what is hostile in it.
    async fn dialogue(
        &self,
        case: Case,
        socket: &mut TcpStream,
        said: &mut Vec<Said>,
    ) -> Result<(Vec<u8>, Boundary), Failure> {
        let negotiator = server_side(self.protocol, &self.name);
        let mut negotiator = negotiator
            .map_err(|error| Failure::Protocol(crate::report::Stage::Negotiation, error))?;
        let words = words(self.protocol);
        let mut greeted = false;
        let edit = |message: &mut Vec<u8>, done: bool, _: &mut Vec<u8>| {
            if case == Case::Preauth && !greeted {
                *message = b"* PREAUTH [CAPABILITY IMAP4rev1] ready\r\n".to_vec();
            }
            greeted = true;
            match (case, words, self.offer()) {
                (Case::InjectedReply, Some(words), _) if done => {
                    message.extend_from_slice(words.reply);
                }
                (Case::Stripped, _, Some(offer)) if !done => mask(message, offer),
                _ => {}
            }
            // The go-ahead is kept back; a refusal takes its place.
            if done && matches!(case, Case::Refused | Case::Stripped | Case::Preauth) {
                message.clear();
            }
        };
        let driven = drive(
            socket,
            &mut negotiator,
            Side::Server,
            edit,
            self.timeout,
            said,
        )
        .await?;
        if matches!(case, Case::Refused | Case::Stripped | Case::Preauth)
            && let Some(refusal) = words.and_then(|words| words.refusal)
        {
            let last = said.iter().rev().find(|said| said.side == Side::Client);
            let tag = last.and_then(|said| said.bytes.split(|byte| *byte == b' ').next());
            let refusal = match refusal.strip_prefix(b"TAG") {
                Some(rest) => [tag.unwrap_or(b"*"), rest].concat(),
                None => refusal.to_vec(),
            };
            let _ = socket.write_all(&refusal).await;
        }
        Ok((driven.unread, driven.boundary))
    }

    fn configs(&self) -> Result<Configs, Box<dyn std::error::Error>> {
        let authority = |name: &str| -> Result<_, rcgen::Error> {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new(Vec::new())?;
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
            let certificate = params.self_signed(&key)?;
            Ok((certificate, Issuer::new(params, key)))
        };
        let (certificate, issuer) = authority("starttls probe")?;
        let (_, stranger) = authority("somebody else")?;
        if let Some(file) = &self.ca_out {
            let pem = pem::Pem::new("CERTIFICATE", certificate.der().to_vec());
            std::fs::write(file, pem::encode(&pem))
                .map_err(|error| format!("{}: {error}", file.display()))?;
        }
        let leaf = |name: &str,
                    issuer: &Issuer<'_, KeyPair>,
                    expired: bool|
         -> Result<_, Box<dyn std::error::Error>> {
            let mut params = CertificateParams::new(vec![name.to_owned()])?;
            if expired {
                params.not_before = date_time_ymd(2000, 1, 1);
                params.not_after = date_time_ymd(2001, 1, 1);
            }
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, issuer)?;
            let key = PrivateKeyDer::try_from(key.serialize_der())?;
            let config = ServerConfig::builder()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)?;
            Ok(Arc::new(config))
        };
        Ok(Configs {
            good: leaf(&self.name, &issuer, false)?,
            unknown: leaf(&self.name, &stranger, false)?,
            wrong: leaf("wrong.invalid", &issuer, false)?,
            expired: leaf(&self.name, &issuer, true)?,
        })
    }
}

/// As the boxes on the path do it that do not want the mail to be encrypted: as many X.
fn mask(message: &mut [u8], offer: &[u8]) {
    let mut at = 0_usize;
    while let Some(window) = message.get_mut(at..at.saturating_add(offer.len())) {
        if window == offer {
            window.fill(b'X');
        }
        at = at.saturating_add(1);
    }
}

fn before_tls(case: Case, failure: &Failure, said: &[Said]) -> Outcome {
    let evidence = said
        .last()
        .map(|said| Evidence::new("received", &said.bytes));
    let evidence = evidence.into_iter().collect();
    match case {
        Case::InjectedReply => (
            Verdict::Pass,
            format!("the client ends the connection: {failure}"),
            evidence,
        ),
        _ => (
            Verdict::Unclear,
            format!("the client does not come to TLS: {failure}"),
            evidence,
        ),
    }
}

/// Verbs that say nothing of the user and ask for nothing, of all protocols with lines.
const HARMLESS: &[&str] = &[
    "EHLO",
    "HELO",
    "LHLO",
    "STARTTLS",
    "STLS",
    "CAPA",
    "CAPABILITY",
    "CAPABILITIES",
    "NOOP",
    "QUIT",
    "LOGOUT",
    "RSET",
    "HELP",
    "ID",
    "VER",
    "VERSION",
    "FEAT",
    "MODE",
    "CAP",
];

/// Whether the client went on as if there were TLS.
fn judge_plaintext(said: &[Said]) -> Outcome {
    for said in said.iter().filter(|said| said.side == Side::Client) {
        for line in said.bytes.split(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(line).trim().to_ascii_uppercase();
            let mut words = line.split_whitespace();
            // A tag stands in front of the verb in IMAP.
            let both = [
                words.next().unwrap_or_default(),
                words.next().unwrap_or_default(),
            ];
            let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
            let is_binary = !said.bytes.iter().all(is_text);
            let is_stream = line.starts_with('<');
            let asks_for_tls = both == ["AUTH", "TLS"] || both == ["AUTH", "SSL"];
            if line.is_empty()
                || is_binary
                || is_stream
                || asks_for_tls
                || both.iter().any(|word| HARMLESS.contains(word))
            {
                continue;
            }
            return (
                Verdict::Fail,
                "the client goes on in plaintext".to_owned(),
                vec![Evidence::new("received", &said.bytes)],
            );
        }
    }
    (Verdict::Pass, "the client gives up".to_owned(), Vec::new())
}

fn lines(heard: &[u8]) -> usize {
    heard
        .iter()
        .filter(|byte| matches!(byte, b'\n' | b'>'))
        .count()
}
