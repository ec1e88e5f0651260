//! Between a client and a server: ending TLS in front of a server, beginning it for a client, or passing it on by name.

mod backend;
mod certificates;
mod proxy;
mod route;
mod table;
mod tickets;
mod tunnel;

pub(crate) use proxy::Proxy;
pub(crate) use route::Route;
pub(crate) use tunnel::Tunnel;

use starttls_protocols::registry::{AfterTls, Protocol, ServerOptions};
use starttls_protocols::xmpp;

use crate::trust::hex;

/// What stands in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Proxy,
    Tunnel,
    Route,
}

/// Whether two dialogues can be joined where TLS begins.
fn joinable(protocol: Option<Protocol>, place: Place) -> Result<Option<Protocol>, String> {
    let Some(protocol) = protocol else {
        return Ok(None);
    };
    let reason = match (protocol.facts().after_tls, protocol, place) {
        (AfterTls::GoOn, ..) | (_, Protocol::Vencrypt, _) => {
            "what was said before TLS goes on behind it, so that two connections cannot be joined there"
        }
        (_, Protocol::HttpUpgrade, Place::Proxy | Place::Tunnel) => {
            "the request before TLS is answered inside it, by whoever was asked"
        }
        (_, Protocol::Nats, Place::Tunnel) => {
            "the client needs what the server has said before TLS, which nobody may believe"
        }
        _ => return Ok(Some(protocol)),
    };
    Err(format!("{protocol}: {reason}"))
}

/// A boxed dialogue of ours with a client, each with random bytes of its own.
pub(crate) fn server_side(
    protocol: Protocol,
    name: &str,
) -> Result<
    Box<
        dyn starttls_tokio::starttls_core::Negotiator<
                Tls = starttls_tokio::rustls::ServerConnection,
            > + Send,
    >,
    starttls_tokio::starttls_core::Error,
> {
    let mut random = [0; 20];
    if aws_lc_rs::rand::fill(&mut random).is_err() {
        let missing =
            starttls_tokio::starttls_core::Misuse::Configuration("there are no random bytes");
        return Err(missing.into());
    }
    // Which domains there are is known to the server behind.
    Ok(match protocol {
        Protocol::Xmpp => Box::new(xmpp::Server::new(name, hex(&random)).serves(|_| true)),
        Protocol::XmppServer => Box::new(xmpp::Server::s2s(name, hex(&random)).serves(|_| true)),
        _ => return protocol.server(&ServerOptions::new(name).random(random)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_joined_is_refused_with_its_reason() {
        for place in [Place::Proxy, Place::Tunnel, Place::Route] {
            for protocol in [
                Protocol::Mysql,
                Protocol::Nbd,
                Protocol::Rdp,
                Protocol::Vencrypt,
            ] {
                assert!(
                    joinable(Some(protocol), place).is_err(),
                    "{protocol} {place:?}"
                );
            }
            for protocol in [
                Protocol::Smtp,
                Protocol::Xmpp,
                Protocol::Postgres,
                Protocol::Sieve,
            ] {
                assert_eq!(joinable(Some(protocol), place), Ok(Some(protocol)));
            }
        }
        assert!(joinable(Some(Protocol::HttpUpgrade), Place::Route).is_ok());
        assert!(joinable(Some(Protocol::HttpUpgrade), Place::Proxy).is_err());
    }
}
