//! Proxies and streams: who said no, who says that the way is made, and what reading costs. S43 to S46.

use starttls_core::rustls::ClientConnection;
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Phase, Plain, Progress};
use starttls_protocols::registry::{Protocol, ServerOptions};
use starttls_protocols::sniff::{AnyClientFirst, Unified};
use starttls_protocols::tunnel::Tunnel;
use starttls_protocols::{connect, smtp, socks, xmpp};
use starttls_tests::certs::{VERSIONS, pair_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Client = Box<dyn Negotiator<Tls = ClientConnection>>;

/// What each proxy says no with, to a client alone and to one with another protocol inside.
fn refused() -> Vec<(&'static str, Client, &'static [u8], u32)> {
    let http = || connect::Client::new("mail.example.org", 25);
    let socks_5 = || socks::Client::new("mail.example.org", 25);
    let socks_4 = || socks::Client::v4a("mail.example.org", 25, "");
    let inner = || smtp::Client::new("me.example.net");
    let denied = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    let no_host = b"\x05\x00\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00";
    let rejected = b"\x00\x5b\x00\x00\x00\x00\x00\x00";
    vec![
        ("CONNECT", Box::new(http()), denied, 407),
        ("CONNECT, SMTP", Box::new(http().then(inner())), denied, 407),
        ("SOCKS 5", Box::new(socks_5()), no_host, 4),
        (
            "SOCKS 5, SMTP",
            Box::new(socks_5().then(inner())),
            no_host,
            4,
        ),
        ("SOCKS 5, method", Box::new(socks_5()), b"\x05\xff", 255),
        ("SOCKS 4", Box::new(socks_4()), rejected, 91),
        (
            "SOCKS 4, SMTP",
            Box::new(socks_4().then(inner())),
            rejected,
            91,
        ),
    ]
}

/// A caller that would go on in plaintext with a peer that declines does not go on with a proxy.
#[tokio::test]
async fn a_proxy_that_says_no_is_never_a_decline() {
    for (name, client, answer, code) in refused() {
        let (near, mut far) = tokio::io::duplex(4096);
        far.write_all(answer).await.expect("there is room");
        let (connection, _) = pair_of(VERSIONS[0]);
        let plain = starttls_tokio::PlainStream::new(near);
        let outcome = plain.upgrade_opportunistically(client, connection).await;
        let error = outcome.map(|_| ()).expect_err(name);
        let Some(Error::TunnelRefused(refusal)) = error.protocol() else {
            panic!("{name}: {error:?}");
        };
        assert_eq!(refusal.code, Some(code), "{name}");
        assert!(!error.to_string().contains("TLS"), "{name}: {error}");
        // The stream is gone, and nothing more was said to the proxy.
        let mut said = Vec::new();
        far.read_to_end(&mut said).await.expect("it ends");
        assert!(!said.windows(4).any(|word| word == b"EHLO"), "{name}");
    }
}

#[test]
fn a_proxy_says_nothing_before_it_knows_whether_there_is_a_way() {
    let mut http = connect::RequestReader::new();
    let request = b"CONNECT mail.example.org:25 HTTP/1.1\r\nHost: mail.example.org:25\r\n\r\n";
    let mut plain = Plain::with_prefix(request);
    let asked = plain.negotiate(&mut http);
    assert_eq!(asked, Ok(Progress::Done(Boundary::Exact)));
    assert!(!plain.has_output());

    let mut socks = socks::RequestReader::new();
    let mut plain = Plain::with_prefix(b"\x04\x01\0\x19\xc0\0\x02\x01me\0");
    let asked = plain.negotiate(&mut socks);
    assert_eq!(asked, Ok(Progress::Done(Boundary::Exact)));
    assert!(!plain.has_output());

    let refused = |error: Result<Progress, Error>| match error {
        Err(Error::TunnelRefused(refusal)) => (refusal.code, refusal.text.escaped()),
        other => panic!("{other:?}"),
    };
    let asked_for = "mail.example.org:25".to_owned();
    let outcome = Plain::new().negotiate(&mut http.refuse(504));
    assert_eq!(refused(outcome), (Some(504), asked_for));
    let outcome = Plain::new().negotiate(&mut socks.refuse(5));
    assert_eq!(refused(outcome), (Some(91), "192.0.2.1:25".to_owned()));
}

/// Each name of an element is looked up among the namespaces that are declared, and each attribute compared with those before it.
#[test]
fn names_of_xml_are_looked_up_among_few() {
    let header = "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0'";
    let declared: String = (0..200).map(|i| format!(" xmlns:p{i}='x'")).collect();
    let attributes: String = (0..200).map(|i| format!(" a{i}=''")).collect();
    let nested: String = (0..10)
        .map(|i| {
            let declared: String = (0..10).map(|j| format!(" xmlns:p{i}{j}='x'")).collect();
            format!("<a{declared}>")
        })
        .collect();
    let cases = [
        (format!("{header}{declared}>"), "attributes"),
        (format!("{header}{attributes}>"), "attributes"),
        (format!("{header}>{nested}"), "namespaces"),
        (format!("{header}><a>{}", "<b/>".repeat(600)), "elements"),
    ];
    for (input, what) in cases {
        let mut plain = Plain::with_prefix(input.as_bytes());
        let error = plain.negotiate(&mut xmpp::Client::new("example.org"));
        let too_long = matches!(
            &error,
            Err(Error::Misbehaved(Misbehaviour::TooLong { what: is, .. })) if *is == what
        );
        assert!(too_long, "{what}: {error:?}");
    }
}

#[test]
fn a_port_is_shared_only_where_the_client_speaks_first() {
    let options = ServerOptions::new("mail.example.org").random([7; 20]);
    for protocol in Protocol::ALL {
        let mut plain = Plain::new();
        let mut alone = protocol.server(&options).expect("complete options");
        let _progress = plain.negotiate(&mut alone);
        let greets = plain.has_output();
        match AnyClientFirst::new(protocol, &options) {
            Ok(server) => {
                assert!(!greets, "{protocol}");
                let mut plain = Plain::with_prefix(b"\x16\x03\x01\x02\x00\x01\x00");
                let done = plain.negotiate(&mut Unified::new(server));
                assert_eq!(done, Ok(Progress::Done(Boundary::Pipelined)), "{protocol}");
            }
            Err(Error::Misuse(_)) => {
                let is_header = matches!(protocol, Protocol::ProxyV1 | Protocol::ProxyV2);
                assert!(greets || is_header, "{protocol}");
            }
            Err(error) => panic!("{protocol}: {error:?}"),
        }
    }
}
