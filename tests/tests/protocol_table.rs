//! docs/protocols.md says of each protocol what the code has, and leaves none out.

use std::collections::BTreeSet;
use std::fs;

use starttls_core::{Boundary, Phase, Plain, Progress};
use starttls_protocols::registry::{Begin, ClientOptions, First, Protocol, Role, ServerOptions};
use starttls_tests::harness::transcript;
use starttls_tests::memory::carry;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocols.md");
    fs::read_to_string(path).expect("docs/protocols.md")
}

/// The rows of the table with this first header, without their outer bars.
fn rows<'a>(page: &'a str, header: &str) -> Vec<Vec<&'a str>> {
    let after = page
        .split_once(header)
        .unwrap_or_else(|| panic!("no table {header}"))
        .1;
    after
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

fn row(protocol: Protocol) -> Vec<String> {
    let facts = protocol.facts();
    let port = |port: Option<u16>| port.map_or("-".to_owned(), |port| port.to_string());
    let first = |first| match first {
        First::Client => "client",
        First::Server => "server",
        First::Either => "either",
        _ => panic!("a new word for {first:?}"),
    };
    let boundary = |boundary| match boundary {
        Boundary::Exact => "exact".to_owned(),
        Boundary::Pipelined => "pipelined".to_owned(),
    };
    vec![
        facts.name.to_owned(),
        facts.title.to_owned(),
        facts.specification.to_owned(),
        port(facts.port),
        port(facts.implicit_tls_port),
        format!(
            "{}, {}",
            first(facts.first_in_plaintext),
            first(facts.first_inside_tls)
        ),
        format!("`{:?}`", facts.after_tls),
        boundary(facts.boundary_at_client),
        boundary(facts.boundary_at_server),
    ]
}

#[test]
fn the_first_table_is_that_of_the_code() {
    let expected: Vec<Vec<String>> = Protocol::ALL.into_iter().map(row).collect();
    let text: Vec<String> = expected
        .iter()
        .map(|row| format!("| {} |", row.join(" | ")))
        .collect();
    let page = page();
    let header = "| name | protocol | specification |";
    assert!(
        rows(&page, header) == expected,
        "the table must be\n{}",
        text.join("\n")
    );
}

#[test]
fn the_table_of_srv_names_is_that_of_the_code() {
    let mut expected = Vec::new();
    for protocol in Protocol::ALL {
        for service in protocol.facts().services {
            let begin = match service.begin {
                Begin::Upgrade => "upgrade",
                Begin::Implicit => "implicit",
                _ => panic!("a new word for {service:?}"),
            };
            expected.push(vec![
                protocol.name().to_owned(),
                format!("`{}`", service.srv),
                service.port.to_string(),
                begin.to_owned(),
                service.specification.to_owned(),
            ]);
        }
    }
    let page = page();
    let text: Vec<String> = expected
        .iter()
        .map(|row| format!("| {} |", row.join(" | ")))
        .collect();
    assert!(
        rows(&page, "| name | SRV name |") == expected,
        "the table must be\n{}",
        text.join("\n")
    );
}

/// A port of a service is one of the protocol's, but for submission, which is SMTP on another one; what begins with TLS comes first.
#[test]
fn srv_names_agree_with_the_ports() {
    for protocol in Protocol::ALL {
        let facts = protocol.facts();
        let mut begun = Vec::new();
        for service in facts.services {
            let port = match service.begin {
                Begin::Implicit => facts.implicit_tls_port,
                _ if service.srv == "_submission._tcp" => Some(587),
                _ => facts.port,
            };
            assert_eq!(Some(service.port), port, "{service:?}");
            assert!(service.srv.starts_with('_') && service.srv.ends_with("._tcp"));
            assert_eq!(
                service.name("example.org"),
                format!("{}.example.org", service.srv)
            );
            begun.push(service.begin == Begin::Upgrade);
        }
        assert!(begun.is_sorted(), "{protocol}");
    }
}

#[test]
fn every_protocol_says_what_it_was_proven_against() {
    let page = page();
    let rows = rows(&page, "| name | servers, for our client |");
    let names: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(names, Protocol::ALL.map(Protocol::name));
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        // "none" where there is none: an empty cell says nothing.
        assert!(!row[1].is_empty() && !row[2].is_empty(), "{row:?}");
    }
}

