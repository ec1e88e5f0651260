//! A policy sees a connection through, and the report tells what came of it.

use std::sync::Arc;

use starttls_core::rustls::client::WebPkiServerVerifier;
use starttls_core::rustls::client::danger::ServerCertVerifier;
use starttls_core::rustls::crypto::CryptoProvider;
use starttls_core::rustls::crypto::aws_lc_rs::{ALL_KX_GROUPS, default_provider, kx_group};
use starttls_core::rustls::pki_types::ServerName;
use starttls_core::rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use starttls_core::{Error, Misuse};
use starttls_policy::dane::{Records, Verifier};
use starttls_policy::decision::{
    Action, By, Decision, Facts, Local, Reason, Requirement, Sts, decide,
};
use starttls_policy::pin::Pin;
use starttls_policy::sts::Mode;
use starttls_policy::tlsrpt::ResultType;
use starttls_policy::{Identity, Observed, Offered, Outcome, Policy, Report, Trust};
use starttls_tests::certs::{CERTS, VERSIONS, client_config_with, server_config_with};
use starttls_tests::in_memory::handshake;

fn authorities(trusted: bool) -> Arc<dyn ServerCertVerifier> {
    let mut roots = RootCertStore::empty();
    roots
        .add(if trusted {
            CERTS.ca.clone()
        } else {
            starttls_tests::dane_table::chain(&["root"])[0].clone()
        })
        .unwrap();
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
        .build()
        .unwrap()
}

fn requires(requirement: Requirement) -> Decision {
    Decision {
        action: Action::Connect(requirement),
        reason: Reason::NothingPublished,
        observe: None,
    }
}

fn policy(decision: Decision, name: &'static str, trust: Trust) -> Policy {
    let config = Arc::new(client_config_with(&VERSIONS));
    Policy::new(decision, ServerName::try_from(name).unwrap(), config, trust).unwrap()
}

fn pinned(der: &[u8]) -> Trust {
    Trust {
        pins: vec![Pin::of_certificate(der).unwrap()],
        ..Trust::default()
    }
}

fn dane(data: &[u8]) -> Trust {
    let records = Records::new([(3, 0, 0, data)]);
    Trust {
        dane: Some(Arc::new(Verifier::new(
            records,
            Arc::new(default_provider()),
        ))),
        ..Trust::default()
    }
}

fn pkix(trusted: bool) -> Trust {
    Trust {
        authorities: Some(authorities(trusted)),
        ..Trust::default()
    }
}

/// A handshake under this policy with the server that has the certificate for `localhost`.
fn attempt(policy: &Policy) -> Report {
    let (connection, attempt) = policy.attempt().unwrap();
    let server = server_config_with(&CERTS.server, &VERSIONS);
    let server = ServerConnection::new(Arc::new(server)).unwrap();
    match handshake(connection.unwrap(), server) {
        Ok(pair) => attempt.secured(pair.client.connection()),
        Err(error) => attempt.failed(Some(&error)),
    }
}

#[test]
fn each_way_to_authenticate_lets_in_the_right_one_and_nobody_else() {
    let right = &CERTS.server.certificate;
    let wrong = &CERTS.other.certificate;
    for (by, good, bad, name, called) in [
        (
            By::Dane,
            dane(right),
            dane(wrong),
            "localhost",
            ResultType::TlsaInvalid,
        ),
        (
            By::Pinned,
            pinned(right),
            pinned(wrong),
            "localhost",
            ResultType::ValidationFailure,
        ),
        (
            By::Pkix,
            pkix(true),
            pkix(false),
            "localhost",
            ResultType::CertificateNotTrusted,
        ),
        (
            By::Sts,
            pkix(true),
            pkix(true),
            "other.example",
            ResultType::CertificateHostMismatch,
        ),
    ] {
        let decision = requires(Requirement::Verify(by));
        let report = attempt(&policy(decision, "localhost", good));
        assert_eq!(
            (report.outcome, report.authenticated),
            (Outcome::Tls, Some(by))
        );
        assert_eq!(report.offered, Offered::Yes);
        assert!(report.error.is_none() && report.failure.is_none() && !report.is_downgraded());
        let identity = report.identity.unwrap();
        assert_eq!(identity.names, ["localhost"]);
        assert_eq!(
            identity.key,
            Pin::of_certificate(right).map(|pin| pin.to_string())
        );
        assert!(!identity.resumed, "{identity:?}");
        assert_eq!(identity.version, "TLSv1_3");

        let report = attempt(&policy(decision, name, bad));
        assert_eq!(
            (report.outcome, report.authenticated),
            (Outcome::Failed, None),
            "{by:?}"
        );
        assert_eq!(
            (report.offered, report.failure),
            (Offered::Yes, Some(called)),
            "{by:?}"
        );
        assert!(report.identity.is_none() && report.error.is_some());
    }
}

