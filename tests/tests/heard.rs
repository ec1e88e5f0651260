//! What a negotiator has heard in plaintext can be looked at by whoever lends it, in success and after a refusal; what clients say of themselves;
//! and which refusals end a connection.

use starttls_core::{Error, Negotiator, Phase, Plain, Progress, Untrusted};
use starttls_protocols::registry::{ClientOptions, Protocol};
use starttls_protocols::{ftp, imap, irc, managesieve, munin, nntp, pop3, smtp};

/// Lets `negotiator` hear `said`; what it says itself.
fn hears(negotiator: &mut impl Negotiator, said: &str) -> (Result<Progress, Error>, String) {
    let mut plain = Plain::new();
    assert_eq!(plain.handle_input(said.as_bytes()), said.len());
    let progress = plain.negotiate(negotiator);
    let mut answers = Vec::new();
    plain.poll_transmit(&mut answers);
    (progress, String::from_utf8(answers).unwrap())
}

fn lines(heard: Option<Untrusted<&[String]>>) -> Option<String> {
    heard.map(|heard| heard.into_inner().join("|"))
}

fn words(heard: Option<Untrusted<&str>>) -> Option<&str> {
    heard.map(Untrusted::into_inner)
}

#[test]
fn smtp_client() {
    let mut client = smtp::Client::new("me");
    assert_eq!(
        (lines(client.greeting()), lines(client.hello())),
        (None, None)
    );
    let (progress, _) = hears(
        &mut client,
        "220-mail.example.org ESMTP\r\n220 hello\r\n250-mail.example.org you\r\n250-SIZE 1000\r\n250 8BITMIME\r\n",
    );
    assert_eq!(progress, Err(Error::NotOffered));
    assert_eq!(
        lines(client.greeting()).as_deref(),
        Some("mail.example.org ESMTP|hello")
    );
    assert_eq!(
        lines(client.hello()).as_deref(),
        Some("mail.example.org you|SIZE 1000|8BITMIME")
    );
    assert_eq!(
        lines(client.capabilities()).as_deref(),
        Some("SIZE 1000|8BITMIME")
    );
}

#[test]
fn smtp_server() {
    let mut server = smtp::Server::new("mail.example.org");
    let (_, _) = hears(&mut server, "HELO old\r\nEHLO  [192.0.2.1] \r\n");
    assert_eq!(words(server.hello()), Some("EHLO  [192.0.2.1] "));
    assert_eq!(words(server.client_name()), Some("[192.0.2.1]"));
    let mut server = smtp::Server::new("mail.example.org");
    let (_, _) = hears(&mut server, "EHLO\r\nLHLO me\r\n");
    assert_eq!(
        (words(server.hello()), words(server.client_name())),
        (None, None)
    );
}

#[test]
fn imap_client() {
    for (said, capabilities) in [
        ("* OK [CAPABILITY IMAP4rev1 ID] hi\r\n", "IMAP4rev1|ID"),
        (
            "* OK hi\r\n* CAPABILITY  IMAP4rev2\r\ntls1 OK done\r\n",
            "IMAP4rev2",
        ),
    ] {
        let mut client = imap::Client::new();
        let (progress, _) = hears(&mut client, said);
        assert_eq!(progress, Err(Error::NotOffered));
        assert!(words(client.greeting()).unwrap().ends_with("hi"));
        assert_eq!(lines(client.capabilities()).as_deref(), Some(capabilities));
    }
}

#[test]
fn pop3_client() {
    for (greeting, timestamp) in [
        (
            "ready <1896.697@example.org> here",
            Some("<1896.697@example.org>"),
        ),
        ("ready <1896", None),
        ("ready > <", None),
        ("ready", None),
    ] {
        let mut client = pop3::Client::new();
        let said = format!("+OK {greeting}\r\n+OK\r\nUIDL\r\nSASL PLAIN\r\n.\r\n");
        let (progress, _) = hears(&mut client, &said);
        assert_eq!(progress, Err(Error::NotOffered));
        assert_eq!(words(client.greeting()), Some(greeting));
        assert_eq!(words(client.timestamp()), timestamp);
        assert_eq!(
            lines(client.capabilities()).as_deref(),
            Some("UIDL|SASL PLAIN")
        );
    }
    let mut client = pop3::Client::new();
    let (_, _) = hears(&mut client, "+OK\r\n-ERR what\r\n");
    assert_eq!(lines(client.capabilities()), None);
}

