//! A signed zone, servers that behave and servers that do not, and what must come of mail to each.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use hickory_resolver::proto::dnssec::crypto::Ed25519SigningKey;
use hickory_resolver::proto::dnssec::rdata::DNSKEY;
use hickory_resolver::proto::dnssec::{DnssecSigner, SigningKey, TrustAnchors};
use hickory_resolver::proto::rr::rdata::{A, MX, SOA, TLSA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record};
use hickory_server::dnssec::NxProofKind;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::server::Server as DnsServer;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use starttls_policy::decision::{By, Local, Requirement};
use starttls_policy::pin::Pin;
use starttls_policy::tlsrpt::ResultType;
use starttls_policy::{Outcome, sts};
use starttls_protocols::smtp;
use starttls_testkit::certs::{CERTS, Leaf, VERSIONS, server_config_with};
use starttls_tokio::PlainStream;
use starttls_tokio::rustls::{RootCertStore, ServerConnection};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use crate::delivery::{Delivered, Sender};
use crate::lookup::Dns;

/// With TLS and a certificate for `other.example`.
const SECURE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
/// Without TLS, or with somebody on the path who takes the offer out.
const PLAINTEXT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

const STS_POLICY: &[u8] =
    b"version: STSv1\r\nmode: enforce\r\nmx: other.example\r\nmax_age: 86400\r\n";

/// What must come of a message to a domain.
struct Expected {
    domain: &'static str,
    /// What was required, and what the host was authenticated by; `None` if no connection was to be made.
    required: Option<(Requirement, Option<By>)>,
    outcome: Option<Outcome>,
    delivered: bool,
    failure: Option<ResultType>,
}

const EXPECTED: [Expected; 8] = [
    Expected {
        domain: "dane.example",
        required: Some((Requirement::Verify(By::Dane), Some(By::Dane))),
        outcome: Some(Outcome::Tls),
        delivered: true,
        failure: None,
    },
    Expected {
        domain: "wrong-dane.example",
        required: Some((Requirement::Verify(By::Dane), None)),
        outcome: Some(Outcome::Failed),
        delivered: false,
        failure: Some(ResultType::TlsaInvalid),
    },
    Expected {
        domain: "stripped-dane.example",
        required: Some((Requirement::Verify(By::Dane), None)),
        outcome: Some(Outcome::Failed),
        delivered: false,
        failure: Some(ResultType::StarttlsNotSupported),
    },
    Expected {
        domain: "unusable-dane.example",
        required: Some((Requirement::Encrypt, None)),
        outcome: Some(Outcome::Tls),
        delivered: true,
        failure: None,
    },
    Expected {
        domain: "sts.example",
        required: Some((Requirement::Verify(By::Sts), Some(By::Sts))),
        outcome: Some(Outcome::Tls),
        delivered: true,
        failure: None,
    },
    Expected {
        domain: "unlisted-sts.example",
        required: None,
        outcome: None,
        delivered: false,
        failure: Some(ResultType::ValidationFailure),
    },
    Expected {
        domain: "nothing.example",
        required: Some((Requirement::Opportunistic, None)),
        outcome: Some(Outcome::Tls),
        delivered: true,
        failure: None,
    },
    Expected {
        domain: "plaintext.example",
        required: Some((Requirement::Opportunistic, None)),
        outcome: Some(Outcome::Plaintext),
        delivered: true,
        failure: Some(ResultType::StarttlsNotSupported),
    },
];

pub(crate) async fn selftest() -> Result<()> {
    let secure = TcpListener::bind((SECURE, 0)).await?;
    let port = secure.local_addr()?.port();
    let plaintext = TcpListener::bind((PLAINTEXT, port)).await?;
    tokio::spawn(serve(secure, Some(&CERTS.other)));
    tokio::spawn(serve(plaintext, None));
    let (resolver, anchors, _server) = zone(port).await?;
    let dns = Dns::new(resolver, anchors)?;

    let mut roots = RootCertStore::empty();
    roots.add(CERTS.ca.clone())?;
    let sender = Sender::new(roots, port, Local::Opportunistic)?;
    let sts_policy = sts::Policy::parse(STS_POLICY)?;
    for expected in &EXPECTED {
        let delivered = sender
            .deliver(&dns, expected.domain, Some(&sts_policy))
            .await?;
        check(expected, &delivered)?;
    }

    // An answer that does not validate is no answer: nothing is sent.
    let (resolver, _, _unknown_key) = zone(port).await?;
    let strict = Dns::new(resolver, Arc::new(other_anchor()?))?;
    let bogus = sender.deliver(&strict, "dane.example", None).await;
    println!(
        "bogus zone: {}",
        bogus
            .as_ref()
            .err()
            .map_or("?".to_owned(), ToString::to_string)
    );
    ensure!(bogus.is_err(), "a zone that does not validate was believed");
    Ok(())
}

fn check(expected: &Expected, delivered: &Delivered) -> Result<()> {
    let [tried] = &delivered.attempts[..] else {
        return Err(anyhow!(
            "{}: {} hosts",
            expected.domain,
            delivered.attempts.len()
        ));
    };
    println!("{}: {}", expected.domain, serde_json::to_string(tried)?);
    let report = tried.report.as_ref();
    let required = report.map(|report| (report.required, report.authenticated));
    let outcome = report.map(|report| report.outcome);
    let found = (required, outcome, delivered.host.is_some(), tried.failure);
    let wanted = (
        expected.required,
        expected.outcome,
        expected.delivered,
        expected.failure,
    );
    ensure!(
        found == wanted,
        "{}: {found:?} is not {wanted:?}",
        expected.domain
    );
    Ok(())
}

