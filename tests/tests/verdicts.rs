//! What every verdict of every protocol leaves behind: the matrix of protocols, roles and verdicts, made of all transcripts.

use std::time::Duration;

use starttls_core::rustls::{ClientConnection, ServerConnection};
use starttls_core::{Error, Negotiator, Phase, Plain, Progress};
use starttls_tests::certs;
use starttls_tests::harness::negotiators::{AnyNegotiator, negotiator};
use starttls_tests::harness::transcript::{Transcript, protocols, read_directory};
use starttls_tokio::{Deadlines, Opportunistic, PlainStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

fn all() -> impl Iterator<Item = Transcript> {
    protocols()
        .into_iter()
        .flat_map(|protocol| read_directory(&protocol))
}

fn make(transcript: &Transcript) -> AnyNegotiator {
    let Transcript {
        protocol,
        role,
        start,
        options,
        ..
    } = transcript;
    negotiator(protocol, *role, *start, options)
}

/// What a negotiator comes to when it has heard all of it, and what it has left unread.
fn outcome(transcript: &Transcript) -> (Result<Progress, Error>, Vec<u8>) {
    let (mut negotiator, mut plain) = (make(transcript), Plain::new());
    let input = transcript.input();
    let mut rest = &input[..];
    let mut progress = negotiator.negotiate(&mut plain);
    while progress == Ok(Progress::NeedInput) && !rest.is_empty() {
        let taken = plain.handle_input(rest);
        rest = &rest[taken..];
        progress = negotiator.negotiate(&mut plain);
        plain.poll_transmit(&mut Vec::new());
    }
    if progress == Ok(Progress::NeedInput) && transcript.ends() {
        plain.handle_eof();
        progress = negotiator.negotiate(&mut plain);
    }
    (progress, [plain.peek(), rest].concat())
}

#[test]
fn the_text_blames_the_right_one_and_quotes_nobody() {
    for transcript in all() {
        let Err(error) = outcome(&transcript).0 else {
            continue;
        };
        let (name, text) = (&transcript.name, error.to_string());
        let says = |what: &str| text.contains(what);
        let right = match &error {
            Error::NotOffered => says("does not offer TLS"),
            Error::NotRequested => says("did not ask for TLS"),
            Error::Refused(_) => says("refused TLS"),
            Error::TunnelRefused(_) => says("tunnel") && !says("TLS"),
            Error::Goodbye(_) => says("ended the dialogue"),
            Error::Misbehaved(_) => says("broke the protocol"),
            Error::UnreadPlaintext { .. } => says("plaintext"),
            Error::Truncated(_) => says("the connection ended"),
            Error::Misuse(_) => says("misuse"),
            other => panic!("{name}: {other:?} in a negotiation"),
        };
        assert!(right, "{name}: {error:?} says \"{text}\"");
        let blames = says("broke the protocol");
        assert_eq!(blames, matches!(error, Error::Misbehaved(_)), "{name}");
        if let Error::Refused(said) | Error::TunnelRefused(said) | Error::Goodbye(said) = &error {
            let words = said.text.escaped();
            assert!(
                words.len() < 8 || !says(&words),
                "{name} quotes \"{words}\""
            );
        }
    }
}

/// Who asks for TLS if it can be had goes on in plaintext after exactly the verdicts that are a decline, in front of exactly the bytes that are
/// left; after any other there is no stream.
#[tokio::test(start_paused = true)]
async fn only_a_decline_leaves_a_stream_and_it_stands_at_what_is_left() {
    let mut declined = 0;
    for transcript in all() {
        let (progress, left) = outcome(&transcript);
        let Err(error) = progress else {
            continue;
        };
        let kept = match make(&transcript) {
            AnyNegotiator::Client(client) => {
                let connection: ClientConnection = certs::client();
                opportunistic(&transcript, client, connection).await
            }
            AnyNegotiator::Server(server) => {
                let connection: ServerConnection = certs::server();
                opportunistic(&transcript, server, connection).await
            }
        };
        let name = &transcript.name;
        assert_eq!(kept.is_some(), error.is_declined(), "{name}: {error:?}");
        if let Some(unread) = kept {
            declined += 1;
            let (unread, left) = (unread.escape_ascii(), left.escape_ascii());
            assert_eq!(unread.to_string(), left.to_string(), "{name}");
        }
    }
    assert!(declined > 50, "only {declined} are declined");
}

/// What can be read after a decline; `None` if there is no stream.
async fn opportunistic<N: Negotiator>(
    transcript: &Transcript,
    negotiator: N,
    connection: N::Tls,
) -> Option<Vec<u8>> {
    let (ours, mut theirs) = duplex(1 << 20);
    theirs.write_all(&transcript.input()).await.unwrap();
    if transcript.ends() {
        theirs.shutdown().await.unwrap();
    }
    let deadlines = Deadlines::default().upgrade(Duration::from_secs(1));
    let plain = PlainStream::new(ours).with_deadlines(deadlines);
    let Ok(Opportunistic::Declined { mut plain, .. }) = plain
        .upgrade_opportunistically(negotiator, connection)
        .await
    else {
        return None;
    };
    // The stream is usable in both directions.
    plain.write_all(b"still here").await.unwrap();
    plain.flush().await.unwrap();
    theirs.shutdown().await.unwrap();
    let mut unread = Vec::new();
    plain.read_to_end(&mut unread).await.unwrap();
    drop(plain);
    let mut heard = Vec::new();
    theirs.read_to_end(&mut heard).await.unwrap();
    assert!(heard.ends_with(b"still here"), "{}", transcript.name);
    Some(unread)
}