#[test]
fn nntp_client() {
    let mut client = nntp::Client::new();
    let said = "200 ready\r\n101 list\r\nVERSION 2\r\nMODE-READER\r\n.\r\n200 now\r\n101 list\r\nREADER\r\n.\r\n";
    let (progress, _) = hears(&mut client, said);
    assert_eq!(progress, Err(Error::NotOffered));
    assert_eq!(words(client.greeting()), Some("ready"));
    assert_eq!(lines(client.capabilities()).as_deref(), Some("READER"));
    assert!(client.has_switched_mode());
}

#[test]
fn managesieve_client() {
    let mut client = managesieve::Client::new();
    let said =
        "\"IMPLEMENTATION\" \"An \\\"example\\\"\"\r\n{5}\r\nSIEVE {8}\r\nfileinto\r\nOK\r\n";
    let (progress, _) = hears(&mut client, said);
    assert_eq!(progress, Err(Error::NotOffered));
    assert_eq!(
        lines(client.capabilities()).as_deref(),
        Some("IMPLEMENTATION An \"example\"|SIEVE fileinto")
    );
}

#[test]
fn ftp_irc_and_munin_clients() {
    let mut client = ftp::Client::new();
    let (_, _) = hears(
        &mut client,
        "120 soon\r\n220-welcome\r\nall\r\n220 ready\r\n",
    );
    assert_eq!(
        lines(client.greeting()).as_deref(),
        Some("welcome|all|ready")
    );
    let mut client = irc::Client::new();
    let (_, _) = hears(
        &mut client,
        ":irc NOTICE * :hi\r\nPING 1\r\n:irc 691 * :no\r\n",
    );
    assert_eq!(
        lines(Some(client.notices())).as_deref(),
        Some(":irc NOTICE * :hi")
    );
    let mut client = munin::Client::new();
    let (_, _) = hears(
        &mut client,
        "# munin node at a.example\n# Unknown command\n",
    );
    assert_eq!(words(client.greeting()), Some("# munin node at a.example"));
    assert_eq!(words(client.node_name()), Some("a.example"));
}

#[test]
fn irc_server() {
    for (said, version) in [
        ("CAP LS 302\r\n", Some(302)),
        ("CAP LS\r\n", Some(301)),
        ("PING 1\r\n", None),
    ] {
        let mut server = irc::Server::new("irc");
        let (_, _) = hears(&mut server, said);
        assert_eq!(server.cap_version().map(Untrusted::into_inner), version);
    }
}

/// A node without a key begins TLS as one with a key does: what is said in plaintext behind its answer would go astray.
#[test]
fn a_munin_node_without_a_key_is_not_spoken_to_in_plaintext() {
    for (answer, goes_on) in [("TLS MAYBE", false), ("# Unknown command", true)] {
        let mut client = munin::Client::at_command();
        let (progress, _) = hears(&mut client, &format!("{answer}\n"));
        let error = progress.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
        assert_eq!(error.is_declined(), goes_on, "{error:?}");
    }
}

/// A host without a name says its address; `localhost` is a name that no server takes for another host's (RFC 5321 section 4.1.4).
#[test]
fn a_client_without_a_name_says_an_address_literal() {
    for (protocol, hello) in [(Protocol::Smtp, "EHLO"), (Protocol::Lmtp, "LHLO")] {
        let options = ClientOptions::new("mail.example.org");
        let mut client = protocol.client(&options).unwrap();
        let (_, said) = hears(&mut client, "220 mail.example.org\r\n");
        assert_eq!(said, format!("{hello} [127.0.0.1]\r\n"));
    }
}