async fn serve(listener: TcpListener, leaf: Option<&'static Leaf>) {
    while let Ok((socket, _)) = listener.accept().await {
        // A client that does not like the certificate hangs up.
        tokio::spawn(async move { connection(socket, leaf).await.ok() });
    }
}

async fn connection(socket: TcpStream, leaf: Option<&Leaf>) -> Result<()> {
    let mut plain = PlainStream::new(socket);
    let Some(leaf) = leaf else {
        plain.write_all(b"220 mx.example ESMTP\r\n").await?;
        return session(&mut plain).await;
    };
    let connection = ServerConnection::new(Arc::new(server_config_with(leaf, &VERSIONS)))?;
    let server = smtp::Server::new("mx.example");
    let mut tls = plain.upgrade(server, connection).await?;
    session(&mut tls).await?;
    Ok(tls.shutdown().await?)
}

/// Takes everything.
async fn session(stream: &mut (impl AsyncBufRead + AsyncWrite + Unpin)) -> Result<()> {
    let mut in_data = false;
    loop {
        stream.flush().await?;
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer = match line.trim_end() {
            "." => "250 taken",
            _ if in_data => continue,
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 mx.example",
        };
        in_data = answer.starts_with("354");
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

/// A zone `example` in memory, signed with a key made on the spot; where it is served, and the key to trust.
async fn zone(port: u16) -> Result<(SocketAddr, Arc<TrustAnchors>, DnsServer<Catalog>)> {
    let origin = name("example")?;
    let key = Ed25519SigningKey::from_pkcs8(&Ed25519SigningKey::generate_pkcs8()?)?;
    let public = key.to_public_key()?;
    let mut anchors = TrustAnchors::empty();
    anchors.insert_with_name(&public, origin.clone().into());

    let mut zone: InMemoryZoneHandler<TokioRuntimeProvider> = InMemoryZoneHandler::empty(
        origin.clone(),
        ZoneType::Primary,
        AxfrPolicy::Deny,
        Some(NxProofKind::Nsec),
    );
    let mut add = |owner: &str, data: RData| -> Result<()> {
        zone.upsert_mut(Record::from_rdata(name(owner)?, 300, data), 0);
        Ok(())
    };
    let soa = SOA::new(origin.clone(), origin.clone(), 1, 3600, 600, 86_400, 300);
    add("example", RData::SOA(soa))?;
    add("other.example", RData::A(A(SECURE)))?;
    let key_of = |leaf: &Leaf| Pin::of_certificate(&leaf.certificate).map(|pin| *pin.digest());
    let right = key_of(&CERTS.other).ok_or_else(|| anyhow!("no key"))?;
    let wrong = key_of(&CERTS.server).ok_or_else(|| anyhow!("no key"))?;
    for (domain, address, tlsa) in [
        ("dane.example", SECURE, Some((1, right))),
        ("wrong-dane.example", SECURE, Some((1, wrong))),
        ("stripped-dane.example", PLAINTEXT, Some((1, right))),
        // No such matching type.
        ("unusable-dane.example", SECURE, Some((9, right))),
        ("unlisted-sts.example", SECURE, None),
        ("nothing.example", SECURE, None),
        ("plaintext.example", PLAINTEXT, None),
    ] {
        let host = format!("mx.{domain}");
        add(domain, RData::MX(MX::new(10, name(&host)?)))?;
        add(&host, RData::A(A(address)))?;
        if let Some((matching, data)) = tlsa {
            let record = TLSA::new(3.into(), 1.into(), matching.into(), data.to_vec());
            add(&format!("_{port}._tcp.{host}"), RData::TLSA(record))?;
        }
    }
    add(
        "sts.example",
        RData::MX(MX::new(10, name("other.example")?)),
    )?;
    for domain in ["sts.example", "unlisted-sts.example"] {
        let record = TXT::new(vec!["v=STSv1; id=1;".to_owned()]);
        add(&sts::record_name(domain), RData::TXT(record))?;
    }
    let validity = std::time::Duration::from_secs(86_400);
    let dnskey = DNSKEY::from_key(&public);
    zone.add_zone_signing_key_mut(DnssecSigner::new(
        dnskey,
        Box::new(key),
        origin.clone(),
        validity,
    ))?;
    zone.secure_zone_mut()?;

    let mut catalog = Catalog::new();
    catalog.upsert(origin.into(), vec![Arc::new(zone)]);
    let socket = UdpSocket::bind((SECURE, 0)).await?;
    let address = socket.local_addr()?;
    let mut server = DnsServer::new(catalog);
    server.register_socket(socket);
    Ok((address, Arc::new(anchors), server))
}

/// The key of nobody.
fn other_anchor() -> Result<TrustAnchors> {
    let key = Ed25519SigningKey::from_pkcs8(&Ed25519SigningKey::generate_pkcs8()?)?;
    let mut anchors = TrustAnchors::empty();
    anchors.insert_with_name(&key.to_public_key()?, name("example")?.into());
    Ok(anchors)
}

fn name(name: &str) -> Result<Name> {
    Ok(Name::from_ascii(format!("{name}."))?)
}
