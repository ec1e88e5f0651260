//! MTA-STS records and policies as domains publish them, and as they must not be.

use std::time::Duration;

use starttls_policy::sts::{
    Invalid, MAX_AGE, MAX_POLICY, Mode, POLICY_PATH, Policy, Record, is_media_type, policy_host,
    record_name,
};
use starttls_policy::tlsrpt::ResultType;

fn record(texts: &[&str]) -> Result<Option<String>, Invalid> {
    Record::among(texts.iter().map(|text| text.as_bytes()))
        .map(|found| found.map(|record| record.id().to_owned()))
}

#[test]
fn a_record_is_found_among_others() {
    for (texts, id) in [
        (
            &["v=STSv1; id=20160831085700Z;"][..],
            Some("20160831085700Z"),
        ),
        (&["v=STSv1; id=20160831085700Z"], Some("20160831085700Z")),
        (&["v=STSv1;id=1"], Some("1")),
        (&["v=STSv1 ;\tid=1 ; "], Some("1")),
        (&["v=STSv1; id=1; a.b-c_d=x:y/z"], Some("1")),
        (&["v=STSv1; ext=1; id=2; id=3"], Some("2")),
        (&["v=spf1 -all", "v=STSv1; id=1;"], Some("1")),
        (
            &[
                "v=STSv2; id=1",
                "v=STSv10; id=1",
                "id=1; v=STSv1",
                " v=STSv1; id=1",
            ],
            None,
        ),
        (&[], None),
    ] {
        assert_eq!(record(texts), Ok(id.map(str::to_owned)), "{texts:?}");
    }
    let long = "a".repeat(32);
    assert_eq!(record(&[&format!("v=STSv1; id={long}")]), Ok(Some(long)));
}

#[test]
fn several_records_are_none_and_so_is_a_malformed_one() {
    let id_33 = format!("v=STSv1; id={}", "a".repeat(33));
    let huge = format!("v=STSv1; id=1; x={}", "a".repeat(5000));
    let name_33 = format!("v=STSv1; id=1; {}=1", "a".repeat(33));
    for (texts, why) in [
        (
            &["v=STSv1; id=1", "v=STSv1; id=2"][..],
            Invalid::SeveralRecords,
        ),
        (&["v=STSv1"], Invalid::Missing("id")),
        (&["v=STSv1;"], Invalid::Missing("id")),
        (&["v=STSv1; ID=1"], Invalid::Missing("id")),
        (&["v=STSv1; id="], Invalid::Syntax),
        (&["v=STSv1; id"], Invalid::Syntax),
        (&["v=STSv1;; id=1"], Invalid::Syntax),
        (&["v=STSv1; id=1;;"], Invalid::Syntax),
        (&["v=STSv1; id=1; -x=1"], Invalid::Syntax),
        (&[&name_33], Invalid::Syntax),
        (&["v=STSv1; id=a-b"], Invalid::Value("id")),
        (&["v=STSv1; id=a b"], Invalid::Value("id")),
        (&[&id_33], Invalid::Value("id")),
        (&["v=STSv1; id=\u{e4}"], Invalid::Encoding),
        (&["v=STSv1; id=1\u{0}"], Invalid::Syntax),
        (
            &[&huge],
            Invalid::TooLong {
                what: "record",
                limit: 2048,
            },
        ),
    ] {
        assert_eq!(record(texts), Err(why), "{texts:?}");
    }
}

fn policy(text: &str) -> Result<Policy, Invalid> {
    Policy::parse(text.as_bytes())
}

