//! Channel bindings: equal on both sides, and equal to OpenSSL's hashes of the certificates in `tests/certificates/bindings`.

use std::sync::Arc;

use starttls_core::rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use starttls_core::rustls::pki_types::pem::PemObject;
use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use starttls_core::rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ServerConfig, ServerConnection,
    SupportedProtocolVersion, version,
};
use starttls_policy::binding::{
    Binding, BindingType, Bindings, RememberCertificate, server_end_point,
};
use starttls_policy::observe::Observer;
use starttls_testkit::drive::carry;
use starttls_tests::certs::{SERVER, VERSIONS, client_config_with, client_of, server};
use starttls_tests::dane_table::{Always, file, lines, raw_key_server, unhex};
use starttls_tests::in_memory::{Pair, handshake};

struct Vector {
    name: String,
    algorithm: String,
    hash: Option<Vec<u8>>,
}

/// What OpenSSL says of the certificates.
fn vectors() -> Vec<Vector> {
    lines("bindings.txt")
        .iter()
        .map(|line| {
            let columns: Vec<_> = line.split(' ').collect();
            let [name, algorithm, _, hash] = columns[..] else {
                panic!("{line}");
            };
            Vector {
                name: name.to_owned(),
                algorithm: algorithm.to_owned(),
                hash: (hash != "-").then(|| unhex(hash)),
            }
        })
        .collect()
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file(&format!("bindings/{name}.pem"))).unwrap()
}

#[test]
fn the_hash_is_the_one_of_the_signature() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 18);
    for Vector {
        name,
        algorithm,
        hash,
    } in vectors
    {
        assert_eq!(
            server_end_point(&certificate(&name)),
            hash,
            "{name}: {algorithm}"
        );
    }
}

#[test]
fn what_is_no_certificate_has_none() {
    let der = certificate("rsa-sha256");
    for broken in [
        &b""[..],
        b"certificate",
        &der[..der.len() - 1],
        &der[1..],
        &[&der, &[0][..]].concat(),
    ] {
        assert_eq!(server_end_point(broken), None);
    }
}

/// A client that believes anybody.
fn client(version: &'static SupportedProtocolVersion) -> ClientConnection {
    let provider = Arc::new(default_provider());
    let config = ClientConfig::builder_with_protocol_versions(&[version])
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Observer::new(None, provider)))
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap()
}

#[test]
fn both_sides_have_the_same_in_each_version() {
    for name in [
        "rsa-sha256",
        "rsa-sha1",
        "pss-sha384",
        "p256-sha256",
        "p384-sha384",
        "ed25519",
    ] {
        let expected = vectors()
            .into_iter()
            .find(|vector| vector.name == name)
            .unwrap()
            .hash;
        for version in VERSIONS {
            let key = PrivateKeyDer::from_pem_file(file(&format!("bindings/{name}.key"))).unwrap();
            let config = ServerConfig::builder_with_protocol_versions(&[version])
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(Always(vec![certificate(name)], key)));
            let (config, chosen) = RememberCertificate::during(&config);
            assert_eq!(chosen.certificate(), None);
            let pair = handshake(client(version), ServerConnection::new(config).unwrap()).unwrap();

            let ours = Bindings::of(&pair.client);
            let theirs = Bindings::with_certificate(&pair.server, chosen.certificate().as_ref());
            assert_eq!(ours, theirs, "{name} {version:?}");
            let end_point = ours
                .get(BindingType::TlsServerEndPoint)
                .map(|binding| binding.data().to_vec());
            assert_eq!(end_point, expected, "{name} {version:?}");

            let exporter = ours
                .get(BindingType::TlsExporter)
                .map(|binding| binding.data().to_vec());
            assert_eq!(
                exporter,
                pair.client.tls_exporter().map(|data| data.to_vec())
            );
            assert_eq!(exporter.is_some(), *version == version::TLS13);

            let kinds: Vec<_> = ours.iter().map(Binding::kind).collect();
            let mut best_first = kinds.clone();
            best_first.sort_unstable();
            assert_eq!(kinds, best_first);
            assert_eq!(ours.best().map(Binding::kind), kinds.first().copied());
            assert_eq!(
                kinds.len(),
                usize::from(exporter.is_some()) + usize::from(expected.is_some())
            );
        }
    }
}

