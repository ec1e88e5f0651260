//! What the DNS says, and how far that is to be believed.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use starttls_policy::dane::Records;
use starttls_policy::decision::Dane;
use starttls_policy::sts;

/// The DNSSEC trust anchors in a file, or those of the root.
pub(crate) fn anchors(file: Option<&Path>) -> Result<Arc<TrustAnchors>> {
    Ok(Arc::new(match file {
        Some(file) => TrustAnchors::from_file(file).map_err(|error| anyhow!("{error}"))?,
        None => TrustAnchors::default(),
    }))
}

/// A resolver that validates.
pub(crate) struct Dns(TokioResolver);

/// An answer, or that there is none; and whether DNSSEC vouches for it.
struct Answer {
    records: Vec<Record>,
    secure: bool,
}

/// A host that takes mail for the domain.
pub(crate) struct Host {
    pub(crate) name: String,
    /// The name is from an MX RRset that was validated.
    pub(crate) secure: bool,
}

impl Dns {
    pub(crate) fn new(server: SocketAddr, anchors: Arc<TrustAnchors>) -> Result<Self> {
        let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut connections {
            connection.port = server.port();
        }
        let server = NameServerConfig::new(server.ip(), true, connections.to_vec());
        let mut options = ResolverOpts::default();
        options.validate = true;
        options.timeout = std::time::Duration::from_secs(3);
        let config = ResolverConfig::from_name_servers(vec![server]);
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .with_trust_anchor(anchors)
            .build()?;
        Ok(Self(resolver))
    }

    /// An error is a lookup that failed, which is not an answer without records (RFC 7672 section 2.1.2).
    async fn ask(&self, name: &str, kind: RecordType) -> Result<Answer, NetError> {
        match self.0.lookup(format!("{name}."), kind).await {
            Ok(found) => {
                let records: Vec<_> = found
                    .answers()
                    .iter()
                    .filter(|record| record.record_type() == kind)
                    .cloned()
                    .collect();
                let proofs = found.answers().iter().map(|record| record.proof);
                let weakest = proofs.min().unwrap_or(Proof::Bogus);
                match weakest {
                    Proof::Secure | Proof::Insecure => Ok(Answer {
                        records,
                        secure: weakest == Proof::Secure,
                    }),
                    _ => Err(DnsError::DnssecBogus.into()),
                }
            }
            Err(NetError::Dns(DnsError::Nsec { proof, .. }))
                if matches!(proof, Proof::Secure | Proof::Insecure) =>
            {
                Ok(Answer {
                    records: Vec::new(),
                    secure: proof == Proof::Secure,
                })
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                let authorities = none.authorities.iter().flat_map(|records| records.iter());
                let proofs: Vec<_> = authorities.map(|record| record.proof).collect();
                let secure =
                    !proofs.is_empty() && proofs.iter().all(|proof| *proof == Proof::Secure);
                Ok(Answer {
                    records: Vec::new(),
                    secure,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// The hosts that take mail for a domain, best first; the domain itself where it has no MX record (RFC 5321 section 5.1).
    pub(crate) async fn hosts(&self, domain: &str) -> Result<Vec<Host>> {
        let answer = self.ask(domain, RecordType::MX).await?;
        let mut hosts: Vec<_> = answer
            .records
            .iter()
            .filter_map(|record| match &record.data {
                RData::MX(mx) => Some((mx.preference, mx.exchange.to_utf8())),
                _ => None,
            })
            .collect();
        if hosts.is_empty() {
            hosts.push((0, domain.to_owned()));
        }
        hosts.sort();
        let secure = answer.secure;
        Ok(hosts
            .into_iter()
            .map(|(_, name)| Host {
                name: name.trim_end_matches('.').to_owned(),
                secure,
            })
            .collect())
    }

    /// A host's addresses, and its TLSA records with what came of looking for them. Only a host whose own records are signed is asked for TLSA records: others cannot
    /// have any that count, and some of their servers do not answer (RFC 7672 section 2.2.2). That the host is an alias, whose target would be asked first, is
    /// left out here.
    pub(crate) async fn host(
        &self,
        host: &Host,
        port: u16,
    ) -> Result<(Vec<IpAddr>, Dane, Records)> {
        let answer = self.ask(&host.name, RecordType::A).await?;
        let addresses = answer
            .records
            .iter()
            .filter_map(|record| match &record.data {
                RData::A(address) => Some(IpAddr::from(address.0)),
                _ => None,
            })
            .collect();
        if !answer.secure {
            return Ok((addresses, Dane::NotApplicable, Records::default()));
        }
        let name = format!("_{port}._tcp.{}", host.name);
        let Ok(tlsa) = self.ask(&name, RecordType::TLSA).await else {
            return Ok((addresses, Dane::TemporaryFailure, Records::default()));
        };
        if !tlsa.secure {
            return Ok((addresses, Dane::NotApplicable, Records::default()));
        }
        let records = Records::new(tlsa.records.iter().filter_map(|record| match &record.data {
            RData::TLSA(tlsa) => Some((
                tlsa.cert_usage.into(),
                tlsa.selector.into(),
                tlsa.matching.into(),
                tlsa.cert_data.as_slice(),
            )),
            _ => None,
        }));
        Ok((addresses, records.outcome(), records))
    }

    /// The domain's MTA-STS record. What is not there, or not as it should be, is no policy (RFC 8461 section 3.1).
    pub(crate) async fn sts_record(&self, domain: &str) -> Option<sts::Record> {
        let answer = self
            .ask(&sts::record_name(domain), RecordType::TXT)
            .await
            .ok()?;
        let texts: Vec<_> = answer
            .records
            .iter()
            .filter_map(|record| match &record.data {
                RData::TXT(text) => Some(text.txt_data.concat()),
                _ => None,
            })
            .collect();
        sts::Record::among(texts.iter().map(Vec::as_slice)).ok()?
    }
}