#[test]
fn policies_as_domains_publish_them() {
    let example = "version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\nmax_age: 604800\n";
    for text in [
        example.to_owned(),
        example.replace('\n', "\r\n"),
        example.trim_end().to_owned(),
        example.replace(": ", ":"),
        example.replace(": ", ": \t "),
        example.replace('\n', "  \n"),
        example.replace("mode", "x-unknown: value: with \u{e4}\nmode"),
        example.replace("enforce\n", "enforce\nmode: none\n"),
        example.replace("mail.example.com", "MAIL.Example.COM."),
        "max_age: 604800\nmx: mail.example.com\nmx: *.example.net\nmx: backupmx.example.com\nmode: enforce\nversion: STSv1".to_owned(),
    ] {
        let policy = policy(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
        assert_eq!(policy.mode(), Mode::Enforce, "{text}");
        assert_eq!(policy.max_age(), Duration::from_secs(604_800));
        assert_eq!(policy.patterns(), ["mail.example.com", "*.example.net", "backupmx.example.com"]);
    }
    let none = policy("version: STSv1\nmode: none\nmax_age: 0\n").unwrap();
    assert_eq!((none.mode(), none.max_age()), (Mode::None, Duration::ZERO));
    assert!(!none.lists("mail.example.com"));
    let testing =
        policy("version: STSv1\nmode: testing\nmx: a.example\nmax_age: 9999999999\n").unwrap();
    assert_eq!(
        (testing.mode(), testing.max_age()),
        (Mode::Testing, MAX_AGE)
    );
}

#[test]
fn policies_that_are_none() {
    let with =
        |line: &str| format!("version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1\n{line}\n");
    let without = |field: &str| {
        let lines = [
            "version: STSv1",
            "mode: enforce",
            "mx: a.example",
            "max_age: 1",
        ];
        lines
            .iter()
            .filter(|line| !line.starts_with(field))
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let value = |field: &str, value: &str| format!("{}{field}: {value}\n", without(field));
    for (text, why) in [
        (String::new(), Invalid::Syntax),
        ("\n".to_owned(), Invalid::Syntax),
        ("<html></html>".to_owned(), Invalid::Syntax),
        (without("version"), Invalid::Missing("version")),
        (without("mode"), Invalid::Missing("mode")),
        (without("mx"), Invalid::Missing("mx")),
        (without("max_age"), Invalid::Missing("max_age")),
        (value("version", "STSv2"), Invalid::Value("version")),
        (value("version", "stsv1"), Invalid::Value("version")),
        (value("mode", "Enforce"), Invalid::Value("mode")),
        (value("mode", "report"), Invalid::Value("mode")),
        (value("max_age", "-1"), Invalid::Value("max_age")),
        (value("max_age", "+1"), Invalid::Value("max_age")),
        (value("max_age", "1.5"), Invalid::Value("max_age")),
        (value("max_age", "1d"), Invalid::Value("max_age")),
        (value("max_age", "12345678901"), Invalid::Value("max_age")),
        (value("mx", "*"), Invalid::Value("mx")),
        (value("mx", "*.*.example"), Invalid::Value("mx")),
        (value("mx", "a*.example"), Invalid::Value("mx")),
        (value("mx", "a.*.example"), Invalid::Value("mx")),
        (value("mx", ".example"), Invalid::Value("mx")),
        (value("mx", "a..example"), Invalid::Value("mx")),
        (value("mx", "-a.example"), Invalid::Value("mx")),
        (value("mx", "a_b.example"), Invalid::Value("mx")),
        (value("mx", "a.example, b.example"), Invalid::Value("mx")),
        (value("mx", "m\u{fc}ller.example"), Invalid::Value("mx")),
        (
            value("mx", &format!("{}.example", "a".repeat(64))),
            Invalid::Value("mx"),
        ),
        (
            value("mx", &format!("{}a", "a.".repeat(127))),
            Invalid::Value("mx"),
        ),
        (with(""), Invalid::Syntax),
        (with("no delimiter"), Invalid::Syntax),
        (with("mx:"), Invalid::Syntax),
        (with(": value"), Invalid::Syntax),
        (with(" mode: none"), Invalid::Syntax),
        (with("x: a\rb"), Invalid::Syntax),
        (with("x: a\u{0}b"), Invalid::Syntax),
        (
            with(&format!("x: {}", "a".repeat(MAX_POLICY))),
            Invalid::TooLong {
                what: "policy",
                limit: MAX_POLICY,
            },
        ),
        (
            with("mx: b.example\n".repeat(1024).trim_end()),
            Invalid::TooLong {
                what: "mx",
                limit: 1024,
            },
        ),
    ] {
        let shown: String = text.chars().take(200).collect();
        assert_eq!(policy(&text), Err(why), "{shown:?}");
        assert_eq!(ResultType::from(why), ResultType::StsPolicyInvalid);
    }
    assert_eq!(
        Policy::parse(b"version: STSv1\nmode: none\nmax_age: 1\nx: \xff\n"),
        Err(Invalid::Encoding)
    );
    // One byte less than too long.
    let longest = with(&format!(
        "x: {}",
        "a".repeat(MAX_POLICY - with("x: ").len())
    ));
    assert_eq!(longest.len(), MAX_POLICY);
    assert!(policy(&longest).is_ok());
}

#[test]
fn a_star_is_one_label() {
    let policy = policy(
        "version: STSv1\nmode: enforce\nmx: mx.example.com\nmx: *.example.net\nmax_age: 1\n",
    )
    .unwrap();
    for listed in [
        "mx.example.com",
        "MX.example.COM",
        "mx.example.com.",
        "a.example.net",
        "xn--mller-kva.example.net",
    ] {
        assert!(policy.lists(listed), "{listed}");
    }
    for other in [
        "example.com",
        "a.mx.example.com",
        "example.net",
        "a.b.example.net",
        ".example.net",
        "*.example.net",
        "aexample.net",
        "a.example.net.evil.example",
        "",
        "192.0.2.1",
    ] {
        assert!(!policy.lists(other), "{other}");
    }
}

#[test]
fn where_it_is_published() {
    assert_eq!(record_name("example.com"), "_mta-sts.example.com");
    assert_eq!(policy_host("example.com"), "mta-sts.example.com");
    assert_eq!(POLICY_PATH, "/.well-known/mta-sts.txt");
    assert!(is_media_type("text/plain") && is_media_type("Text/Plain; charset=utf-8"));
    assert!(!is_media_type("text/html") && !is_media_type("text/plainer") && !is_media_type(""));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_policy_or_not(bytes: Vec<u8>) {
        let _ = Policy::parse(&bytes);
        let _ = Record::among([&bytes[..], b"v=STSv1; id=1"]);
    }

    #[test]
    fn any_fields_are_a_policy_or_not(text in "(version: STSv1|mode: (none|enforce)|mx: [*.a-z]{0,9}|max_age: [0-9]{0,12}|[a-z_]{0,3}:? ?[ -~]{0,4}|\r|\n){0,12}") {
        if let Ok(policy) = Policy::parse(text.as_bytes()) {
            assert!(policy.max_age() <= MAX_AGE);
            assert!(policy.mode() == Mode::None || !policy.patterns().is_empty());
        }
    }
}
