//! Implicit TLS and the upgrade mixed up: what is said of it; and both on one port.

use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Misbehaviour, Negotiator, Output, Phase, Plain, Tls, Upgrade};
use starttls_protocols::diagnose::diagnose;
use starttls_protocols::registry::{First, Protocol, Role, ServerOptions};
use starttls_protocols::sniff::Unified;
use starttls_protocols::{ldap, smtp};
use starttls_tests::certs::{VERSIONS, pair_of};
use starttls_tests::memory::give;

fn client_hello() -> Vec<u8> {
    let (client, _) = pair_of(VERSIONS[0]);
    let mut hello = Vec::new();
    Tls::new_implicit(client).poll_transmit(&mut hello);
    hello
}

fn server_options() -> ServerOptions {
    ServerOptions::new("mail.example.org").random([7; 20])
}

#[test]
fn tls_to_a_server_that_greets_names_its_protocol() {
    for protocol in Protocol::ALL {
        let facts = protocol.facts();
        if facts.first_in_plaintext != First::Server {
            continue;
        }
        let mut greeting = Plain::new();
        let mut server = protocol
            .server(&server_options())
            .expect("complete options");
        let _progress = greeting.negotiate(&mut server);
        let mut words = Vec::new();
        greeting.poll_transmit(&mut words);

        let (client, _) = pair_of(VERSIONS[0]);
        let mut tls = Tls::new_implicit(client);
        give(&mut tls, &words, usize::MAX);
        let error = tls.error().expect("it is not TLS");
        let advice = diagnose(error).unwrap_or_else(|| panic!("{protocol}: {error:?}"));
        let advice = advice.role(Role::Client).to_string();
        assert!(advice.contains(facts.title), "{protocol}: {advice}");
        assert!(advice.contains(facts.upgrade), "{protocol}: {advice}");
    }
}

#[test]
fn a_client_hello_to_a_server_of_the_upgrade_is_named() {
    let mut plain = Plain::with_prefix(&client_hello());
    let error = plain.negotiate(&mut smtp::Server::new("mail.example.org"));
    let error = error.expect_err("SMTP begins in plaintext");
    assert_eq!(error, Misbehaviour::TlsTooEarly.into());
    let advice = diagnose(&error).expect("it is TLS").wanted(Protocol::Smtp);
    assert_eq!(
        advice.role(Role::Server).to_string(),
        "the client began with TLS: it did not wait for the go-ahead, or it takes this port for implicit TLS \
         (SMTP has 465 for that, and 25 for STARTTLS)"
    );
}

#[test]
fn plaintext_to_a_port_with_implicit_tls_gets_an_alert_that_is_named() {
    let (_, server) = pair_of(VERSIONS[0]);
    let mut tls = Tls::new_implicit(server);
    let request = [0x30, 0x0c, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0];
    give(&mut tls, &request, usize::MAX);
    let error = tls.error().expect("it is not TLS").clone();
    assert_eq!(
        diagnose(&error).map(|advice| advice.role(Role::Server).to_string()),
        Some(
            "the peer speaks LDAP in plaintext: it takes this port for one with StartTLS"
                .to_owned()
        )
    );

    let mut alert = Vec::new();
    tls.poll_transmit(&mut alert);
    let error = Plain::with_prefix(&alert).negotiate(&mut ldap::Client::new());
    let error = error.expect_err("an alert is no answer");
    let advice = diagnose(&error).expect("it is TLS").wanted(Protocol::Ldap);
    assert_eq!(
        advice.role(Role::Client).to_string(),
        "the server speaks TLS from the first byte: this port is implicit TLS (LDAP has 636 for that, and 389 for StartTLS)"
    );
}

/// Lets one of them talk to a server that takes both.
fn meet(
    mut client: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    server: &mut Upgrade<impl Negotiator<Tls = ServerConnection>>,
) {
    let mut to_client = Vec::new();
    loop {
        match server.poll_output() {
            Ok(Output::Transmit(bytes)) => to_client.extend(bytes),
            Ok(Output::NeedInput) => {
                let bytes = client(&std::mem::take(&mut to_client)).expect("both wait");
                // In pieces, as the first bytes may come.
                for byte in bytes {
                    assert_eq!(server.handle_input(&[byte]), 1);
                }
            }
            Ok(Output::Upgraded(_)) => return,
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn one_port_takes_both() {
    let server = |connection| Upgrade::new(Unified::new(ldap::Server::new()), connection);

    let (client, connection) = pair_of(VERSIONS[0]);
    let mut tls = Tls::new_implicit(client);
    let speak = |bytes: &[u8]| {
        give(&mut tls, bytes, usize::MAX);
        let mut out = Vec::new();
        tls.poll_transmit(&mut out).then_some(out)
    };
    meet(speak, &mut server(connection));

    let (client, connection) = pair_of(VERSIONS[0]);
    let mut upgrade = Upgrade::new(ldap::Client::new(), client);
    let mut up = None;
    let speak = |bytes: &[u8]| {
        if !bytes.is_empty() {
            assert_eq!(upgrade.handle_input(bytes), bytes.len());
        }
        let mut out = Vec::new();
        loop {
            match upgrade.poll_output() {
                Ok(Output::Transmit(bytes)) => out.extend(bytes),
                Ok(Output::NeedInput) => break,
                Ok(Output::Upgraded(tls)) => {
                    up.insert(tls).poll_transmit(&mut out);
                    break;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        (!out.is_empty()).then_some(out)
    };
    meet(speak, &mut server(connection));
}

#[test]
fn an_end_before_it_is_decided_is_an_error() {
    let mut plain = Plain::with_prefix(&client_hello()[..5]);
    let mut server = Unified::new(ldap::Server::new());
    assert!(plain.negotiate(&mut server).is_ok());
    plain.handle_eof();
    let error = plain.negotiate(&mut server);
    assert!(matches!(error, Err(Error::Truncated(_))), "{error:?}");
}

/// The errors of the streams have the one to diagnose inside, also when they have been made an `io::Error`.
#[tokio::test]
async fn errors_of_streams_are_diagnosed() {
    use starttls_protocols::imap;
    use std::io;
    use tokio::io::AsyncWriteExt;

    let (near, mut far) = tokio::io::duplex(1024);
    far.write_all(b"220 mail.example.org ESMTP\r\n")
        .await
        .expect("there is room");
    let (client, _) = pair_of(VERSIONS[0]);
    let plain = starttls_tokio::PlainStream::new(near);
    let error = plain.upgrade(imap::Client::new(), client).await;
    let error = io::Error::from(error.expect_err("it is SMTP"));
    let error = starttls_tokio::Error::from(error);
    let advice = error.protocol().and_then(diagnose).expect("it is SMTP");
    assert_eq!(
        advice.wanted(Protocol::Imap).to_string(),
        "the peer speaks SMTP on this port, and not IMAP"
    );
}
