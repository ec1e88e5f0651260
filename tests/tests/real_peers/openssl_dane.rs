//! What `openssl s_client` says of the cases in `tests/certificates/dane.txt`: the table's column must be true.

use std::process::{Command, Stdio};

use starttls_core::rustls::pki_types::pem::PemObject;
use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use starttls_core::rustls::{ServerConfig, ServerConnection};
use starttls_tests::dane_table::{Always, Case, Verdict, cases, chain, file, key};

use crate::support::run;

/// A server of ours with the chain of a case, for one connection.
fn serve(config: ServerConfig) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().expect("a connection");
        let connection = ServerConnection::new(config.into()).expect("a valid configuration");
        // The client hangs up, or says why it does not go on: its verdict is what counts.
        if let Ok(mut tls) = starttls_stream::TlsStream::implicit(socket, connection) {
            let _ = std::io::Read::read(&mut tls, &mut [0; 100]);
        }
    });
    port
}

fn config(case: &Case) -> ServerConfig {
    ServerConfig::builder()
        .with_no_client_auth()
        .with_cert_resolver(std::sync::Arc::new(Always(chain(&case.chain), key())))
}

fn verdict(case: &Case) -> (Verdict, String) {
    let mut client = Command::new("openssl");
    client
        .args(["s_client", "-brief", "-verify_return_error"])
        .args(["-connect", &format!("127.0.0.1:{}", serve(config(case)))])
        .args([
            "-dane_tlsa_domain",
            &case.reference,
            "-dane_ee_no_namechecks",
        ])
        .arg("-CAfile")
        .arg(file("dane/root.pem"));
    for record in &case.records {
        let [usage, selector, matching, data @ ..] = &record[..] else {
            panic!("{record:?}");
        };
        let data: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
        client.args([
            "-dane_tlsa_rrdata",
            &format!("{usage} {selector} {matching} {data}"),
        ]);
    }
    let (_, said) = run(&mut client);
    let verdict = if said.contains("Failed to import any TLSA records") {
        Verdict::Unusable
    } else if said.contains("Verification: OK") {
        Verdict::Good
    } else {
        assert!(said.contains("verify error"), "{}: {said}", case.name);
        Verdict::Bad
    };
    (verdict, said)
}

#[test]
fn openssl_says_what_the_table_says() {
    let wrong: Vec<_> = cases()
        .iter()
        .filter_map(|case| {
            let (found, said) = verdict(case);
            (found != case.openssl).then(|| (case.name.clone(), case.openssl, found, said))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The hashes in `tests/certificates/bindings.txt`, which ours are compared with, are OpenSSL's of the very certificates.
#[test]
fn openssl_hashes_the_certificates_as_the_vectors_say() {
    for line in starttls_tests::dane_table::lines("bindings.txt") {
        let columns: Vec<_> = line.split(' ').collect();
        let [name, algorithm, digest, hash] = columns[..] else {
            panic!("{line}");
        };
        let pem = file(&format!("bindings/{name}.pem"));
        let mut text = Command::new("openssl");
        text.args(["x509", "-noout", "-text", "-in"]).arg(&pem);
        let (_, said) = run(&mut text);
        assert!(
            said.contains(&format!("Signature Algorithm: {algorithm}")),
            "{name}: {said}"
        );
        if digest == "-" {
            continue;
        }
        // RSA-PSS names its hash function in the parameters.
        if algorithm == "rsassaPss" && digest != "sha256" {
            assert!(
                said.contains(&format!("Hash Algorithm: {digest}")),
                "{name}: {said}"
            );
        }
        let mut der = Command::new("openssl")
            .args(["x509", "-outform", "DER", "-in"])
            .arg(&pem)
            .stdout(Stdio::piped())
            .spawn()
            .expect("openssl");
        let hashed = Command::new("openssl")
            .args(["dgst", "-r", &format!("-{digest}")])
            .stdin(der.stdout.take().expect("piped"))
            .output()
            .expect("openssl");
        assert!(der.wait().expect("openssl").success(), "{name}");
        let said = String::from_utf8_lossy(&hashed.stdout).into_owned();
        assert!(said.starts_with(hash), "{name}: {said}");
    }
}

/// Both versions of TLS with each kind of certificate: OpenSSL's client takes it, and both sides have the same `tls-exporter`.
#[test]
fn openssl_has_the_same_exporter_with_every_kind_of_certificate() {
    use starttls_policy::binding::{BindingType, Bindings, RememberCertificate, server_end_point};

    for name in [
        "rsa-sha256",
        "rsa-sha1",
        "pss-sha384",
        "p256-sha256",
        "p384-sha384",
        "ed25519",
    ] {
        for (option, has_exporter) in [("-tls1_3", true), ("-tls1_2", false)] {
            let pem = file(&format!("bindings/{name}.pem"));
            let certificate = CertificateDer::from_pem_file(&pem).unwrap();
            let key = PrivateKeyDer::from_pem_file(pem.with_extension("key")).unwrap();
            let config = ServerConfig::builder()
                .with_no_client_auth()
                .with_cert_resolver(std::sync::Arc::new(Always(vec![certificate.clone()], key)));
            let (config, chosen) = RememberCertificate::during(&config);
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let ours = std::thread::spawn(move || {
                let (socket, _) = listener.accept().unwrap();
                let connection = ServerConnection::new(config).unwrap();
                let tls = starttls_stream::TlsStream::implicit(socket, connection).unwrap();
                tls.channel_bindings_with(chosen.certificate().as_ref())
            });
            let mut client = Command::new("openssl");
            client
                .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), option])
                .args([
                    "-keymatexport",
                    "EXPORTER-Channel-Binding",
                    "-keymatexportlen",
                    "32",
                ]);
            let (_, said) = run(&mut client);
            let bindings: Bindings = ours
                .join()
                .unwrap_or_else(|_| panic!("{name} {option}: {said}"));
            assert_eq!(
                bindings
                    .get(BindingType::TlsServerEndPoint)
                    .map(|binding| binding.data().to_vec()),
                server_end_point(&certificate)
            );
            let exporter = bindings.get(BindingType::TlsExporter);
            assert_eq!(exporter.is_some(), has_exporter, "{name} {option}");
            if let Some(exporter) = exporter {
                let hex: String = exporter
                    .data()
                    .iter()
                    .map(|byte| format!("{byte:02X}"))
                    .collect();
                assert!(said.contains(&hex), "{name} {hex}: {said}");
            }
        }
    }
}
