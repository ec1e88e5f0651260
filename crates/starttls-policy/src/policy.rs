use std::fmt;
use std::sync::Arc;

use starttls_core::{Error, Misuse, rustls};

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection};

use crate::dane;
use crate::decision::{Action, By, Decision, Requirement};
use crate::observe::Observer;
use crate::pin::{self, Pin};
use crate::report::{Identity, Observed, Offered, Outcome, Report};
use crate::tlsrpt::ResultType;

/// What a connection is held to: a [decision](crate::decision) and what it takes to see it through.
///
/// `upgrade_by` of a stream (with the feature `policy` of its crate) does what the policy says and reports. [`attempt`](Self::attempt) is for whoever
/// drives the upgrade otherwise.
///
/// ```
/// use std::sync::Arc;
/// use starttls_policy::dane::{Records, Verifier};
/// use starttls_policy::decision::{Facts, decide};
/// use starttls_policy::rustls::{ClientConfig, client::danger::ServerCertVerifier};
/// use starttls_policy::{Policy, Trust};
///
/// fn policy(
///     records: Records,
///     config: Arc<ClientConfig>,
///     authorities: Arc<dyn ServerCertVerifier>,
/// ) -> Result<Policy, Box<dyn std::error::Error>> {
///     let facts = Facts { dane: records.outcome(), ..Facts::default() };
///     let trust = Trust {
///         authorities: Some(authorities),
///         dane: Some(Arc::new(Verifier::new(records, config.crypto_provider().clone()))),
///         pins: Vec::new(),
///     };
///     Ok(Policy::new(decide(&facts), "mx.example.org".try_into()?, config, trust)?)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Policy {
    decision: Decision,
    requirement: Requirement,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    trust: Trust,
}

/// What a peer can be authenticated by. What the decision asks for must be there.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// For [`By::Pkix`] and [`By::Sts`]: rustls' `WebPkiServerVerifier` with the trusted authorities, or the platform's.
    pub authorities: Option<Arc<dyn ServerCertVerifier>>,
    /// For [`By::Dane`].
    pub dane: Option<Arc<dane::Verifier>>,
    /// For [`By::Pinned`].
    pub pins: Vec<Pin>,
}

/// The decision is not to connect: [`Action::TryLater`] or [`Action::Refuse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forbidden(
    /// The decision.
    pub Decision,
);

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.0.action {
            Action::TryLater => "no connection to this host now",
            _ => "no connection to this host",
        };
        write!(f, "{what}: {}", self.0.reason)
    }
}

impl std::error::Error for Forbidden {}

impl Policy {
    /// A policy for one host, by the name that the connection is made for: with DANE the TLSA base domain, with MTA-STS the host of the MX record.
    /// `config` has the versions, ALPN and client certificate; **its verifier is not used**, nor does it resume sessions.
    ///
    /// # Errors
    /// If the decision is not to connect.
    pub fn new(
        decision: Decision,
        name: ServerName<'static>,
        config: Arc<ClientConfig>,
        trust: Trust,
    ) -> Result<Self, Forbidden> {
        let Action::Connect(requirement) = decision.action else {
            return Err(Forbidden(decision));
        };
        Ok(Self {
            decision,
            requirement,
            name,
            config,
            trust,
        })
    }

    /// The decision.
    pub fn decision(&self) -> Decision {
        self.decision
    }

    /// What is required.
    pub fn requirement(&self) -> Requirement {
        self.requirement
    }

