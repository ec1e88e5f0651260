//! `upgrade_by` and `channel_bindings` in every adapter: TLS, or plaintext only where the policy allows it, and never silently.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use starttls_core::Error as CoreError;
use starttls_core::Misuse;
use starttls_core::rustls::ServerConnection;
use starttls_policy::binding::{BindingType, Bindings};
use starttls_policy::decision::{Action, By, Decision, Reason, Requirement};
use starttls_policy::pin::Pin;
use starttls_policy::{Failed, Offered, Outcome, Policy, Report, Trust, Upgraded};
use starttls_protocols::smtp;
use starttls_tests::certs::{CERTS, SERVER, VERSIONS, client_config_with};

/// What the server does.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// Speaks TLS.
    Upgrades,
    /// Does not offer it.
    Declines,
    /// Offers it and refuses when asked.
    Refuses,
    /// Agrees and then hangs up.
    HangsUp,
}

/// A server for one connection; what it has heard in plaintext, in the end.
fn serve(peer: Peer) -> (u16, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        match peer {
            Peer::Upgrades => {
                let connection = ServerConnection::new(SERVER.clone()).unwrap();
                let negotiator = smtp::Server::new("localhost");
                let tls = starttls_stream::PlainStream::new(socket).upgrade(negotiator, connection);
                if let Ok(mut tls) = tls {
                    let _ = tls.read(&mut [0; 10]);
                }
                Vec::new()
            }
            Peer::Declines => dialogue(socket, "250 localhost\r\n", ""),
            Peer::Refuses => dialogue(
                socket,
                "250-localhost\r\n250 STARTTLS\r\n",
                "454 not now\r\n",
            ),
            Peer::HangsUp => dialogue(
                socket,
                "250-localhost\r\n250 STARTTLS\r\n",
                "220 go ahead\r\n",
            ),
        }
    });
    (port, heard)
}

/// The client may hang up anywhere: what it has said until then is what counts.
fn dialogue(mut socket: TcpStream, capabilities: &str, answer: &str) -> Vec<u8> {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let mut heard = Vec::new();
    let _ = socket.write_all(b"220 localhost\r\n");
    let _ = reader.read_until(b'\n', &mut heard);
    let _ = socket.write_all(capabilities.as_bytes());
    if !answer.is_empty() {
        let _ = reader.read_until(b'\n', &mut heard);
        let _ = socket.write_all(answer.as_bytes());
    }
    if !answer.starts_with("220") {
        let _ = reader.read_to_end(&mut heard);
    }
    heard
}

fn policy(requirement: Requirement) -> Policy {
    policy_with(
        requirement,
        vec![Pin::of_certificate(&CERTS.server.certificate).unwrap()],
    )
}

fn policy_with(requirement: Requirement, pins: Vec<Pin>) -> Policy {
    let decision = Decision {
        action: Action::Connect(requirement),
        reason: Reason::NothingPublished,
        observe: None,
    };
    let config = Arc::new(client_config_with(&VERSIONS));
    let trust = Trust {
        pins,
        ..Trust::default()
    };
    Policy::new(decision, "localhost".try_into().unwrap(), config, trust).unwrap()
}

/// What came of an upgrade, the same for all adapters.
#[derive(Debug)]
enum Came {
    Tls(Report, Bindings),
    Plaintext(Report),
    Nothing(starttls_stream::Error, Option<Report>),
}

type Upgrade = fn(u16, &Policy) -> Came;

const ADAPTERS: [(&str, Upgrade); 4] = [
    ("stream", |port, policy| {
        let plain =
            starttls_stream::PlainStream::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
        match plain.upgrade_by(policy, smtp::Client::new("me")) {
            Ok(Upgraded::Tls(tls, report)) => Came::Tls(report, tls.channel_bindings()),
            Ok(Upgraded::Plaintext(mut plain, report)) => {
                plain.write_all(b"MAIL\r\n").unwrap();
                plain.flush().unwrap();
                Came::Plaintext(report)
            }
            Err(failed) => failure(failed),
        }
    }),
    ("tokio", |port, policy| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let plain = starttls_tokio::connect(("127.0.0.1", port)).await.unwrap();
            match plain.upgrade_by(policy, smtp::Client::new("me")).await {
                Ok(Upgraded::Tls(tls, report)) => Came::Tls(report, tls.channel_bindings()),
                Ok(Upgraded::Plaintext(mut plain, report)) => {
                    use tokio::io::AsyncWriteExt;
                    plain.write_all(b"MAIL\r\n").await.unwrap();
                    plain.flush().await.unwrap();
                    Came::Plaintext(report)
                }
                Err(failed) => failure(failed),
            }
        })
    }),
    ("smol", |port, policy| {
        smol::block_on(async {
            let plain = starttls_smol::connect(("127.0.0.1", port)).await.unwrap();
            match plain.upgrade_by(policy, smtp::Client::new("me")).await {
                Ok(Upgraded::Tls(tls, report)) => Came::Tls(report, tls.channel_bindings()),
                Ok(Upgraded::Plaintext(mut plain, report)) => {
                    use futures_util::AsyncWriteExt;
                    plain.write_all(b"MAIL\r\n").await.unwrap();
                    plain.flush().await.unwrap();
                    Came::Plaintext(report)
                }
                Err(failed) => failure(failed),
            }
        })
    }),
    ("async-std", |port, policy| {
        async_std::task::block_on(async {
            let plain = starttls_async_std::connect(("127.0.0.1", port))
                .await
                .unwrap();
            match plain.upgrade_by(policy, smtp::Client::new("me")).await {
                Ok(Upgraded::Tls(tls, report)) => Came::Tls(report, tls.channel_bindings()),
                Ok(Upgraded::Plaintext(mut plain, report)) => {
                    use futures_util::AsyncWriteExt;
                    plain.write_all(b"MAIL\r\n").await.unwrap();
                    plain.flush().await.unwrap();
                    Came::Plaintext(report)
                }
                Err(failed) => failure(failed),
            }
        })
    }),
];

