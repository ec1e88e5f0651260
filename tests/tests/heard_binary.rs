//! What the negotiators of binary protocols (and of NATS) have heard in plaintext can be looked at by whoever lends them, above all after a decline: it is
//! what the connection goes on with.

use std::fmt::Debug;

use starttls_core::{
    Boundary, Error, Misbehaviour, Negotiator, Phase, Plain, Progress, Refusal, Untrusted,
};
use starttls_protocols::diagnose::diagnose;
use starttls_protocols::rdp::Protocols;
use starttls_protocols::registry::{ClientOptions, Protocol, ServerOptions};
use starttls_protocols::vencrypt::{Subtype, Version};
use starttls_protocols::{ldap, mysql, nats, nbd, postgres, rdp, rpc, vencrypt};

/// Lets `negotiator` hear `said`, and gives what it came to, what it said itself, and how much is left.
fn hears(
    negotiator: &mut impl Negotiator,
    said: &[u8],
) -> (Result<Progress, Error>, Vec<u8>, usize) {
    let mut plain = Plain::new();
    let mut progress = plain.negotiate(negotiator);
    assert_eq!(plain.handle_input(said), said.len());
    if progress == Ok(Progress::NeedInput) {
        progress = plain.negotiate(negotiator);
    }
    let mut words = Vec::new();
    plain.poll_transmit(&mut words);
    (progress, words, plain.peek().len())
}

fn heard<T: PartialEq + Debug>(heard: Option<Untrusted<T>>, expected: T) {
    assert_eq!(heard.map(Untrusted::into_inner), Some(expected));
}

const DONE: Result<Progress, Error> = Ok(Progress::Done(Boundary::Exact));

#[test]
fn postgres_server_hands_over_a_cancel_request() {
    for server in [postgres::Server::new(), postgres::Server::new().optional()] {
        let mut server = server;
        assert_eq!(server.cancel_request(), None);
        let packet = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\x01\x02\x0a\x0b\x0c\x0d";
        let (outcome, words, _) = hears(&mut server, packet);
        assert_eq!(outcome, Err(Error::Goodbye(Refusal::new(80_877_102, b""))));
        assert!(words.is_empty(), "it is answered by closing");
        let request = server.cancel_request().unwrap().into_inner();
        assert_eq!(request.process_id, 0x102);
        assert_eq!(request.key, [10, 11, 12, 13]);
        assert!(!format!("{request:?}").contains("11"), "a secret");
    }
}

fn mysql_greeting(capabilities: u32, second_part: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = capabilities.to_le_bytes();
    let payload = [
        &b"\x0a8.0.36\0\x07\0\0\0ABCDEFGH\0"[..],
        &[a, b, 45, 2, 0, c, d, 21],
        &[0; 10],
        second_part,
        b"caching_sha2_password\0",
    ]
    .concat();
    let length = u8::try_from(payload.len()).unwrap();
    [&[length, 0, 0, 0], &payload[..]].concat()
}

#[test]
fn mysql_client_has_the_greeting_of_a_server_without_tls() {
    // The last byte is a terminator whatever it is, and no other byte ends the scramble.
    for second_part in [b"IJKLMNOPQRST\0", b"IJ\0LMNOPQR\0T\0", b"IJKLMNOPQRSTU"] {
        for offered in [mysql::CLIENT_SSL, 0] {
            let mut client = mysql::Client::new();
            assert_eq!(client.greeting(), None);
            let greeting = mysql_greeting(0x0008_8201 | offered, second_part);
            let (outcome, ..) = hears(&mut client, &greeting);
            let expected = if offered == 0 {
                Err(Error::NotOffered)
            } else {
                DONE
            };
            assert_eq!(outcome, expected);
            let greeting = client.greeting().unwrap().into_inner();
            let scramble = [b"ABCDEFGH", &second_part[..12]].concat();
            assert_eq!(greeting.scramble, scramble);
            assert_eq!(greeting.auth_plugin.as_bytes(), b"caching_sha2_password");
            assert_eq!(greeting.connection_id, 7);
        }
    }
}