#[test]
fn a_server_that_did_not_remember_has_the_exporter_alone() {
    let Pair { server, client } = handshake(
        client_of(&client_config_with(VERSIONS.as_slice()).into()),
        server(),
    )
    .unwrap();
    let kinds: Vec<_> = Bindings::of(&server).iter().map(Binding::kind).collect();
    assert_eq!(kinds, [BindingType::TlsExporter]);
    // A client is not told its peer's certificate by somebody else.
    let other = certificate("rsa-sha256");
    assert_eq!(
        Bindings::with_certificate(&client, Some(&other)),
        Bindings::of(&client)
    );
}

#[test]
fn there_is_none_before_the_handshake_is_complete() {
    let mut client = starttls_core::Plain::new()
        .start_tls(client(&version::TLS13))
        .unwrap();
    assert_eq!(Bindings::of(&client).iter().count(), 0);
    let (config, chosen) = RememberCertificate::during(&SERVER);
    let mut server = starttls_core::Plain::new()
        .start_tls(ServerConnection::new(config).unwrap())
        .unwrap();
    carry(&mut client, &mut server);
    assert!(server.is_handshaking() && chosen.certificate().is_some());
    assert_eq!(
        Bindings::with_certificate(&server, chosen.certificate().as_ref())
            .iter()
            .count(),
        0
    );
}

/// RFC 5929 section 4: the certificate of a resumed session is the one of the first; the resolver is asked again and chooses the same.
#[test]
fn a_resumed_session_has_its_own_exporter_and_the_same_end_point() {
    for version in VERSIONS {
        let client = Arc::new(client_config_with(&[version]));
        let mut exporters = Vec::new();
        let mut end_points = Vec::new();
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (config, chosen) = RememberCertificate::during(&SERVER);
            let pair =
                handshake(client_of(&client), ServerConnection::new(config).unwrap()).unwrap();
            assert_eq!(
                pair.client.connection().handshake_kind(),
                Some(kind),
                "{version:?}"
            );
            let ours = Bindings::of(&pair.client);
            assert_eq!(
                ours,
                Bindings::with_certificate(&pair.server, chosen.certificate().as_ref())
            );
            exporters.push(ours.get(BindingType::TlsExporter).cloned());
            end_points.push(ours.get(BindingType::TlsServerEndPoint).cloned());
        }
        assert!(end_points[0].is_some() && end_points[0] == end_points[1]);
        assert!(exporters[0].is_none() || exporters[0] != exporters[1]);
    }
}

/// After a HelloRetryRequest the resolver is asked a second time.
#[test]
fn after_a_retry_the_certificate_that_was_shown_is_remembered() {
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519, kx_group::SECP384R1];
    let config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Observer::new(None, Arc::new(provider.clone()))))
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    provider.kx_groups = vec![kx_group::SECP384R1];
    let key = PrivateKeyDer::from_pem_file(file("bindings/p256-sha256.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(vec![certificate("p256-sha256")], key)));
    let (config, chosen) = RememberCertificate::during(&config);
    let pair = handshake(client, ServerConnection::new(config).unwrap()).unwrap();
    assert_eq!(
        pair.client.connection().handshake_kind(),
        Some(HandshakeKind::FullWithHelloRetryRequest)
    );
    assert_eq!(
        Bindings::of(&pair.client),
        Bindings::with_certificate(&pair.server, chosen.certificate().as_ref())
    );
}

#[test]
fn a_key_without_a_certificate_is_no_end_point() {
    let provider = Arc::new(default_provider());
    let records = starttls_policy::dane::Records::from_rdata([starttls_tests::dane_table::record(
        "3 1 1 leaf",
    )
    .as_slice()]);
    let verifier = starttls_policy::dane::Verifier::new(records, provider).with_raw_public_keys();
    let config = ClientConfig::builder_with_protocol_versions(&[&version::TLS13])
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let (config, chosen) = RememberCertificate::during(&raw_key_server(&version::TLS13));
    let pair = handshake(client, ServerConnection::new(config).unwrap()).unwrap();
    assert_eq!(chosen.certificate(), None);
    for bindings in [
        Bindings::of(&pair.client),
        Bindings::with_certificate(&pair.server, chosen.certificate().as_ref()),
    ] {
        let kinds: Vec<_> = bindings.iter().map(Binding::kind).collect();
        assert_eq!(kinds, [BindingType::TlsExporter]);
    }
}

#[test]
fn names() {
    for kind in [BindingType::TlsExporter, BindingType::TlsServerEndPoint] {
        assert_eq!(kind.name().parse(), Ok(kind));
        assert_eq!(kind.to_string(), kind.name());
    }
    assert!(
        "tls-unique".parse::<BindingType>().is_err()
            && "TLS-EXPORTER".parse::<BindingType>().is_err()
    );
}
