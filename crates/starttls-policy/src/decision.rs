//! Must there be TLS, and with whom: one total function from what is known before connecting.
//!
//! ```
//! use starttls_policy::decision::{Action, By, Dane, Facts, Local, Reason, Requirement, decide};
//!
//! let facts = Facts { dane: Dane::Records, ..Facts::default() };
//! let decision = decide(&facts);
//! assert_eq!(decision.action, Action::Connect(Requirement::Verify(By::Dane)));
//! assert_eq!(decision.reason, Reason::DaneRecords);
//! assert_eq!(decision.reason.section(), "RFC 7672 section 2.2");
//!
//! // A lookup that failed is not a lookup without result.
//! let facts = Facts { dane: Dane::TemporaryFailure, ..Facts::default() };
//! assert_eq!(decide(&facts).action, Action::TryLater);
//! ```

use std::fmt;

/// What is known about one host before connecting to it. [`Default`] is a host about which nothing is published, and
/// opportunistic TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Facts {
    /// The host's TLSA records.
    pub dane: Dane,
    /// The MTA-STS policy of the recipient's domain.
    pub sts: Sts,
    /// What the operator of this client asks for at least.
    pub local: Local,
    /// What the sender of the message asks for.
    pub sender: Sender,
    /// The host's name was not found through the insecure DNS: it comes from an MX RRset that DNSSEC has validated, or from the operator.
    /// (Whether an MTA-STS policy lists it is said in `sts`.)
    pub secure_name: bool,
}

/// The outcome of the lookup of a host's TLSA records (RFC 7672 section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dane {
    /// There is nothing to use: the zone of the host or of its records is not signed, or DNSSEC proves that there are none.
    #[default]
    NotApplicable,
    /// Validated records of which at least one is usable.
    Records,
    /// Validated records, none of them usable.
    Unusable,
    /// The lookup failed: a timeout, `SERVFAIL`, an answer that does not validate.
    TemporaryFailure,
}

impl Dane {
    /// Every value.
    pub const ALL: [Self; 4] = [
        Self::NotApplicable,
        Self::Records,
        Self::Unusable,
        Self::TemporaryFailure,
    ];
}

/// What MTA-STS says (RFC 8461), from a policy just fetched or from the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sts {
    /// There is no policy; or it could not be fetched, and none that is still valid was cached (section 3.3).
    #[default]
    NotApplicable,
    /// There is a policy.
    Policy {
        /// Its mode.
        mode: crate::sts::Mode,
        /// One of its `mx` patterns matches the host ([`crate::sts::Policy::lists`]).
        lists_host: bool,
    },
}

impl Sts {
    /// Every value.
    pub const ALL: [Self; 7] = {
        use crate::sts::Mode;
        const fn policy(mode: Mode, lists_host: bool) -> Sts {
            Sts::Policy { mode, lists_host }
        }
        [
            Self::NotApplicable,
            policy(Mode::None, false),
            policy(Mode::None, true),
            policy(Mode::Testing, false),
            policy(Mode::Testing, true),
            policy(Mode::Enforce, false),
            policy(Mode::Enforce, true),
        ]
    };
}

/// What the operator of this client asks for: the least, where the recipient's side may ask for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Local {
    /// No TLS at all with this host.
    Disabled,
    /// TLS if it can be had.
    #[default]
    Opportunistic,
    /// TLS, with anybody.
    Encrypt,
    /// TLS with a host that proves its name, to trusted authorities if it does not publish anything else.
    Verify,
    /// TLS with a host that is authenticated by DANE and by nothing else.
    Dane,
    /// TLS with one of the keys that are known here. Nothing in the DNS changes that.
    Pinned,
}

impl Local {
    /// Every value.
    pub const ALL: [Self; 6] = [
        Self::Disabled,
        Self::Opportunistic,
        Self::Encrypt,
        Self::Verify,
        Self::Dane,
        Self::Pinned,
    ];
}

/// What the sender of the message asks for (RFC 8689).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sender {
    /// Nothing.
    #[default]
    Nothing,
    /// `MAIL FROM ... REQUIRETLS` (section 2). That the server offers `REQUIRETLS` inside TLS has to be checked there.
    RequireTls,
    /// The header field `TLS-Required: No` (section 3), on a message without `REQUIRETLS`.
    TlsOptional,
}

impl Sender {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::RequireTls, Self::TlsOptional];
}

