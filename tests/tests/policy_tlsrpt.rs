//! TLS-RPT: records, what failures are called, and reports as senders publish them.

use std::sync::Arc;

use starttls_core::rustls::{CertificateError, Error as TlsError, OtherError};
use starttls_core::{Error, Misbehaviour, Misuse, Refusal, Stage, UntrustedText};
use starttls_policy::dane::NoMatch;
use starttls_policy::decision::Reason;
use starttls_policy::sts::Invalid;
use starttls_policy::tlsrpt::{
    DateRange, Destination, FailureDetails, InvalidReport, MAX_REPORT, PolicyDescription,
    PolicyReport, PolicyType, Record, Report, ResultType, Summary,
};

fn record(texts: &[&str]) -> Result<Option<Vec<Destination>>, Invalid> {
    Record::among(texts.iter().map(|text| text.as_bytes()))
        .map(|found| found.map(|record| record.destinations().to_vec()))
}

#[test]
fn records() {
    let mail = |address: &str| Destination::Mailto(address.to_owned());
    let https = |uri: &str| Destination::Https(uri.to_owned());
    for (texts, expected) in [
        (
            &["v=TLSRPTv1;rua=mailto:reports@example.com"][..],
            Ok(Some(vec![mail("reports@example.com")])),
        ),
        (
            &["v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"],
            Ok(Some(vec![https("https://reporting.example.com/v1/tlsrpt")])),
        ),
        (
            &[
                "v=TLSRPTv1; rua=mailto:a@b.example, HTTPS://c.example/d,gopher://e; ext=1;",
                "v=spf1 -all",
            ],
            Ok(Some(vec![
                mail("a@b.example"),
                https("HTTPS://c.example/d"),
            ])),
        ),
        (&["v=TLSRPTv2; rua=mailto:a@b.example"], Ok(None)),
        (&["v=TLSRPTv1"], Err(Invalid::Missing("rua"))),
        (&["v=TLSRPTv1; rua=gopher://e"], Err(Invalid::Value("rua"))),
        (
            &["v=TLSRPTv1; rua=mailto:nobody"],
            Err(Invalid::Value("rua")),
        ),
        (&["v=TLSRPTv1; rua=https:x"], Err(Invalid::Value("rua"))),
        (&["v=TLSRPTv1; rua"], Err(Invalid::Syntax)),
        (
            &["v=TLSRPTv1; rua=mailto:a@b", "v=TLSRPTv1; rua=mailto:c@d"],
            Err(Invalid::SeveralRecords),
        ),
    ] {
        assert_eq!(record(texts), expected, "{texts:?}");
    }
}

#[test]
fn what_failures_are_called() {
    let certificate = |why| Error::Tls(TlsError::InvalidCertificate(why));
    let refusal = || Refusal::new(454, b"not now");
    for (error, expected) in [
        (Error::NotOffered, Some(ResultType::StarttlsNotSupported)),
        (
            Error::Refused(refusal()),
            Some(ResultType::StarttlsNotSupported),
        ),
        (
            certificate(CertificateError::Expired),
            Some(ResultType::CertificateExpired),
        ),
        (
            certificate(CertificateError::NotValidYet),
            Some(ResultType::CertificateExpired),
        ),
        (
            certificate(CertificateError::NotValidForName),
            Some(ResultType::CertificateHostMismatch),
        ),
        (
            certificate(CertificateError::UnknownIssuer),
            Some(ResultType::CertificateNotTrusted),
        ),
        (
            certificate(CertificateError::BadSignature),
            Some(ResultType::CertificateNotTrusted),
        ),
        (
            certificate(CertificateError::Other(OtherError(Arc::new(NoMatch)))),
            Some(ResultType::TlsaInvalid),
        ),
        (
            certificate(CertificateError::BadEncoding),
            Some(ResultType::ValidationFailure),
        ),
        (
            Error::Tls(TlsError::DecryptError),
            Some(ResultType::ValidationFailure),
        ),
        (
            Error::Truncated(Stage::Handshake),
            Some(ResultType::ValidationFailure),
        ),
        (
            Error::NotTls {
                sample: UntrustedText::new(b"500"),
            },
            Some(ResultType::ValidationFailure),
        ),
        (
            Error::Misbehaved(Misbehaviour::AlreadyTls),
            Some(ResultType::ValidationFailure),
        ),
        (Error::Misuse(Misuse::Finished), None),
    ] {
        assert_eq!(ResultType::of(&error), expected, "{error:?}");
    }
    let decisions: Vec<_> = Reason::ALL
        .into_iter()
        .filter_map(|reason| ResultType::of_decision(reason).map(|result| (reason, result)))
        .collect();
    assert_eq!(
        decisions,
        [
            (Reason::LocalDaneMissing, ResultType::DaneRequired),
            (Reason::DaneUnusable, ResultType::TlsaInvalid),
            (Reason::DaneTemporaryFailure, ResultType::DnssecInvalid),
            (Reason::StsHostNotListed, ResultType::ValidationFailure),
        ]
    );
}

