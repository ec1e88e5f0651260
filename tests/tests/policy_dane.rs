//! DANE over the table in `tests/certificates/dane.txt`, which says what OpenSSL does with each case.

use std::sync::Arc;
use std::time::Duration;

use starttls_core::rustls::client::danger::ServerCertVerifier;
use starttls_core::rustls::crypto::aws_lc_rs::default_provider;
use starttls_core::rustls::pki_types::{ServerName, UnixTime};
use starttls_core::rustls::version::{TLS12, TLS13};
use starttls_core::rustls::{CertificateError, Error as TlsError};
use starttls_core::rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use starttls_policy::dane::{
    MAX_RECORDS, Matching, NoMatch, Records, Selector, Unusable, Usage, Verifier,
};
use starttls_policy::decision::Dane;
use starttls_tests::certs::VERSIONS;
use starttls_tests::dane_table::{Case, Verdict, cases, chain, key, record};
use starttls_tests::in_memory::{Pair, handshake};

/// The year 2026: the table's certificates are valid from 2020 to 2120.
fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(1_780_000_000))
}

fn verifier(case: &Case) -> Verifier {
    Verifier::new(records(case), Arc::new(default_provider()))
}

fn records(case: &Case) -> Records {
    Records::from_rdata(case.records.iter().map(Vec::as_slice))
}

fn verdict(case: &Case) -> Verdict {
    match records(case).outcome() {
        Dane::Records => {}
        Dane::Unusable => return Verdict::Unusable,
        other => panic!("{}: {other:?}", case.name),
    }
    let chain = chain(&case.chain);
    let name = ServerName::try_from(case.reference.as_str()).unwrap();
    match verifier(case).verify_server_cert(&chain[0], &chain[1..], &name, &[], now()) {
        Ok(_) => Verdict::Good,
        Err(_) => Verdict::Bad,
    }
}

#[test]
fn the_table_has_many_cases_and_few_differences() {
    let cases = cases();
    assert!(cases.len() >= 100, "{}", cases.len());
    let different: Vec<_> = cases
        .iter()
        .filter(|case| case.ours != case.openssl)
        .collect();
    assert!(different.len() <= 5, "{different:?}");
    for case in different {
        assert!(
            case.why.as_ref().is_some_and(|why| why.contains("RFC ")),
            "{case:?}"
        );
    }
}

#[test]
fn every_case_comes_out_as_the_table_says() {
    let wrong: Vec<_> = cases()
        .into_iter()
        .filter_map(|case| {
            let found = verdict(&case);
            (found != case.ours).then_some((case.name, case.ours, found))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The whole handshake, in both versions: a certificate that webpki would not even read is still good for its signature.
#[test]
fn every_case_with_usable_records_in_a_handshake() {
    for version in VERSIONS {
        for case in cases() {
            if case.ours == Verdict::Unusable {
                continue;
            }
            let client = ClientConfig::builder_with_protocol_versions(&[version])
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier(&case)))
                .with_no_client_auth();
            let server = ServerConfig::builder_with_protocol_versions(&[version])
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(starttls_tests::dane_table::Always(
                    chain(&case.chain),
                    key(),
                )));
            let name = ServerName::try_from(case.reference.as_str())
                .unwrap()
                .to_owned();
            let outcome = handshake(
                ClientConnection::new(Arc::new(client), name).unwrap(),
                ServerConnection::new(Arc::new(server)).unwrap(),
            );
            assert_eq!(
                outcome.is_ok(),
                case.ours == Verdict::Good,
                "{version:?} {}: {outcome:?}",
                case.name
            );
        }
    }
}

#[test]
fn a_name_of_the_next_hop_is_enough() {
    let chain = chain(&["leaf-other", "inter", "root"]);
    let records = Records::from_rdata([record("2 0 1 root").as_slice()]);
    let verifier = Verifier::new(records, Arc::new(default_provider()));
    let name = ServerName::try_from("mx.example.org").unwrap();
    let verify = |verifier: &Verifier| {
        verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now())
    };
    assert_eq!(
        verify(&verifier).unwrap_err(),
        TlsError::InvalidCertificate(CertificateError::NotValidForName)
    );
    let verifier = verifier.or_name("other.example.net").unwrap();
    assert!(verify(&verifier).is_ok());
}

#[test]
fn without_records_nobody_is_believed() {
    let verifier = Verifier::new(Records::default(), Arc::new(default_provider()));
    let chain = chain(&["leaf", "inter", "root"]);
    let name = ServerName::try_from("mx.example.org").unwrap();
    let error = verifier
        .verify_server_cert(&chain[0], &chain[1..], &name, &[], now())
        .unwrap_err();
    let TlsError::InvalidCertificate(CertificateError::Other(other)) = error else {
        panic!("{error:?}");
    };
    assert_eq!(other.0.downcast_ref::<NoMatch>(), Some(&NoMatch));
}

