//! The client's side of a dialogue, and what it has heard of authentication before TLS.

use starttls_protocols::registry::{ClientOptions, Protocol};
use starttls_protocols::{imap, managesieve, nntp, pop3, smtp};
use starttls_tokio::rustls::ClientConnection;
use starttls_tokio::starttls_core::{Error, Negotiator, Plain, Progress, Untrusted};

/// A negotiator that can be asked afterwards.
pub(crate) enum Ears {
    Smtp(smtp::Client),
    Imap(imap::Client),
    Pop3(pop3::Client),
    Nntp(nntp::Client),
    Sieve(managesieve::Client),
    /// Of these nothing is known.
    Other(Box<dyn Negotiator<Tls = ClientConnection> + Send>),
}

impl Ears {
    pub(crate) fn new(
        protocol: Protocol,
        own_name: Option<&str>,
        options: &ClientOptions,
    ) -> Result<Self, Error> {
        Ok(match (protocol, own_name) {
            (Protocol::Smtp, Some(name)) => Self::Smtp(smtp::Client::new(name)),
            (Protocol::Lmtp, Some(name)) => Self::Smtp(smtp::Client::lmtp(name)),
            // As the registry does it where no name was given (RFC 5321 section 4.1.4).
            (Protocol::Smtp, None) => Self::Smtp(smtp::Client::new("[127.0.0.1]")),
            (Protocol::Lmtp, None) => Self::Smtp(smtp::Client::lmtp("[127.0.0.1]")),
            (Protocol::Imap, _) => Self::Imap(imap::Client::new()),
            (Protocol::Pop3, _) => Self::Pop3(pop3::Client::new()),
            (Protocol::Nntp, _) => Self::Nntp(nntp::Client::new()),
            (Protocol::Sieve, _) => Self::Sieve(managesieve::Client::new()),
            _ => Self::Other(protocol.client(options)?),
        })
    }

    /// Whether the server takes a login in plaintext; `None` where that was not heard.
    pub(crate) fn plaintext_authentication(&self) -> Option<bool> {
        let any = |heard: Option<Untrusted<&[String]>>, is: fn(&str) -> bool| {
            let lines = heard?.into_inner();
            Some(lines.iter().any(|line| is(&line.to_ascii_uppercase())))
        };
        match self {
            Self::Smtp(client) => any(client.capabilities(), |it| it.starts_with("AUTH ")),
            Self::Imap(client) => {
                let disabled = any(client.capabilities(), |it| it == "LOGINDISABLED")?;
                let others = any(client.capabilities(), |it| it.starts_with("AUTH="))?;
                Some(!disabled || others)
            }
            Self::Pop3(client) => any(client.capabilities(), |it| {
                it == "USER" || it.starts_with("SASL ")
            }),
            Self::Nntp(client) => any(client.capabilities(), |it| it.starts_with("AUTHINFO ")),
            Self::Sieve(client) => any(client.capabilities(), |it| {
                it.strip_prefix("SASL ")
                    .is_some_and(|value| !value.trim_matches(['"', ' ']).is_empty())
            }),
            Self::Other(_) => None,
        }
    }
}

impl Negotiator for Ears {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        match self {
            Self::Smtp(client) => client.advance(plain),
            Self::Imap(client) => client.advance(plain),
            Self::Pop3(client) => client.advance(plain),
            Self::Nntp(client) => client.advance(plain),
            Self::Sieve(client) => client.advance(plain),
            Self::Other(client) => client.advance(plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(protocol: Protocol, said: &[u8]) -> Option<bool> {
        let mut ears = Ears::new(protocol, None, &ClientOptions::new("a.example")).unwrap();
        let mut plain = Plain::with_prefix(said);
        let _ = plain.negotiate(&mut ears);
        ears.plaintext_authentication()
    }

    #[test]
    fn logins_before_tls_are_heard() {
        let imap = |words: &str| {
            let said = format!("* OK [CAPABILITY IMAP4rev1 STARTTLS{words}] hello\r\n");
            heard(Protocol::Imap, said.as_bytes())
        };
        assert_eq!(imap(" LOGINDISABLED"), Some(false));
        assert_eq!(imap(""), Some(true));
        assert_eq!(imap(" LOGINDISABLED AUTH=PLAIN"), Some(true));
        let smtp = |words: &str| {
            let said = format!("220 a\r\n250-a\r\n{words}250 STARTTLS\r\n");
            heard(Protocol::Smtp, said.as_bytes())
        };
        assert_eq!(smtp("250-AUTH PLAIN LOGIN\r\n"), Some(true));
        assert_eq!(smtp(""), Some(false));
        let sieve = |value: &str| {
            let said = format!(
                "\"IMPLEMENTATION\" \"x\"\r\n\"SASL\" \"{value}\"\r\n\"STARTTLS\"\r\nOK\r\n"
            );
            heard(Protocol::Sieve, said.as_bytes())
        };
        assert_eq!(sieve("PLAIN"), Some(true));
        assert_eq!(sieve(""), Some(false));
        assert_eq!(heard(Protocol::Postgres, b"S"), None);
    }
}