/// A report with everything that one can have, in the shape of RFC 8460 section 4.4 and appendix B.
const FULL: &str = r#"{
  "organization-name": "Company-X",
  "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
  "contact-info": "sts-reporting@company-x.example",
  "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
  "policies": [{
    "policy": {
      "policy-type": "sts",
      "policy-string": ["version: STSv1", "mode: testing", "mx: *.mail.company-y.example", "max_age: 86400"],
      "policy-domain": "company-y.example",
      "mx-host": ["*.mail.company-y.example"]
    },
    "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
    "failure-details": [
      {"result-type": "certificate-expired", "sending-mta-ip": "2001:db8:abcd:12::1", "receiving-mx-hostname": "mx1.mail.company-y.example", "failed-session-count": 100},
      {"result-type": "starttls-not-supported", "sending-mta-ip": "2001:db8:abcd:13::1", "receiving-mx-hostname": "mx2.mail.company-y.example", "receiving-ip": "203.0.113.56", "failed-session-count": 200,
       "additional-information": "https://reports.company-x.example/report_info ? id = 5065427 c - 23 d3# StarttlsNotSupported "},
      {"result-type": "validation-failure", "sending-mta-ip": "198.51.100.62", "receiving-ip": "203.0.113.58", "receiving-mx-hostname": "mx-backup.mail.company-y.example", "receiving-mx-helo": "mx-backup", "failed-session-count": 3, "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"}
    ]
  }]
}"#;

