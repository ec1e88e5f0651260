//! The decision over all combinations of what can be known: 4 x 7 x 6 x 3 x 2.

use std::collections::{BTreeMap, HashSet};

use starttls_policy::decision::{
    Action, By, Dane, Decision, Facts, Local, Reason, Requirement, Sender, Sts, decide,
};
use starttls_policy::sts::Mode;

fn all() -> impl Iterator<Item = Facts> {
    Dane::ALL.into_iter().flat_map(|dane| {
        Sts::ALL.into_iter().flat_map(move |sts| {
            Local::ALL.into_iter().flat_map(move |local| {
                Sender::ALL.into_iter().flat_map(move |sender| {
                    [false, true].map(|secure_name| Facts {
                        dane,
                        sts,
                        local,
                        sender,
                        secure_name,
                    })
                })
            })
        })
    })
}

/// Every combination for which this holds, and there is one.
fn whenever(condition: impl Fn(&Facts) -> bool, holds: impl Fn(&Facts, &Decision) -> bool) {
    let mut seen = 0;
    for facts in all().filter(condition) {
        let decision = decide(&facts);
        assert!(holds(&facts, &decision), "{facts:?} -> {decision:?}");
        seen += 1;
    }
    assert!(seen > 0);
}

fn enforced(facts: &Facts) -> Option<bool> {
    match facts.sts {
        Sts::Policy {
            mode: Mode::Enforce,
            lists_host,
        } => Some(lists_host),
        _ => None,
    }
}

/// Where the recipient's side has a say: the operator neither pinned nor disabled, the sender did not ask to ignore it.
fn published_counts(facts: &Facts) -> bool {
    !matches!(facts.local, Local::Disabled | Local::Pinned) && facts.sender != Sender::TlsOptional
}

/// How much is asked for; `None` where nothing is sent at all.
fn strength(decision: &Decision) -> Option<u8> {
    match decision.action {
        Action::Connect(Requirement::Disabled) => Some(0),
        Action::Connect(Requirement::Opportunistic) => Some(1),
        Action::Connect(Requirement::Encrypt) => Some(2),
        Action::Connect(Requirement::Verify(_)) => Some(3),
        Action::TryLater | Action::Refuse => None,
    }
}

fn at_least(decision: &Decision, least: u8) -> bool {
    strength(decision).is_none_or(|strength| strength >= least)
}

#[test]
fn there_are_1008_combinations_and_each_has_one_outcome_with_its_section() {
    let facts: HashSet<_> = all().collect();
    assert_eq!(facts.len(), 4 * 7 * 6 * 3 * 2);
    for facts in facts {
        let decision = decide(&facts);
        assert_eq!(decision, decide(&facts));
        assert!(decision.reason.section().starts_with("RFC "), "{facts:?}");
        assert!(
            decision
                .reason
                .to_string()
                .ends_with(&format!("({})", decision.reason.section()))
        );
    }
}