#[test]
fn every_variant_of_after_tls_is_explained() {
    let page = page();
    let explained: BTreeSet<&str> = rows(&page, "| | what to do |")
        .iter()
        .map(|row| row[0])
        .collect();
    let used: BTreeSet<String> = Protocol::ALL
        .into_iter()
        .map(|protocol| format!("`{:?}`", protocol.facts().after_tls))
        .collect();
    assert_eq!(explained, used.iter().map(String::as_str).collect());
}

#[test]
fn names_are_parsed_shown_and_listed() {
    let names: BTreeSet<&str> = Protocol::ALL.into_iter().map(Protocol::name).collect();
    assert_eq!(names.len(), Protocol::ALL.len(), "a name is there twice");
    for protocol in Protocol::ALL {
        assert_eq!(protocol.to_string().parse(), Ok(protocol));
    }
    for (typed, protocol) in [
        ("SMTP", Protocol::Smtp),
        ("PostgreSQL", Protocol::Postgres),
        ("mariadb", Protocol::Mysql),
        ("managesieve", Protocol::Sieve),
        ("VNC", Protocol::Vencrypt),
        ("submission", Protocol::Smtp),
        ("ms-wbt-server", Protocol::Rdp),
        ("http_upgrade", Protocol::HttpUpgrade),
        ("xmpp_server", Protocol::XmppServer),
    ] {
        assert_eq!(typed.parse(), Ok(protocol), "{typed}");
    }
    // These are TLS from the first byte, which is no upgrade.
    for implicit in ["imaps", "smtps", "ldaps", "https"] {
        assert!(implicit.parse::<Protocol>().is_err(), "{implicit}");
    }
    let error = "gopher\x1b".parse::<Protocol>().unwrap_err();
    assert_eq!(error.name, "gopher\x1b");
    let message = error.to_string();
    assert!(
        message.starts_with(
            "unknown protocol \"gopher\\u{1b}\"; known are smtp (esmtp) (submission), lmtp,"
        ),
        "{message}"
    );
    assert!(names.iter().all(|name| message.contains(name)), "{message}");
}

#[test]
fn every_protocol_has_both_roles_and_makes_them() {
    let client = ClientOptions::new("mail.example.org").port(25);
    let server = ServerOptions::new("mail.example.org").random([7; 20]);
    for protocol in Protocol::ALL {
        assert_eq!(protocol.facts().roles, [Role::Client, Role::Server]);
        assert!(protocol.client(&client).is_ok(), "{protocol}");
        assert!(protocol.server(&server).is_ok(), "{protocol}");
    }
}

#[test]
fn every_client_comes_to_the_boundary_with_its_server() {
    let client = ClientOptions::new("mail.example.org")
        .port(25)
        .credentials("me", "secret");
    // The domain of XMPP is the one that the client wants.
    let server = ServerOptions::new("mail.example.org")
        .credentials("me", "secret")
        .random([7; 20]);
    for protocol in Protocol::ALL {
        let name = protocol.name();
        // SOCKS 4 has no password, and a server that wants one does not take it.
        let server = match protocol {
            Protocol::Socks4 => ServerOptions::new("mail.example.org"),
            _ => server.clone(),
        };
        let mut client = protocol.client(&client).expect("complete options");
        let mut server = protocol.server(&server).expect("complete options");
        let (mut at_client, mut at_server) = (Plain::new(), Plain::new());
        let (mut client_is, mut server_is) = (Progress::NeedInput, Progress::NeedInput);
        for _ in 0..16 {
            if client_is == Progress::NeedInput {
                client_is = at_client.negotiate(&mut client).expect(name);
            }
            carry(&mut at_client, &mut at_server, 7);
            if server_is == Progress::NeedInput {
                server_is = at_server.negotiate(&mut server).expect(name);
            }
            carry(&mut at_server, &mut at_client, 7);
        }
        let facts = protocol.facts();
        assert_eq!(
            client_is,
            Progress::Done(facts.boundary_at_client),
            "{protocol}"
        );
        assert_eq!(
            server_is,
            Progress::Done(facts.boundary_at_server),
            "{protocol}"
        );
        assert_eq!(
            (at_client.peek(), at_server.peek()),
            (&b""[..], &b""[..]),
            "{protocol}"
        );
    }
}

