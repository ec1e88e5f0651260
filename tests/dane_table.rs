//! `tests/certificates/dane.txt` and what it refers to.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use starttls_core::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use starttls_core::rustls::pki_types::pem::PemObject;
use starttls_core::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use starttls_core::rustls::server::{
    AlwaysResolvesServerRawPublicKeys, ClientHello, ResolvesServerCert,
};
use starttls_core::rustls::sign::CertifiedKey;
use starttls_core::rustls::{ServerConfig, SupportedProtocolVersion};

/// What comes of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The server is authenticated.
    Good,
    /// It is not.
    Bad,
    /// No record can be used.
    Unusable,
}

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The names of the certificates, the server's first.
    pub chain: Vec<String>,
    /// The reference identifier.
    pub reference: String,
    /// The RDATA of the records.
    pub records: Vec<Vec<u8>>,
    /// What OpenSSL says.
    pub openssl: Verdict,
    /// What must be said.
    pub ours: Verdict,
    /// Why that differs.
    pub why: Option<String>,
}

/// A file of `tests/certificates`.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("certificates")
        .join(name)
}

/// The lines of such a file that say something.
pub fn lines(name: &str) -> Vec<String> {
    let text = fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// The table.
pub fn cases() -> Vec<Case> {
    lines("dane.txt").iter().map(|line| case(line)).collect()
}

fn case(line: &str) -> Case {
    let columns: Vec<_> = line.split(" | ").collect();
    let [name, chain, reference, records, openssl, ours @ ..] = &columns[..] else {
        panic!("{line}");
    };
    let openssl = verdict(openssl);
    let (ours, why) = match ours {
        [] => (openssl, None),
        [differs] => {
            let (ours, why) = differs.split_once(": ").expect("verdict: why");
            (verdict(ours), Some(why.to_owned()))
        }
        _ => panic!("{line}"),
    };
    Case {
        name: (*name).to_owned(),
        chain: chain.split(' ').map(str::to_owned).collect(),
        reference: (*reference).to_owned(),
        records: records.split("; ").map(record).collect(),
        openssl,
        ours,
        why,
    }
}

fn verdict(word: &str) -> Verdict {
    match word {
        "good" => Verdict::Good,
        "bad" => Verdict::Bad,
        "unusable" => Verdict::Unusable,
        _ => panic!("{word} is no verdict"),
    }
}

static ASSOCIATIONS: LazyLock<HashMap<String, Vec<u8>>> = LazyLock::new(|| {
    lines("associations.txt")
        .iter()
        .map(|line| {
            let (key, data) = line.rsplit_once(' ').expect("data");
            (key.to_owned(), unhex(data))
        })
        .collect()
});

/// Bytes from hexadecimal digits.
pub fn unhex(digits: &str) -> Vec<u8> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("two digits")
        })
        .collect()
}

/// The RDATA of a record as the table writes it.
pub fn record(words: &str) -> Vec<u8> {
    let words: Vec<_> = words.split(' ').collect();
    let [usage, selector, matching, source] = words[..] else {
        panic!("{words:?}");
    };
    let mut source = source.split('/');
    let certificate = source.next().expect("a certificate");
    let data = format!(
        "{certificate} {} {}",
        source.next().unwrap_or(selector),
        source.next().unwrap_or(matching)
    );
    let numbers = [usage, selector, matching].map(|number| number.parse().expect("a number"));
    [&numbers[..], &ASSOCIATIONS[&data]].concat()
}

/// Certificates of `dane/` by their names.
pub fn chain<S: AsRef<str>>(names: &[S]) -> Vec<CertificateDer<'static>> {
    names
        .iter()
        .map(|name| {
            let file = file(&format!("dane/{}.pem", name.as_ref()));
            CertificateDer::from_pem_file(file).expect("a certificate")
        })
        .collect()
}

/// The key of all the server certificates in `dane/`.
pub fn key() -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(file("leaf.key")).expect("a key")
}

/// Shows this chain whatever it is: rustls' own way looks at it first.
#[derive(Debug)]
pub struct Always(
    /// The chain.
    pub Vec<CertificateDer<'static>>,
    /// The key.
    pub PrivateKeyDer<'static>,
);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = any_supported_type(&self.1).expect("a key of a known kind");
        Some(Arc::new(CertifiedKey::new(self.0.clone(), key)))
    }
}

/// A server that shows the key of `leaf` and no certificate.
pub fn raw_key_server(version: &'static SupportedProtocolVersion) -> ServerConfig {
    let key = any_supported_type(&key()).expect("a key of a known kind");
    let spki = key.public_key().expect("a public key");
    let shown = CertifiedKey::new(vec![CertificateDer::from(spki.to_vec())], key);
    ServerConfig::builder_with_protocol_versions(&[version])
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(
            shown,
        ))))
}