    /// One upgrade: the connection to make it with, unless TLS is not asked for, and who will report.
    ///
    /// # Errors
    /// [`Misuse::Configuration`] if what the decision asks for is not there; what rustls says of the configuration.
    pub fn attempt(&self) -> Result<(Option<ClientConnection>, Attempt), Error> {
        let mut attempt = Attempt {
            decision: self.decision,
            requirement: self.requirement,
            observer: None,
        };
        if self.requirement == Requirement::Disabled {
            return Ok((None, attempt));
        }
        let verifier = match self.requirement {
            Requirement::Verify(by) => self.verifier(by)?,
            _ => {
                // Who is not believed is looked at all the same, where there is something to go by.
                let judge = match self.decision.observe {
                    Some(by) => Some(self.verifier(by)?),
                    None => self.trust.authorities.clone(),
                };
                let provider = self.config.crypto_provider().clone();
                let observer = Arc::new(Observer::new(judge, provider));
                attempt.observer = Some(observer.clone());
                observer
            }
        };
        let mut config = ClientConfig::clone(&self.config);
        config.dangerous().set_certificate_verifier(verifier);
        // A session is resumed without a certificate: it must not bring along whom another policy has let in.
        config.resumption = Resumption::disabled();
        let connection =
            ClientConnection::new(Arc::new(config), self.name.clone()).map_err(Error::Tls)?;
        Ok((Some(connection), attempt))
    }

    fn verifier(&self, by: By) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let missing = |what| Error::Misuse(Misuse::Configuration(what));
        Ok(match by {
            By::Dane => self
                .trust
                .dane
                .clone()
                .ok_or(missing("DANE needs TLSA records"))?,
            By::Sts | By::Pkix => self
                .trust
                .authorities
                .clone()
                .ok_or(missing("PKIX needs authorities"))?,
            By::Pinned if self.trust.pins.is_empty() => return Err(missing("pinning needs pins")),
            By::Pinned => Arc::new(pin::Verifier::new(
                self.trust.pins.iter().copied(),
                self.config.crypto_provider().clone(),
            )),
        })
    }
}

/// An upgrade under way; it becomes the report.
#[derive(Debug)]
pub struct Attempt {
    decision: Decision,
    requirement: Requirement,
    observer: Option<Arc<Observer>>,
}

impl Attempt {
    /// True where the connection may stay in plaintext if the peer declines TLS.
    pub fn allows_plaintext(&self) -> bool {
        self.requirement.allows_plaintext()
    }

    /// The handshake is complete.
    pub fn secured(self, connection: &Connection) -> Report {
        let authenticated = match self.requirement {
            Requirement::Verify(by) => Some(by),
            _ => None,
        };
        let identity = Identity::of(connection);
        Report {
            authenticated,
            identity,
            ..self.report(Offered::Yes, Outcome::Tls, None)
        }
    }

    /// The connection stays in plaintext: because TLS is not asked for, or because the peer has declined.
    pub fn plaintext(self, declined: Option<&Error>) -> Report {
        let offered = if declined.is_some() {
            Offered::No
        } else {
            Offered::NotAsked
        };
        self.report(offered, Outcome::Plaintext, declined)
    }

    /// The connection is lost, for whatever reason; `error` if it is one of the dialogue or of TLS.
    pub fn failed(self, error: Option<&Error>) -> Report {
        let offered = match error {
            Some(error) if error.is_declined() => Offered::No,
            Some(Error::Tls(_) | Error::NotTls { .. } | Error::UnreadPlaintext { .. }) => {
                Offered::Yes
            }
            Some(Error::Truncated(stage)) if *stage != starttls_core::Stage::Negotiation => {
                Offered::Yes
            }
            _ => Offered::Unknown,
        };
        self.report(offered, Outcome::Failed, error)
    }

    fn report(self, offered: Offered, outcome: Outcome, error: Option<&Error>) -> Report {
        let verdict = self
            .observer
            .as_ref()
            .and_then(|observer| observer.verdict());
        let observed = match verdict {
            None => Observed::Nothing,
            Some(Ok(())) => Observed::Good,
            Some(Err(error)) => Observed::Bad(ResultType::of_tls(&error)),
        };
        Report {
            required: self.requirement,
            reason: self.decision.reason,
            tested: self.decision.observe,
            offered,
            outcome,
            authenticated: None,
            observed,
            failure: error.and_then(ResultType::of),
            error: error.map(ToString::to_string),
            identity: None,
        }
    }
}