#[test]
fn who_speaks_first_is_said_truly() {
    let client = ClientOptions::new("mail.example.org").port(25);
    let server = ServerOptions::new("mail.example.org").random([7; 20]);
    for protocol in Protocol::ALL {
        let mut plain = Plain::new();
        let mut client = protocol.client(&client).expect("complete options");
        let _progress = plain.negotiate(&mut client);
        let client_speaks = plain.has_output();
        let mut plain = Plain::new();
        let mut server = protocol.server(&server).expect("complete options");
        let _progress = plain.negotiate(&mut server);
        let expected = match protocol.facts().first_in_plaintext {
            First::Client => (true, false),
            First::Server => (false, true),
            _ => panic!("{protocol}: the first word is one side's"),
        };
        assert_eq!((client_speaks, plain.has_output()), expected, "{protocol}");
    }
}

#[test]
fn no_name_means_two_protocols() {
    let mut seen = BTreeSet::new();
    for protocol in Protocol::ALL {
        let facts = protocol.facts();
        assert!(seen.insert(facts.name), "{}", facts.name);
        for alias in facts.aliases {
            assert!(seen.insert(alias), "{alias}");
        }
    }
}

#[test]
fn a_server_offers_tls_without_demanding_it_where_that_can_be() {
    let options = ServerOptions::new("mail.example.org")
        .random([7; 20])
        .optional();
    let cannot: Vec<Protocol> = Protocol::ALL
        .into_iter()
        .filter(|protocol| protocol.server(&options).is_err())
        .collect();
    use Protocol::{Connect, ProxyV1, ProxyV2, Socks4, Socks5, Vencrypt};
    assert_eq!(
        cannot,
        [Connect, Socks4, Socks5, ProxyV1, ProxyV2, Vencrypt]
    );

    let mut server = Protocol::Smtp.server(&options).expect("complete options");
    let mut plain = Plain::with_prefix(b"EHLO me\r\nMAIL FROM:<a@example.org>\r\n");
    let outcome = plain.negotiate(&mut server);
    assert_eq!(outcome, Err(starttls_core::Error::NotRequested));
    assert_eq!(plain.peek(), b"MAIL FROM:<a@example.org>\r\n");
}

#[test]
fn what_is_missing_is_the_callers_mistake() {
    use starttls_core::{Error, Misuse};
    let misuse = |error| matches!(error, Some(Error::Misuse(Misuse::Configuration(_))));

    let client = ClientOptions::new("mail.example.org");
    assert!(misuse(Protocol::Connect.client(&client).err()));
    assert!(misuse(Protocol::Smtp.tunnel(&client).err()));
    let server = ServerOptions::new("mail.example.org");
    assert!(misuse(Protocol::Mysql.server(&server).err()));
    assert!(misuse(Protocol::Xmpp.server(&server).err()));
}

#[test]
fn no_option_shows_a_secret() {
    let client = ClientOptions::new("mail.example.org").credentials("me", "S3cret");
    let server = ServerOptions::new("mail.example.org")
        .credentials("me", "S3cret")
        .random(*b"S3cretS3cretS3cretS3");
    for shown in [format!("{client:?}"), format!("{server:?}")] {
        assert!(shown.contains("me") && !shown.contains("S3cret"), "{shown}");
        assert!(!shown.contains("83, 51"), "{shown}");
    }
}

/// The directory of transcripts that shows a protocol: some share one.
fn shown_by(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Lmtp => "smtp",
        Protocol::Sieve => "managesieve",
        Protocol::XmppServer => "xmpp",
        Protocol::HttpUpgrade => "http_upgrade",
        Protocol::Socks4 | Protocol::Socks5 => "socks",
        Protocol::ProxyV1 | Protocol::ProxyV2 => "proxy",
        other => other.name(),
    }
}

#[test]
fn every_protocol_has_transcripts_and_the_other_way_round() {
    let shown: BTreeSet<&str> = Protocol::ALL.into_iter().map(shown_by).collect();
    let there = transcript::protocols();
    assert_eq!(
        there.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        shown
    );
}