#[test]
fn nats_client_has_the_info_of_a_server_without_tls() {
    for (json, required, available) in [
        (r#"{"tls_required":true}"#, true, false),
        (r#"{"tls_available":true}"#, false, true),
        (r#"{"nonce":"x"}"#, false, false),
    ] {
        let mut client = nats::Client::new();
        assert_eq!(client.info(), None);
        let (outcome, _, left) = hears(&mut client, format!("INFO {json} \r\n").as_bytes());
        let offered = required || available;
        assert_eq!(outcome == DONE, offered);
        assert_eq!(outcome == Err(Error::NotOffered), !offered);
        let info = client.info().unwrap().into_inner();
        assert_eq!(info.json(), json.as_bytes());
        assert_eq!(
            (info.tls_required(), info.tls_available(), left),
            (required, available, 0)
        );
    }
}

#[test]
fn ldap_client_has_the_whole_answer() {
    let mut client = ldap::Client::new();
    assert_eq!(client.response(), None);
    let answer =
        b"\x30\x1c\x02\x01\x01\x78\x17\x0a\x01\x0a\x04\x02dc\x04\x02no\xa3\x0a\x04\x08ldap://x";
    let (outcome, _, left) = hears(&mut client, answer);
    assert_eq!(outcome, Err(Error::Refused(Refusal::new(10, b"no"))));
    let response = client.response().unwrap().into_inner();
    assert_eq!((response.code, left), (10, 0));
    assert_eq!(response.matched_dn, b"dc");
    assert_eq!(response.message, b"no");
    assert_eq!(response.referrals, [b"ldap://x".to_vec()]);
    assert_eq!(response.name, None);
}

fn words(words: &[u32]) -> Vec<u8> {
    let contents: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let mark = 0x8000_0000 | u32::try_from(contents.len()).unwrap();
    [&mark.to_be_bytes()[..], &contents].concat()
}

#[test]
fn rpc_client_has_the_reply_and_server_the_program() {
    let replies = [
        (words(&[1, 1, 1, 1, 5]), rpc::Reply::AuthError(5), true),
        (
            words(&[1, 1, 1, 0, 3, 4]),
            rpc::Reply::RpcMismatch { low: 3, high: 4 },
            false,
        ),
    ];
    for (said, expected, goes_on) in replies {
        let mut client = rpc::Client::new(100_003, 4);
        let (outcome, ..) = hears(&mut client, &said);
        assert_eq!(outcome.unwrap_err().is_declined(), goes_on);
        heard(client.reply(), &expected);
    }
    let mut client = rpc::Client::new(100_003, 4);
    hears(&mut client, &words(&[1, 1, 0, 0, 0, 1]))
        .0
        .unwrap_err();
    assert!(matches!(
        client.reply().unwrap().into_inner(),
        rpc::Reply::Accepted { status: 1, flavour: 0, verifier } if verifier.is_empty()
    ));

    let mut server = rpc::Server::new();
    assert_eq!(server.called(), None);
    let _ = hears(&mut server, &words(&[9, 0, 2, 100_005, 3, 0, 7, 0, 0, 0]))
        .0
        .unwrap();
    heard(server.called(), (100_005, 3));
}

#[test]
fn nbd_client_and_server_have_the_flags_of_the_other() {
    let mut client = nbd::Client::new();
    let (outcome, words, _) = hears(&mut client, b"NBDMAGICIHAVEOPT\0\x02");
    assert_eq!(outcome, Err(Error::NotOffered));
    assert!(words.is_empty(), "the flags are the caller's to send");
    heard(client.greeting(), &nbd::Greeting::Newstyle { flags: 2 });

    let mut server = nbd::Server::new().optional();
    assert_eq!(server.client_flags(), None);
    let (outcome, _, left) = hears(&mut server, b"\0\0\0\x01IHAVEOPT\0\0\0\x03\0\0\0\0");
    assert_eq!((outcome, left), (Err(Error::NotRequested), 16));
    heard(server.client_flags(), 1);
}

#[test]
fn vencrypt_sides_have_the_lists_and_the_choices() {
    let mut client = vencrypt::Client::new([Subtype::X509Plain]);
    assert_eq!((client.types(), client.offered()), (None, None));
    let (outcome, _, left) = hears(
        &mut client,
        b"RFB 003.007\n\x02\x02\x13\0\x02\0\x01\0\0\x01\x04",
    );
    assert_eq!((outcome, left), (Err(Error::NotOffered), 0));
    heard(client.version(), Version::V3_7);
    heard(client.types(), &[2, 19][..]);
    heard(client.vencrypt_version(), (0, 2));
    heard(client.offered(), &[260][..]);

    let mut client = vencrypt::Client::new([Subtype::X509Plain]);
    assert_eq!(
        hears(&mut client, b"RFB 003.003\n").0,
        Err(Error::NotOffered)
    );
    heard(client.version(), Version::V3_3);

    let mut server = vencrypt::Server::new([Subtype::X509None]).optional([1]);
    let (outcome, words, left) = hears(&mut server, b"RFB 003.003\n");
    assert_eq!((outcome, left), (Err(Error::NotRequested), 0));
    assert_eq!(words, b"RFB 003.008\n");
    heard(server.version(), Version::V3_3);
}

#[test]
fn rdp_sides_have_flags_and_the_correlation_id() {
    let mut client = rdp::Client::new(Protocols::TLS)
        .cookie("me")
        .flags(1)
        .correlation_id([7; 16]);
    let confirm = b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x01\0\0\0";
    let (outcome, request, _) = hears(&mut client, confirm);
    assert_eq!(outcome, DONE);
    heard(client.selected(), Protocols::TLS);
    heard(client.server_flags(), 0x1f);

    let mut server = rdp::Server::new(Protocols::CREDSSP);
    assert_eq!(server.requested(), None);
    let (outcome, ..) = hears(&mut server, &request);
    let refused = Error::Refused(Refusal::new(5, b"").ending());
    assert_eq!(outcome, Err(refused), "CredSSP is required of it");
    heard(server.requested(), Protocols::TLS);
    heard(server.client_flags(), 1 | 8);
    heard(server.correlation_id(), &[7; 16]);
    heard(server.cookie(), b"Cookie: mstshash=me");
}

/// Windows by default takes nothing but CredSSP.
#[test]
fn rdp_of_the_registry_asks_for_credssp_too() {
    let options = ClientOptions::new("pc.example.org");
    let mut client = Protocol::Rdp.client(&options).unwrap();
    let selected = b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\0\x08\0\x02\0\0\0";
    let (outcome, request, _) = hears(&mut client, selected);
    assert_eq!(outcome, DONE);
    assert_eq!(request.last_chunk(), Some(&[3, 0, 0, 0]));
}

#[test]
fn a_goodbye_behind_the_greeting_is_no_injection() {
    let (outcome, ..) = hears(
        &mut nats::Client::new(),
        b"INFO {\"tls_required\":true}\r\n-ERR 'maximum connections exceeded'\r\n",
    );
    let words = b"'maximum connections exceeded'";
    assert_eq!(outcome, Err(Error::Goodbye(Refusal::new(None, words))));

    let error = b"\xff\x1d\x04#08S01Server shutdown";
    let length = u8::try_from(error.len()).unwrap();
    for sequence in 0..3 {
        let packet = [&[length, 0, 0, sequence], &error[..]].concat();
        let greeting = mysql_greeting(0x0008_8a01, b"IJKLMNOPQRST\0");
        let goodbye = Refusal::new(1053, b"Server shutdown").state(b"08S01");
        for said in [packet.clone(), [greeting, packet].concat()] {
            let (outcome, ..) = hears(&mut mysql::Client::new(), &said);
            assert_eq!(outcome, Err(Error::Goodbye(goodbye.clone())));
        }
    }
}

/// Every protocol that reads a number or a length first: what is kept tells which protocol the peer speaks.
#[test]
fn words_of_text_are_kept() {
    let options = ClientOptions::new("host.example.org").port(1);
    for name in ["ldap", "postgres", "mysql", "nbd", "rpc", "vencrypt", "rdp"] {
        for said in [
            "HTTP/1.1 400 Bad Request\r\n",
            "220 mail\r\n",
            "-ERR no\r\n",
        ] {
            let mut client = name.parse::<Protocol>().unwrap().client(&options).unwrap();
            let error = hears(&mut client, said.as_bytes()).0.unwrap_err();
            let Error::Misbehaved(Misbehaviour::Malformed { sample, .. }) = &error else {
                panic!("{name}: {error:?}");
            };
            assert_eq!(sample.as_bytes(), &said.as_bytes()[..4], "{name}");
            // A code of three digits may be of several protocols.
            if !said.starts_with("220") {
                let advice = diagnose(&error).map(|advice| advice.to_string());
                assert!(advice.is_some(), "{name}: {said}");
            }
        }
    }
}

/// A server of the registry that does not demand TLS takes the client that goes on without, and the one that asks.
#[test]
fn nats_of_the_registry_may_be_optional() {
    let server = |optional: bool| {
        let options = ServerOptions::new("nats.example.org");
        let options = if optional {
            options.optional()
        } else {
            options
        };
        Protocol::Nats.server(&options).unwrap()
    };
    let info = |said: Vec<u8>| {
        let mut client = nats::Client::new();
        assert_eq!(hears(&mut client, &said).0, DONE);
        let info = client.info().unwrap().into_inner();
        (info.tls_required(), info.tls_available())
    };
    let pipelined = Ok(Progress::Done(Boundary::Pipelined));
    let (outcome, said, left) = hears(&mut server(true), b"CONNECT {}\r\n");
    assert_eq!((outcome, left), (Err(Error::NotRequested), 12));
    assert_eq!(info(said), (false, true));
    let (outcome, _, left) = hears(&mut server(true), b"\x16\x03\x01");
    assert_eq!((outcome, left), (pipelined.clone(), 3));
    let (outcome, said, _) = hears(&mut server(false), b"");
    assert_eq!(outcome, pipelined);
    assert_eq!(info(said), (true, true));
}