#[test]
fn what_is_unusable_says_why() {
    let digest = [7; 32];
    let records = Records::new([
        (0, 0, 1, &digest[..]),
        (1, 1, 1, &digest),
        (4, 1, 1, &digest),
        (255, 1, 1, &digest),
        (3, 2, 1, &digest),
        (3, 1, 3, &digest),
        (3, 1, 1, &digest[1..]),
        (3, 1, 2, &digest),
        (3, 0, 0, &digest),
        (2, 1, 0, b""),
    ]);
    assert_eq!(records.outcome(), Dane::Unusable);
    assert_eq!(
        records.unusable(),
        [
            Unusable::PkixUsage,
            Unusable::PkixUsage,
            Unusable::UnknownUsage,
            Unusable::UnknownUsage,
            Unusable::UnknownSelector,
            Unusable::UnknownMatching,
            Unusable::DigestLength,
            Unusable::DigestLength,
            Unusable::Malformed,
            Unusable::Malformed,
        ]
    );
    assert_eq!(
        Records::from_rdata([&b"\x03\x01"[..]]).unusable(),
        [Unusable::Short]
    );
    assert_eq!(Records::default().outcome(), Dane::NotApplicable);

    let usable = Records::new([(3, 1, 1, &digest[..])]);
    let record = &usable.usable()[0];
    assert_eq!(
        (record.usage(), record.selector(), record.matching()),
        (Usage::DaneEe, Selector::Spki, Matching::Sha256)
    );
    assert_eq!(record.data(), digest);
    assert_eq!(record.to_string(), format!("3 1 1 {}", "07".repeat(32)));
}

#[test]
fn the_number_of_records_is_limited() {
    let digest = [7; 32];
    let records = Records::new((0..1000).map(|_| (3, 1, 1, &digest[..])));
    assert_eq!(records.usable().len(), MAX_RECORDS);
    assert_eq!(records.unusable().len(), MAX_RECORDS);
    let records = Records::new((0..1000).map(|_| (9, 1, 1, &digest[..])));
    assert_eq!(records.unusable().len(), MAX_RECORDS);
}

/// RFC 7250: the server shows its key without a certificate, in both versions of TLS that know it.
#[test]
fn a_raw_public_key_is_named_by_3_1_x() {
    for version in [&TLS12, &TLS13] {
        for (shown, good) in [
            ("3 1 1 leaf", true),
            ("3 1 2 leaf", true),
            ("3 1 0 leaf", true),
            ("3 0 1 leaf", false),
            ("3 1 1 stranger", false),
            ("2 1 1 leaf", false),
        ] {
            let records = Records::from_rdata([record(shown).as_slice()]);
            let verifier =
                Verifier::new(records, Arc::new(default_provider())).with_raw_public_keys();
            let client = ClientConfig::builder_with_protocol_versions(&[version])
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
                .with_no_client_auth();
            let server = starttls_tests::dane_table::raw_key_server(version);
            let outcome: Result<Pair, _> = handshake(
                ClientConnection::new(Arc::new(client), "mx.example.org".try_into().unwrap())
                    .unwrap(),
                ServerConnection::new(Arc::new(server)).unwrap(),
            );
            assert_eq!(outcome.is_ok(), good, "{version:?} {shown}: {outcome:?}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_rdata_is_a_record_or_not(rdata: Vec<u8>) {
        let records = Records::from_rdata([&rdata[..]]);
        assert_eq!(records.usable().len() + records.unusable().len(), 1);
    }
}

/// What a server shows can be anything: it is refused, or is what a record names, and never more.
#[test]
fn damaged_certificates_are_refused_without_a_panic() {
    let chain = chain(&["leaf", "inter", "root"]);
    let name = ServerName::try_from("mx.example.org").unwrap();
    for shown in ["3 0 1 leaf", "3 1 1 leaf", "2 0 1 root", "2 1 0 root"] {
        let records = Records::from_rdata([record(shown).as_slice()]);
        let verifier = Verifier::new(records, Arc::new(default_provider()));
        for position in 0..chain[0].len() {
            for damage in [0x01, 0x80, 0xff] {
                let mut leaf = chain[0].to_vec();
                leaf[position] ^= damage;
                let outcome =
                    verifier.verify_server_cert(&leaf.into(), &chain[1..], &name, &[], now());
                // Only a key that was left as it is, is still that key.
                assert!(
                    outcome.is_err() || shown == "3 1 1 leaf",
                    "{shown} {position}"
                );
            }
        }
        for length in 0..chain[0].len() {
            let cut = chain[0][..length].to_vec().into();
            assert!(
                verifier
                    .verify_server_cert(&cut, &chain[1..], &name, &[], now())
                    .is_err()
            );
        }
        for position in 0..chain[1].len() {
            let mut inter = chain[1].to_vec();
            inter[position] ^= 0x55;
            let rest = [inter.into(), chain[2].clone()];
            let outcome = verifier.verify_server_cert(&chain[0], &rest, &name, &[], now());
            assert_eq!(
                outcome.is_ok(),
                shown.starts_with('3'),
                "{shown} {position}"
            );
        }
    }
}