/// What must be true of a connection before anything that matters is sent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
pub enum Requirement {
    /// TLS is not asked for.
    Disabled,
    /// TLS if the peer offers it, with anybody; plaintext if it declines by the book.
    Opportunistic,
    /// TLS, with anybody.
    Encrypt,
    /// TLS with an authenticated peer.
    Verify(By),
}

impl Requirement {
    /// True where the connection may stay in plaintext if the peer declines TLS.
    pub fn allows_plaintext(self) -> bool {
        matches!(self, Self::Disabled | Self::Opportunistic)
    }
}

/// What a peer is authenticated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
pub enum By {
    /// TLSA records: [`crate::dane`].
    Dane,
    /// Trusted authorities and the host's name, which an MTA-STS policy lists: RFC 8461 section 4.2.
    Sts,
    /// Trusted authorities and the host's name.
    Pkix,
    /// Keys that are known here: [`crate::pin`].
    Pinned,
}

/// What to do with this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Connect, and hold the connection to this.
    Connect(Requirement),
    /// What is needed is not known now. Nothing may be sent to this host: another host, or later.
    TryLater,
    /// This host cannot meet what is asked for. Another host; if there is none, the message cannot be delivered like this.
    Refuse,
}

/// The action, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// The rule that decided.
    pub reason: Reason,
    /// A policy that is only being tested, which this connection should be checked against and the result reported (RFC 8461 section 5: `testing`).
    pub observe: Option<By>,
}

/// The rule that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody asks for anything.
    NothingPublished,
    /// The operator does not want TLS here.
    LocalDisabled,
    /// The operator asks for TLS.
    LocalEncrypt,
    /// The operator asks for an authenticated peer.
    LocalVerify,
    /// The operator asks for DANE, and there is none.
    LocalDaneMissing,
    /// The operator knows the keys.
    LocalPinned,
    /// There are usable TLSA records.
    DaneRecords,
    /// There are TLSA records and none is usable: TLS without authentication.
    DaneUnusable,
    /// The TLSA records could not be looked up.
    DaneTemporaryFailure,
    /// The domain's MTA-STS policy is enforced and lists the host.
    StsEnforced,
    /// The domain's MTA-STS policy is enforced and does not list the host.
    StsHostNotListed,
    /// The sender asks for TLS, and the host's name is trustworthy: it is verified.
    SenderRequiresTls,
    /// The sender asks for TLS, and nothing vouches for the host's name.
    SenderRequiresSecureName,
    /// The sender asks for TLS, and the operator does not want it.
    SenderRequiresWhatIsDisabled,
    /// The sender asks that the recipient's policies be ignored.
    SenderPrefersDelivery,
}

impl Reason {
    /// Every value.
    pub const ALL: [Self; 15] = [
        Self::NothingPublished,
        Self::LocalDisabled,
        Self::LocalEncrypt,
        Self::LocalVerify,
        Self::LocalDaneMissing,
        Self::LocalPinned,
        Self::DaneRecords,
        Self::DaneUnusable,
        Self::DaneTemporaryFailure,
        Self::StsEnforced,
        Self::StsHostNotListed,
        Self::SenderRequiresTls,
        Self::SenderRequiresSecureName,
        Self::SenderRequiresWhatIsDisabled,
        Self::SenderPrefersDelivery,
    ];

    /// Where the rule is written.
    pub fn section(self) -> &'static str {
        match self {
            Self::NothingPublished => "RFC 3207 section 4",
            // An operator may ask for more than what is published, and what is published does not relax that.
            Self::LocalEncrypt | Self::LocalVerify | Self::LocalDaneMissing | Self::LocalPinned => {
                "RFC 7672 section 6"
            }
            Self::LocalDisabled => "RFC 7435 section 3",
            Self::DaneRecords | Self::DaneUnusable => "RFC 7672 section 2.2",
            Self::DaneTemporaryFailure => "RFC 7672 section 2.1.2",
            Self::StsEnforced | Self::StsHostNotListed => "RFC 8461 section 5",
            Self::SenderRequiresTls
            | Self::SenderRequiresSecureName
            | Self::SenderRequiresWhatIsDisabled => "RFC 8689 section 4.2.1",
            Self::SenderPrefersDelivery => "RFC 8689 section 4.2.2",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::NothingPublished => "no policy asks for TLS",
            Self::LocalDisabled => "the operator disabled TLS",
            Self::LocalEncrypt => "the operator requires TLS",
            Self::LocalVerify => "the operator requires an authenticated peer",
            Self::LocalDaneMissing => "the operator requires DANE, and there are no usable records",
            Self::LocalPinned => "the operator pinned the peer's key",
            Self::DaneRecords => "there are usable TLSA records",
            Self::DaneUnusable => "there are TLSA records, none of them usable",
            Self::DaneTemporaryFailure => "the TLSA records could not be looked up",
            Self::StsEnforced => "the MTA-STS policy is enforced",
            Self::StsHostNotListed => "the enforced MTA-STS policy does not list the host",
            Self::SenderRequiresTls => "the sender requires TLS",
            Self::SenderRequiresSecureName => {
                "the sender requires TLS, and the host's name is not authenticated"
            }
            Self::SenderRequiresWhatIsDisabled => {
                "the sender requires TLS, and the operator disabled it"
            }
            Self::SenderPrefersDelivery => "the sender asked to ignore the recipient's policies",
        };
        write!(f, "{what} ({})", self.section())
    }
}