#[test]
fn anybody_is_let_in_where_nobody_is_asked_for_and_the_report_says_whom_we_would_have_believed() {
    for requirement in [Requirement::Opportunistic, Requirement::Encrypt] {
        for (trust, verdict) in [
            (Trust::default(), Observed::Nothing),
            (pkix(true), Observed::Good),
            (
                pkix(false),
                Observed::Bad(ResultType::CertificateNotTrusted),
            ),
        ] {
            let report = attempt(&policy(requires(requirement), "localhost", trust));
            assert_eq!((report.outcome, report.authenticated), (Outcome::Tls, None));
            assert_eq!(report.observed, verdict);
        }
    }
}

#[test]
fn a_policy_that_is_tested_is_reported_on_and_not_enforced() {
    let sts = Sts::Policy {
        mode: Mode::Testing,
        lists_host: true,
    };
    let decision = decide(&Facts {
        sts,
        ..Facts::default()
    });
    assert_eq!(decision.observe, Some(By::Sts));
    let report = attempt(&policy(decision, "other.example", pkix(true)));
    assert_eq!(
        (report.outcome, report.tested),
        (Outcome::Tls, Some(By::Sts))
    );
    assert_eq!(
        report.observed,
        Observed::Bad(ResultType::CertificateHostMismatch)
    );
}

#[test]
fn what_is_needed_must_be_there() {
    for by in [By::Dane, By::Sts, By::Pkix, By::Pinned] {
        let error = policy(
            requires(Requirement::Verify(by)),
            "localhost",
            Trust::default(),
        )
        .attempt()
        .unwrap_err();
        assert!(
            matches!(error, Error::Misuse(Misuse::Configuration(_))),
            "{by:?}: {error:?}"
        );
    }
}

#[test]
fn no_policy_comes_of_a_decision_not_to_connect() {
    for action in [Action::TryLater, Action::Refuse] {
        let decision = Decision {
            action,
            ..requires(Requirement::Disabled)
        };
        let config = Arc::new(client_config_with(&VERSIONS));
        let name = ServerName::try_from("localhost").unwrap();
        let forbidden = Policy::new(decision, name, config, Trust::default()).unwrap_err();
        assert_eq!(forbidden.0, decision);
        assert!(
            forbidden
                .to_string()
                .starts_with("no connection to this host")
        );
    }
}

/// A session that was made with anybody must not get around a policy that asks for somebody.
#[test]
fn nothing_is_resumed() {
    let lenient = policy(
        requires(Requirement::Encrypt),
        "localhost",
        Trust::default(),
    );
    let strict = policy(
        requires(Requirement::Verify(By::Pinned)),
        "localhost",
        pinned(&CERTS.other.certificate),
    );
    for _ in 0..2 {
        assert_eq!(
            attempt(&lenient).identity.map(|identity| identity.resumed),
            Some(false)
        );
        assert_eq!(attempt(&strict).outcome, Outcome::Failed);
    }
}

