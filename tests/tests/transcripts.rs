//! Every transcript in every way, and that nothing is left out.

use std::collections::BTreeSet;

use starttls_tests::harness::coverage::{COVERS, REQUIRED};
use starttls_tests::harness::negotiators::Role;
use starttls_tests::harness::run::run_directory;
use starttls_tests::harness::transcript::{Transcript, protocols, read_directory};

/// A test a directory.
macro_rules! directories {
    ($($protocol:ident),* $(,)?) => {
        const TESTED: &[&str] = &[$(stringify!($protocol)),*];

        $(
            #[test]
            fn $protocol() {
                run_directory(stringify!($protocol));
            }
        )*
    };
}

directories! {
    connect,
    ftp,
    http_upgrade,
    imap,
    irc,
    ldap,
    managesieve,
    munin,
    mysql,
    nats,
    nbd,
    nntp,
    nut,
    pop3,
    postgres,
    proxy,
    rdp,
    rpc,
    smtp,
    socks,
    telnet,
    vencrypt,
    xmpp,
}

/// What a protocol cannot have, and why.
const NOT_APPLICABLE: &[(&str, Role, &str, &str)] = {
    use Role::{Client, Server};
    &[
        (
            "connect",
            Client,
            "not-offered",
            "nothing is offered: a proxy that does not do CONNECT refuses it (RFC 9110 section 9.3.6)",
        ),
        (
            "ftp",
            Client,
            "not-offered",
            "nothing is offered before AUTH",
        ),
        ("ftp", Server, "multi-line", "a command is one line"),
        (
            "irc",
            Client,
            "not-offered",
            "nothing is offered before STARTTLS",
        ),
        ("irc", Client, "multi-line", "a message is one line"),
        ("irc", Server, "multi-line", "a message is one line"),
        (
            "ldap",
            Client,
            "not-offered",
            "a server without StartTLS refuses it by protocolError (RFC 4511 section 4.14.2)",
        ),
        (
            "munin",
            Client,
            "not-offered",
            "nothing is offered before STARTTLS",
        ),
        ("munin", Client, "multi-line", "an answer is one line"),
        (
            "munin",
            Client,
            "abort",
            "a node ends by closing, without a word",
        ),
        ("munin", Server, "multi-line", "a command is one line"),
        ("mysql", Client, "multi-line", "a greeting is one packet"),
        ("mysql", Server, "multi-line", "a request is one packet"),
        (
            "mysql",
            Server,
            "abort",
            "a client that has not logged in has no packet to end with",
        ),
        ("nats", Client, "refused", "nobody is asked"),
        ("nats", Client, "multi-line", "INFO is one line"),
        ("nats", Server, "refused", "it reads nothing before TLS"),
        ("nats", Server, "multi-line", "it reads nothing before TLS"),
        ("nats", Server, "oversize", "it reads nothing before TLS"),
        ("nats", Server, "eof", "it reads nothing before TLS"),
        ("nats", Server, "abort", "it reads nothing before TLS"),
        ("nntp", Server, "multi-line", "a command is one line"),
        (
            "nut",
            Client,
            "not-offered",
            "nothing is offered before STARTTLS",
        ),
        ("nut", Client, "multi-line", "an answer is one line"),
        (
            "nut",
            Client,
            "abort",
            "a server ends by closing, without a word",
        ),
        ("nut", Server, "multi-line", "a command is one line"),
        ("pop3", Server, "multi-line", "a command is one line"),
        (
            "postgres",
            Client,
            "not-offered",
            "N is a refusal of what was asked for",
        ),
        (
            "postgres",
            Client,
            "oversize",
            "an answer is one byte, and the words behind E are not waited for if they are too many",
        ),
        ("proxy", Client, "refused", "the header has no answer"),
        ("proxy", Client, "not-offered", "the header has no answer"),
        ("proxy", Client, "multi-line", "the header has no answer"),
        ("proxy", Client, "oversize", "the header has no answer"),
        ("proxy", Client, "eof", "the header has no answer"),
        ("proxy", Client, "abort", "the header has no answer"),
        ("proxy", Server, "abort", "a proxy ends by closing"),
        (
            "rdp",
            Client,
            "multi-line",
            "the Confirm has one part (MS-RDPBCGR 2.2.1.2)",
        ),
        (
            "rpc",
            Client,
            "not-offered",
            "the reply to the call is the offer: without it it is a refusal (RFC 9289 section 4.1)",
        ),
        (
            "rpc",
            Server,
            "abort",
            "RPC has no message with which a client ends (RFC 5531)",
        ),
        ("smtp", Server, "multi-line", "a command is one line"),
        (
            "socks",
            Client,
            "not-offered",
            "a method that is not acceptable is a refusal (RFC 1928 section 3)",
        ),
        (
            "socks",
            Client,
            "oversize",
            "the longest reply has 262 bytes",
        ),
        ("socks", Server, "abort", "a client ends by closing"),
        (
            "vencrypt",
            Server,
            "multi-line",
            "every message of the client has a fixed length",
        ),
        (
            "vencrypt",
            Server,
            "oversize",
            "every message of the client has a fixed length",
        ),
    ]
};

#[test]
fn every_directory_has_a_test() {
    let tested: BTreeSet<&str> = TESTED.iter().copied().collect();
    let protocols = protocols();
    let there: BTreeSet<&str> = protocols.iter().map(String::as_str).collect();
    assert_eq!(tested, there);
}

#[test]
fn every_transcript_says_what_is_left_unread() {
    let silent: Vec<String> = protocols()
        .iter()
        .flat_map(|protocol| read_directory(protocol))
        .filter(|transcript| transcript.left.is_none())
        .map(|transcript| transcript.name)
        .collect();
    assert!(silent.is_empty(), "no `left:` in {silent:#?}");
}

#[test]
fn what_is_covered_is_said_truly() {
    for transcript in protocols()
        .iter()
        .flat_map(|protocol| read_directory(protocol))
    {
        let Transcript {
            name,
            covers,
            expect,
            ..
        } = &transcript;
        let verdict = expect.split(' ').next().unwrap_or_default();
        for word in covers {
            let (_, verdicts) = COVERS
                .iter()
                .find(|(known, _)| known == word)
                .unwrap_or_else(|| panic!("{name}: `covers: {word}` is no case"));
            assert!(
                verdicts.contains(&verdict),
                "{name}: `covers: {word}` with `expect: {expect}`"
            );
        }
    }
}

#[test]
fn every_role_of_every_protocol_has_every_case() {
    let mut wrong = Vec::new();
    for protocol in protocols() {
        let transcripts = read_directory(&protocol);
        for (role, required) in REQUIRED {
            let of_role: Vec<&Transcript> =
                transcripts.iter().filter(|it| it.role == *role).collect();
            if of_role.is_empty() {
                continue;
            }
            for case in *required {
                let covered = of_role
                    .iter()
                    .any(|it| it.covers.iter().any(|word| word == case));
                let excused = NOT_APPLICABLE
                    .iter()
                    .any(|(name, of, what, _)| *name == protocol && of == role && what == case);
                if covered == excused {
                    let what = if covered {
                        "excused and covered"
                    } else {
                        "missing"
                    };
                    wrong.push(format!("{protocol} {role:?}: {case} is {what}"));
                }
            }
        }
    }
    let protocols = protocols();
    for (protocol, role, case, why) in NOT_APPLICABLE {
        if why.is_empty() || !protocols.iter().any(|name| name == protocol) {
            wrong.push(format!(
                "{protocol} {role:?}: {case} is excused for nothing"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