/// The decision about one host.
///
/// - What the operator pinned or disabled is decided here, before anything published.
/// - DANE comes before MTA-STS and is never relaxed by it: "senders who implement MTA-STS validation MUST NOT allow MTA-STS Policy validation to override
///   a failing DANE validation" (RFC 8461 section 2).
/// - A lookup of TLSA records that failed never leads on, neither in plaintext nor to MTA-STS.
/// - `TLS-Required: No` takes away what the recipient's side asks for, not what the operator does.
pub fn decide(facts: &Facts) -> Decision {
    let optional = facts.sender == Sender::TlsOptional;
    let observe = match facts.sts {
        Sts::Policy {
            mode: crate::sts::Mode::Testing,
            ..
        } if !optional => Some(By::Sts),
        _ => None,
    };
    let (action, reason) = rule(facts);
    let observe = observe.filter(|_| match action {
        Action::Connect(requirement) => requirement != Requirement::Disabled,
        _ => false,
    });
    Decision {
        action,
        reason,
        observe,
    }
}

fn rule(facts: &Facts) -> (Action, Reason) {
    use crate::sts::Mode;
    use Action::{Connect, Refuse, TryLater};
    use Requirement::{Disabled, Encrypt, Opportunistic, Verify};

    let required = facts.sender == Sender::RequireTls;
    let optional = facts.sender == Sender::TlsOptional;
    match facts.local {
        Local::Disabled if required => return (Refuse, Reason::SenderRequiresWhatIsDisabled),
        Local::Disabled => return (Connect(Disabled), Reason::LocalDisabled),
        Local::Pinned => return (Connect(Verify(By::Pinned)), Reason::LocalPinned),
        Local::Opportunistic | Local::Encrypt | Local::Verify | Local::Dane => {}
    }

    // An operator who asks for DANE asks for it himself: the sender's header field does not take it away.
    let dane = if optional && facts.local != Local::Dane {
        Dane::NotApplicable
    } else {
        facts.dane
    };
    let sts = if optional {
        Sts::NotApplicable
    } else {
        facts.sts
    };
    let (enforced, listed) = match sts {
        Sts::Policy { mode, lists_host } => (mode == Mode::Enforce, lists_host),
        Sts::NotApplicable => (false, false),
    };
    let authentic_name = facts.secure_name || (enforced && listed);

    match dane {
        Dane::TemporaryFailure => return (TryLater, Reason::DaneTemporaryFailure),
        Dane::Records if required && !authentic_name => {
            return (Refuse, Reason::SenderRequiresSecureName);
        }
        Dane::Records => return (Connect(Verify(By::Dane)), Reason::DaneRecords),
        Dane::Unusable | Dane::NotApplicable => {}
    }
    if facts.local == Local::Dane {
        return (Refuse, Reason::LocalDaneMissing);
    }
    if enforced {
        return if listed {
            (Connect(Verify(By::Sts)), Reason::StsEnforced)
        } else {
            (Refuse, Reason::StsHostNotListed)
        };
    }
    if required {
        return if authentic_name {
            (Connect(Verify(By::Pkix)), Reason::SenderRequiresTls)
        } else {
            (Refuse, Reason::SenderRequiresSecureName)
        };
    }
    match facts.local {
        Local::Verify => (Connect(Verify(By::Pkix)), Reason::LocalVerify),
        Local::Encrypt => (Connect(Encrypt), Reason::LocalEncrypt),
        _ if dane == Dane::Unusable => (Connect(Encrypt), Reason::DaneUnusable),
        _ if optional => (Connect(Opportunistic), Reason::SenderPrefersDelivery),
        _ => (Connect(Opportunistic), Reason::NothingPublished),
    }
}
