//! S6: only the exact success form is a go-ahead. Whatever differs from it in one byte, or in its code, is none.

use starttls_core::{Boundary, Phase, Plain, Progress};
use starttls_tests::harness::negotiators::{Options, Role, Start, negotiator};

/// Protocol, the go-ahead, how much of it has a meaning, and whether that is case-insensitive.
const GO_AHEADS: &[(&str, &str, usize, bool)] = &[
    ("ftp", "234 go\r\n", 4, false),
    ("imap", "tls2 OK go\r\n", 8, true),
    ("irc", "670 * :go\r\n", 4, false),
    ("managesieve", "OK \"go\"\r\n", 3, true),
    ("munin", "TLS OK\n", 6, false),
    ("nntp", "382 go\r\n", 4, false),
    ("nut", "OK STARTTLS\n", 11, false),
    ("pop3", "+OK go\r\n", 4, false),
    ("postgres", "S", 1, false),
    ("smtp", "220 go\r\n", 4, false),
];

/// The client has asked, and this is the answer.
fn is_taken(protocol: &str, answer: &[u8]) -> bool {
    let mut client = negotiator(protocol, Role::Client, Start::Command, &Options::default());
    let mut plain = Plain::new();
    assert_eq!(client.negotiate(&mut plain), Ok(Progress::NeedInput));
    assert_eq!(plain.handle_input(answer), answer.len());
    client.negotiate(&mut plain) == Ok(Progress::Done(Boundary::Exact))
}

#[test]
fn a_go_ahead_with_another_byte_is_none() {
    for (protocol, go_ahead, meaning, any_case) in GO_AHEADS {
        assert!(is_taken(protocol, go_ahead.as_bytes()), "{protocol}");
        for place in 0..*meaning {
            for byte in 0..=u8::MAX {
                let mut answer = go_ahead.as_bytes().to_vec();
                answer[place] = byte;
                let same = match any_case {
                    // Our own tag is compared as it is.
                    true if !answer.starts_with(b"tls2") && *protocol == "imap" => false,
                    true => answer.eq_ignore_ascii_case(go_ahead.as_bytes()),
                    false => answer == go_ahead.as_bytes(),
                };
                assert_eq!(
                    is_taken(protocol, &answer),
                    same,
                    "{protocol}: {}",
                    answer.escape_ascii()
                );
            }
        }
    }
}

#[test]
fn a_go_ahead_with_another_code_is_none() {
    for code in 0..1000 {
        let reply = format!("{code:03} go\r\n");
        assert_eq!(is_taken("smtp", reply.as_bytes()), code == 220, "{reply}");
        assert_eq!(is_taken("ftp", reply.as_bytes()), code == 234, "{reply}");
        assert_eq!(is_taken("nntp", reply.as_bytes()), code == 382, "{reply}");
        let numeric = format!(":irc.example.org {code:03} * :STARTTLS\r\n");
        assert_eq!(
            is_taken("irc", numeric.as_bytes()),
            code == 670,
            "{numeric}"
        );
    }
}

#[test]
fn a_part_of_a_go_ahead_is_none() {
    for (protocol, go_ahead, ..) in GO_AHEADS {
        for end in 0..go_ahead.len() {
            assert!(
                !is_taken(protocol, &go_ahead.as_bytes()[..end]),
                "{protocol}: {end}"
            );
        }
    }
}