/// The whole function as numbers: a change anywhere changes one of them.
#[test]
fn how_often_each_rule_decides() {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut reasons = HashSet::new();
    for facts in all() {
        let decision = decide(&facts);
        reasons.insert(decision.reason);
        *found
            .entry(format!("{:?} {:?}", decision.reason, decision.action))
            .or_default() += 1;
    }
    assert_eq!(reasons, Reason::ALL.into_iter().collect());
    let found: Vec<_> = found
        .iter()
        .map(|(rule, count)| format!("{rule}: {count}"))
        .collect();
    assert_eq!(
        found,
        include_str!("policy_decision.txt")
            .lines()
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_failed_lookup_never_leads_on() {
    whenever(
        |facts| facts.dane == Dane::TemporaryFailure && published_counts(facts),
        |_, decision| {
            decision.action == Action::TryLater && decision.reason.section().starts_with("RFC 7672")
        },
    );
}

#[test]
fn dane_comes_before_sts_and_is_never_relaxed() {
    whenever(
        |facts| facts.dane == Dane::Records && published_counts(facts),
        |_, decision| {
            matches!(
                decision.action,
                Action::Connect(Requirement::Verify(By::Dane)) | Action::Refuse
            )
        },
    );
    whenever(
        |facts| {
            facts.dane == Dane::Records
                && published_counts(facts)
                && facts.sender == Sender::Nothing
        },
        |_, decision| decision.action == Action::Connect(Requirement::Verify(By::Dane)),
    );
    whenever(
        |facts| facts.dane == Dane::Unusable && published_counts(facts),
        |_, decision| at_least(decision, 2),
    );
}

#[test]
fn an_enforced_policy_is_enforced() {
    whenever(
        |facts| {
            enforced(facts) == Some(false)
                && matches!(facts.dane, Dane::NotApplicable | Dane::Unusable)
                && published_counts(facts)
        },
        |_, decision| decision.action == Action::Refuse,
    );
    whenever(
        |facts| {
            enforced(facts) == Some(true)
                && matches!(facts.dane, Dane::NotApplicable | Dane::Unusable)
                && published_counts(facts)
                && facts.local != Local::Dane
        },
        |_, decision| decision.action == Action::Connect(Requirement::Verify(By::Sts)),
    );
}

#[test]
fn a_policy_that_is_not_enforced_changes_nothing_but_what_is_reported() {
    for facts in all() {
        if let Sts::Policy {
            mode: Mode::Testing | Mode::None,
            ..
        } = facts.sts
        {
            let without = decide(&Facts {
                sts: Sts::NotApplicable,
                ..facts
            });
            let with = decide(&facts);
            assert_eq!(
                (with.action, with.reason),
                (without.action, without.reason),
                "{facts:?}"
            );
            assert_eq!(without.observe, None);
        }
    }
    whenever(
        |facts| decide(facts).observe.is_some(),
        |facts, decision| {
            matches!(
                facts.sts,
                Sts::Policy {
                    mode: Mode::Testing,
                    ..
                }
            ) && facts.sender != Sender::TlsOptional
                && at_least(decision, 1)
                && strength(decision).is_some()
        },
    );
}

#[test]
fn the_operator_gets_at_least_what_he_asks_for() {
    for (local, least) in [
        (Local::Encrypt, 2),
        (Local::Verify, 3),
        (Local::Dane, 3),
        (Local::Pinned, 3),
    ] {
        whenever(
            |facts| facts.local == local,
            |_, decision| at_least(decision, least),
        );
    }
    whenever(
        |facts| facts.local == Local::Dane,
        |_, decision| !matches!(decision.action, Action::Connect(requirement) if requirement != Requirement::Verify(By::Dane)),
    );
    whenever(
        |facts| facts.local == Local::Pinned,
        |_, decision| decision.action == Action::Connect(Requirement::Verify(By::Pinned)),
    );
    whenever(
        |facts| facts.local == Local::Disabled,
        |facts, decision| {
            decision.action
                == if facts.sender == Sender::RequireTls {
                    Action::Refuse
                } else {
                    Action::Connect(Requirement::Disabled)
                }
        },
    );
}

#[test]
fn requiretls_is_an_authenticated_host_of_a_trustworthy_name_or_nothing() {
    whenever(
        |facts| facts.sender == Sender::RequireTls,
        |_, decision| at_least(decision, 3),
    );
    whenever(
        |facts| {
            facts.sender == Sender::RequireTls
                && !facts.secure_name
                && enforced(facts) != Some(true)
                && facts.local != Local::Pinned
        },
        |_, decision| strength(decision).is_none(),
    );
}

#[test]
fn tls_required_no_takes_away_what_is_published_and_not_what_the_operator_asks_for() {
    whenever(
        |facts| facts.sender == Sender::TlsOptional && facts.local != Local::Dane,
        |facts, decision| {
            decision.action
                == decide(&Facts {
                    local: facts.local,
                    sender: Sender::TlsOptional,
                    ..Facts::default()
                })
                .action
        },
    );
    whenever(
        |facts| facts.sender == Sender::TlsOptional && facts.local == Local::Opportunistic,
        |_, decision| decision.action == Action::Connect(Requirement::Opportunistic),
    );
}

/// Taking a fact away never makes the outcome stronger: what is published, the operator and the sender can only ask for more.
#[test]
fn no_additional_fact_weakens_the_outcome() {
    whenever(
        |facts| facts.sender == Sender::Nothing && published_counts(facts),
        |facts, decision| {
            let bare = decide(&Facts {
                dane: Dane::NotApplicable,
                sts: Sts::NotApplicable,
                ..*facts
            });
            strength(&bare).is_none_or(|least| at_least(decision, least))
        },
    );
}

#[test]
fn plaintext_is_possible_only_where_the_requirement_says_so() {
    for requirement in [
        Requirement::Encrypt,
        Requirement::Verify(By::Dane),
        Requirement::Verify(By::Sts),
        Requirement::Verify(By::Pkix),
        Requirement::Verify(By::Pinned),
    ] {
        assert!(!requirement.allows_plaintext());
    }
    assert!(
        Requirement::Disabled.allows_plaintext() && Requirement::Opportunistic.allows_plaintext()
    );
}