#[test]
fn a_downgrade_is_seen() {
    let decision = decide(&Facts::default());
    let policy = policy(decision, "localhost", Trust::default());
    assert_eq!(policy.requirement(), Requirement::Opportunistic);
    let report = policy
        .attempt()
        .unwrap()
        .1
        .plaintext(Some(&Error::NotOffered));
    assert!(report.is_downgraded());
    assert_eq!(
        (report.offered, report.failure),
        (Offered::No, Some(ResultType::StarttlsNotSupported))
    );
    let line = report.to_string();
    assert!(
        line.contains("outcome=Plaintext") && line.contains("offered=No") && !line.contains('\n'),
        "{line}"
    );

    let decision = decide(&Facts {
        local: Local::Disabled,
        ..Facts::default()
    });
    let disabled = Policy::new(
        decision,
        ServerName::try_from("localhost").unwrap(),
        Arc::new(client_config_with(&VERSIONS)),
        Trust::default(),
    )
    .unwrap();
    let (connection, attempt) = disabled.attempt().unwrap();
    assert!(connection.is_none());
    let report = attempt.plaintext(None);
    assert!(!report.is_downgraded());
    assert_eq!(
        (report.required, report.offered),
        (Requirement::Disabled, Offered::NotAsked)
    );
}

#[test]
fn a_report_serialises() {
    let report = attempt(&policy(
        requires(Requirement::Verify(By::Pkix)),
        "localhost",
        pkix(true),
    ));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["required"], serde_json::json!({"verify": "pkix"}));
    assert_eq!(json["outcome"], "tls");
    assert_eq!(json["identity"]["version"], "TLSv1_3");
    assert_eq!(json["identity"]["resumed"], false);
    assert_eq!(json["failure"], serde_json::Value::Null);
    assert_eq!(json["observed"], "nothing");
    let report = attempt(&policy(
        requires(Requirement::Encrypt),
        "localhost",
        pkix(false),
    ));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["observed"],
        serde_json::json!({"bad": "certificate-not-trusted"})
    );
}

#[test]
fn a_report_says_whether_the_key_exchange_is_post_quantum() {
    for (group, expected) in [(kx_group::X25519MLKEM768, true), (kx_group::X25519, false)] {
        let mut provider = default_provider();
        provider.kx_groups = vec![group];
        let client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let decision = requires(Requirement::Encrypt);
        let name = ServerName::try_from("localhost").unwrap();
        let policy = Policy::new(decision, name, Arc::new(client), Trust::default()).unwrap();
        let (connection, attempt) = policy.attempt().unwrap();
        let server = ServerConfig::builder_with_provider(Arc::new(CryptoProvider {
            kx_groups: ALL_KX_GROUPS.to_vec(),
            ..default_provider()
        }))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CERTS.server.certificate.clone()], CERTS.server.key())
        .unwrap();
        let server = ServerConnection::new(Arc::new(server)).unwrap();
        let pair = handshake(connection.unwrap(), server).unwrap();
        let identity = attempt.secured(pair.client.connection()).identity.unwrap();
        assert_eq!(identity.post_quantum, expected, "{identity:?}");
        assert_eq!(identity.key_exchange, Some(format!("{:?}", group.name())));
        // The server knows as much; its peer has shown no certificate.
        let identity = Identity::of(pair.server.connection()).unwrap();
        assert_eq!((identity.post_quantum, identity.key), (expected, None));
    }
}

#[test]
fn pins_in_text() {
    let pin = Pin::of_certificate(&CERTS.server.certificate).unwrap();
    assert_eq!(pin.to_string().parse(), Ok(pin));
    assert_eq!(Pin::new(*pin.digest()), pin);
    assert_eq!(Pin::of_certificate(b"no certificate"), None);
    for text in [
        "",
        "sha256//",
        "sha256/AAAA",
        "sha256//AAAA",
        "sha1//f0xzLXS1GcnBAv/TCAbP8D9AJOqgLYHiVqfdn6QWOzg=",
        "sha256//f0xzLXS1GcnBAv/TCAbP8D9AJOqgLYHiVqfdn6QWOzg",
    ] {
        assert!(text.parse::<Pin>().is_err(), "{text}");
    }
    // The same digest as OpenSSL's of the same key.
    let leaf = &starttls_tests::dane_table::chain(&["leaf"])[0];
    assert_eq!(
        Pin::of_certificate(leaf).unwrap().digest()[..],
        starttls_tests::dane_table::record("3 1 1 leaf")[3..]
    );
}