fn failure(failed: Failed<starttls_stream::Error>) -> Came {
    Came::Nothing(failed.error, failed.report.map(|report| *report))
}

const REQUIREMENTS: [Requirement; 4] = [
    Requirement::Disabled,
    Requirement::Opportunistic,
    Requirement::Encrypt,
    Requirement::Verify(By::Pinned),
];

#[test]
fn tls_or_plaintext_where_that_is_allowed_or_nothing() {
    for (adapter, upgrade) in ADAPTERS {
        for requirement in REQUIREMENTS {
            for peer in [Peer::Upgrades, Peer::Declines, Peer::Refuses, Peer::HangsUp] {
                if requirement == Requirement::Disabled && !matches!(peer, Peer::Declines) {
                    continue;
                }
                let (port, heard) = serve(peer);
                let came = upgrade(port, &policy(requirement));
                let heard = heard.join().unwrap();
                let what = format!("{adapter} {requirement:?} {peer:?}: {came:?}");
                match (requirement, peer, &came) {
                    (Requirement::Disabled, _, Came::Plaintext(report)) => {
                        assert!(
                            !report.is_downgraded() && report.offered == Offered::NotAsked,
                            "{what}"
                        );
                        assert!(
                            !heard.windows(8).any(|window| window == b"STARTTLS"),
                            "{what}"
                        );
                    }
                    (_, Peer::Upgrades, Came::Tls(report, bindings)) => {
                        assert_eq!(
                            (report.outcome, report.offered),
                            (Outcome::Tls, Offered::Yes),
                            "{what}"
                        );
                        let pinned = requirement == Requirement::Verify(By::Pinned);
                        assert_eq!(report.authenticated, pinned.then_some(By::Pinned), "{what}");
                        let kinds: Vec<_> = bindings
                            .iter()
                            .map(starttls_policy::binding::Binding::kind)
                            .collect();
                        assert_eq!(
                            kinds,
                            [BindingType::TlsExporter, BindingType::TlsServerEndPoint],
                            "{what}"
                        );
                    }
                    (
                        Requirement::Opportunistic,
                        Peer::Declines | Peer::Refuses,
                        Came::Plaintext(report),
                    ) => {
                        assert!(
                            report.is_downgraded() && report.offered == Offered::No,
                            "{what}"
                        );
                        assert!(heard.ends_with(b"MAIL\r\n"), "{what}");
                    }
                    (
                        Requirement::Encrypt | Requirement::Verify(_),
                        Peer::Declines | Peer::Refuses,
                        Came::Nothing(error, Some(report)),
                    ) => {
                        assert!(
                            error.protocol().is_some_and(CoreError::is_declined),
                            "{what}"
                        );
                        assert_eq!(
                            (report.outcome, report.offered),
                            (Outcome::Failed, Offered::No),
                            "{what}"
                        );
                        assert!(!heard.windows(4).any(|window| window == b"MAIL"), "{what}");
                    }
                    (_, Peer::HangsUp, Came::Nothing(_, Some(report))) => {
                        assert_eq!(report.outcome, Outcome::Failed, "{what}");
                        assert!(!heard.windows(4).any(|window| window == b"MAIL"), "{what}");
                    }
                    _ => panic!("{what}"),
                }
            }
        }
    }
}

#[test]
fn a_wrong_peer_is_refused_and_reported() {
    for (adapter, upgrade) in ADAPTERS {
        let (port, heard) = serve(Peer::Upgrades);
        let wrong = vec![Pin::of_certificate(&CERTS.other.certificate).unwrap()];
        let came = upgrade(port, &policy_with(Requirement::Verify(By::Pinned), wrong));
        heard.join().unwrap();
        let Came::Nothing(starttls_stream::Error::Protocol(CoreError::Tls(_)), Some(report)) =
            &came
        else {
            panic!("{adapter}: {came:?}");
        };
        assert_eq!(
            (report.outcome, report.offered),
            (Outcome::Failed, Offered::Yes)
        );
        assert!(report.failure.is_some() && report.error.is_some());
    }
}

#[test]
fn a_policy_without_what_it_needs_says_so_and_sends_nothing() {
    for (adapter, upgrade) in ADAPTERS {
        let (port, heard) = serve(Peer::Declines);
        let came = upgrade(
            port,
            &policy_with(Requirement::Verify(By::Pinned), Vec::new()),
        );
        let Came::Nothing(
            starttls_stream::Error::Protocol(CoreError::Misuse(Misuse::Configuration(_))),
            None,
        ) = &came
        else {
            panic!("{adapter}: {came:?}");
        };
        assert_eq!(heard.join().unwrap(), b"");
    }
}