#[test]
fn a_full_report_is_read_and_written() {
    let report = Report::parse(FULL.as_bytes()).unwrap();
    let [policy] = &report.policies[..] else {
        panic!("{report:?}")
    };
    assert_eq!(policy.policy.policy_type, PolicyType::Sts);
    assert_eq!(policy.policy.mx_host, ["*.mail.company-y.example"]);
    assert_eq!(policy.summary.total_failure_session_count, 303);
    let kinds: Vec<_> = policy
        .failure_details
        .iter()
        .map(|failure| failure.result_type)
        .collect();
    assert_eq!(
        kinds,
        [
            ResultType::CertificateExpired,
            ResultType::StarttlsNotSupported,
            ResultType::ValidationFailure
        ]
    );
    assert_eq!(
        policy.failure_details[1].receiving_ip,
        Some("203.0.113.56".parse().unwrap())
    );

    let written = report.to_json();
    assert_eq!(Report::parse(written.as_bytes()).unwrap(), report);
    // Nothing is lost and nothing is added: the same values, whatever their order.
    assert_eq!(json(&written), json(FULL));
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_small_report_has_no_empty_fields() {
    let report = Report {
        organization_name: "us".into(),
        date_range: DateRange {
            start_datetime: "2026-01-01T00:00:00Z".into(),
            end_datetime: "2026-01-01T23:59:59Z".into(),
        },
        contact_info: "tls@us.example".into(),
        report_id: "1".into(),
        policies: vec![PolicyReport {
            policy: PolicyDescription {
                policy_type: PolicyType::NoPolicyFound,
                policy_string: Vec::new(),
                policy_domain: "them.example".into(),
                mx_host: Vec::new(),
            },
            summary: Summary {
                total_successful_session_count: 1,
                total_failure_session_count: 0,
            },
            failure_details: Vec::new(),
        }],
    };
    assert_eq!(
        report.to_json(),
        concat!(
            r#"{"organization-name":"us","date-range":{"start-datetime":"2026-01-01T00:00:00Z","end-datetime":"2026-01-01T23:59:59Z"},"#,
            r#""contact-info":"tls@us.example","report-id":"1","policies":[{"policy":{"policy-type":"no-policy-found","policy-domain":"them.example"},"#,
            r#""summary":{"total-successful-session-count":1,"total-failure-session-count":0}}]}"#
        )
    );
    let failure = FailureDetails {
        result_type: ResultType::TlsaInvalid,
        sending_mta_ip: None,
        receiving_mx_hostname: None,
        receiving_mx_helo: None,
        receiving_ip: None,
        failed_session_count: 1,
        additional_information: None,
        failure_reason_code: None,
    };
    assert_eq!(
        serde_json::to_string(&failure).unwrap(),
        r#"{"result-type":"tlsa-invalid","failed-session-count":1}"#
    );
}

#[test]
fn every_result_type_has_the_name_of_the_rfc() {
    for (result, name) in [
        (ResultType::StarttlsNotSupported, "starttls-not-supported"),
        (
            ResultType::CertificateHostMismatch,
            "certificate-host-mismatch",
        ),
        (ResultType::CertificateExpired, "certificate-expired"),
        (ResultType::CertificateNotTrusted, "certificate-not-trusted"),
        (ResultType::ValidationFailure, "validation-failure"),
        (ResultType::TlsaInvalid, "tlsa-invalid"),
        (ResultType::DnssecInvalid, "dnssec-invalid"),
        (ResultType::DaneRequired, "dane-required"),
        (ResultType::StsPolicyFetchError, "sts-policy-fetch-error"),
        (ResultType::StsPolicyInvalid, "sts-policy-invalid"),
        (ResultType::StsWebpkiInvalid, "sts-webpki-invalid"),
    ] {
        assert_eq!(serde_json::to_value(result).unwrap(), name);
        assert_eq!(
            serde_json::from_value::<ResultType>(name.into()).unwrap(),
            result
        );
    }
}

#[test]
fn reports_that_others_write_a_little_differently() {
    for (from, to) in [
        (
            r#"["*.mail.company-y.example"]"#,
            r#""*.mail.company-y.example""#,
        ),
        (r#""report-id""#, r#""x-unknown": {"a": [1]}, "report-id""#),
        (r#""policy-type": "sts""#, r#""policy-type": "tlsa""#),
    ] {
        let text = FULL.replace(from, to);
        assert_ne!(text, FULL);
        let report = Report::parse(text.as_bytes()).unwrap();
        assert_eq!(
            report.policies[0].policy.mx_host,
            ["*.mail.company-y.example"]
        );
    }
}

#[test]
fn what_is_no_report() {
    for (from, to) in [
        (r#""organization-name": "Company-X","#, ""),
        (r#""policies""#, r#""polices""#),
        (r#""policy-type": "sts""#, r#""policy-type": "dane""#),
        ("5326", "-1"),
        ("5326", "\"5326\""),
        ("5326", "5326.5"),
        ("certificate-expired", "expired"),
        ("203.0.113.56", "203.0.113.560"),
        (r#""failed-session-count": 100"#, r#""count": 100"#),
        (r#"["version: STSv1", "#, r#"[1, "#),
    ] {
        let text = FULL.replace(from, to);
        assert_ne!(text, FULL, "{from}");
        let error = Report::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, InvalidReport::Json(_)), "{error:?}");
        assert!(!error.to_string().contains("Company"), "{error}");
    }
    for cut in 0..FULL.len() {
        assert!(Report::parse(&FULL.as_bytes()[..cut]).is_err(), "{cut}");
    }
    let deep = "[".repeat(100_000);
    assert!(Report::parse(deep.as_bytes()).is_err());
    let large = format!("{FULL}{}", " ".repeat(MAX_REPORT));
    assert!(matches!(
        Report::parse(large.as_bytes()),
        Err(InvalidReport::TooLong)
    ));
    let largest = format!("{FULL}{}", " ".repeat(MAX_REPORT - FULL.len()));
    assert!(Report::parse(largest.as_bytes()).is_ok());
}
