//! A login that is bound to its connection: with the same bindings on both sides it succeeds, with others it does not.

use starttls_core::rustls::ServerConnection;
use starttls_policy::binding::{BindingType, Bindings, RememberCertificate};
use starttls_tests::certs::{SERVER, VERSIONS, client_config_with, client_of};
use starttls_tests::in_memory::handshake;
use starttls_tests::scram;

/// A connection's bindings, on both sides.
fn connection(version: usize) -> (Bindings, Bindings) {
    let (config, chosen) = RememberCertificate::during(&SERVER);
    let client = client_of(&client_config_with(&[VERSIONS[version]]).into());
    let pair = handshake(client, ServerConnection::new(config).unwrap()).unwrap();
    (
        Bindings::of(&pair.client),
        Bindings::with_certificate(&pair.server, chosen.certificate().as_ref()),
    )
}

fn logs_in(client: Bindings, server: Bindings, kind: BindingType) -> bool {
    let mut client = scram::client("test", client, kind);
    let mut server = scram::server(server);
    let mut login = || {
        let first = client.step(None).ok()?;
        let challenge = server.step(Some(&first)).ok()?;
        let last = client.step(Some(&challenge)).ok()?;
        let verdict = server.step(Some(&last)).ok()?;
        client.step(Some(&verdict)).ok()
    };
    login().is_some() && server.is_done()
}

#[test]
fn with_each_binding_that_a_connection_has() {
    for version in 0..VERSIONS.len() {
        let (client, server) = connection(version);
        let kinds: Vec<_> = client
            .iter()
            .map(starttls_policy::binding::Binding::kind)
            .collect();
        assert!(kinds.contains(&BindingType::TlsServerEndPoint));
        for kind in kinds {
            assert!(
                logs_in(client.clone(), server.clone(), kind),
                "{version} {kind}"
            );
        }
    }
}

/// One in between has two connections: `tls-exporter` differs, and so the login cannot be passed on.
#[test]
fn not_across_two_connections() {
    let (client, _) = connection(1);
    let (_, server) = connection(1);
    assert!(client.get(BindingType::TlsExporter).is_some());
    assert!(!logs_in(
        client.clone(),
        server.clone(),
        BindingType::TlsExporter
    ));
    // The same certificate is the same end point.
    assert!(logs_in(client, server, BindingType::TlsServerEndPoint));
}

#[test]
fn not_with_a_binding_that_a_connection_does_not_have() {
    let (client, server) = connection(0);
    assert!(client.get(BindingType::TlsExporter).is_none());
    assert!(!logs_in(client, server, BindingType::TlsExporter));
}
