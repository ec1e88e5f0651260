//! What to type instead.

use starttls_protocols::diagnose::{Found, Spoken, diagnose, recognise};
use starttls_protocols::registry::{Protocol, Role};

use crate::attempt::Attempt;
use crate::dial::{Said, Side};
use crate::report::Failure;
use crate::trust::Verdict;

/// What a failure, the dialogue and the certificates show. No word of the peer is in it but the names in its certificate, escaped.
pub(crate) fn advice(
    attempt: &Attempt,
    failure: &Failure,
    said: &[Said],
    verdict: &Verdict,
) -> Vec<String> {
    let mut advice = Vec::new();
    if let Failure::Protocol(_, error) = failure
        && let Some(mut diagnosis) = diagnose(error)
    {
        diagnosis = diagnosis.role(Role::Client);
        if let Some(protocol) = attempt.name.protocol {
            diagnosis = diagnosis.wanted(protocol);
        }
        match diagnosis.found {
            Found::Tls => {
                advice.push(diagnosis.to_string());
                advice.push(implicit_instead(attempt));
            }
            Found::Plaintext(spoken) | Found::Other(spoken) => {
                advice.push(diagnosis.to_string());
                advice.extend(protocols_instead(attempt, spoken));
            }
            // The error says the same.
            _ => {}
        }
    }
    let heard = said.iter().find(|said| said.side == Side::Server);
    if advice.is_empty()
        && let Some(spoken) = heard.and_then(|heard| recognise(&heard.bytes))
        && !spoken
            .iter()
            .any(|spoken| is(*spoken, attempt.name.protocol))
    {
        let titles: Vec<_> = spoken.iter().map(|spoken| spoken.title()).collect();
        advice.push(format!("the server speaks {}", titles.join(" or ")));
        advice.extend(protocols_instead(attempt, spoken));
    }
    if verdict.error.is_some()
        && let Some(first) = verdict.chain.first()
        && let Some(certificate) = crate::trust::describe(first)
        && !certificate.names.is_empty()
    {
        advice.push(format!(
            "the certificate is for {}",
            certificate.names.join(", ")
        ));
    }
    advice
}

/// LMTP greets like SMTP, and XMPP begins alike for clients and servers.
fn is(spoken: Spoken, wanted: Option<Protocol>) -> bool {
    use Protocol::{Lmtp, Smtp, Xmpp, XmppServer};
    let Spoken::Upgradable(spoken) = spoken else {
        return false;
    };
    match wanted {
        Some(Lmtp | Smtp) => matches!(spoken, Lmtp | Smtp),
        Some(Xmpp | XmppServer) => matches!(spoken, Xmpp | XmppServer),
        wanted => wanted == Some(spoken),
    }
}

/// For a server that speaks TLS from the first byte.
pub(crate) fn implicit_instead(attempt: &Attempt) -> String {
    let host = attempt.host.with_port(attempt.port);
    let name = attempt.name.text();
    format!("type: starttls connect {name} {host} --implicit")
}

fn protocols_instead<'a>(
    attempt: &Attempt,
    spoken: &'a [Spoken],
) -> impl Iterator<Item = String> + use<'a> {
    let host = attempt.host.with_port(attempt.port);
    spoken.iter().filter_map(move |spoken| match spoken {
        Spoken::Upgradable(protocol) => Some(format!("type: starttls connect {protocol} {host}")),
        _ => None,
    })
}
