use quick_xml::escape::escape;
use starttls_core::rustls::ClientConnection;
use starttls_core::{Boundary, Error, Negotiator, Plain, Progress, Refusal, Untrusted};

use super::stream::{Heard, Said, Stream, StreamReader, refusal};
use super::{Kind, STREAMS, TLS, is_version_1};
use crate::read::dialogue::{Dialogue, Step};
use crate::read::misbehaviour::malformed;
use crate::read::xml::Element;

/// The side that opens the stream: header, features, `<starttls/>`, `<proceed/>`.
///
/// Features without STARTTLS are [`Error::NotOffered`], and the stream goes on behind them; [`features`](Self::features) has them. Behind `<failure/>` the
/// server ends the stream (section 5.4.2.2), so that this is no decline. A stream error is an [`Error::Goodbye`] with the condition and the words.
///
/// ```
/// use starttls_core::{Boundary, Negotiator, Plain, Progress};
/// use starttls_protocols::xmpp;
///
/// let mut client = xmpp::Client::new("example.org");
/// let mut plain = Plain::with_prefix(
///     b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' version='1.0'>\
///       <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>\
///       <proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
/// );
/// assert_eq!(client.advance(&mut plain)?, Progress::Done(Boundary::Exact));
/// let features = client.features().unwrap().into_inner();
/// assert!(features.child("urn:ietf:params:xml:ns:xmpp-tls", "starttls").is_some());
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    dialogue: Dialogue<Stream, Awaited>,
    header: Option<Element>,
    features: Option<Element>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Header,
    Features,
    /// Behind a header without a version, which may be one of a server that has failed, or that is older than features.
    FeaturesIfAny,
    Answer,
}

impl Client {
    /// Client to server. `to` is the domain of the account: what the certificate must be for, too.
    pub fn new(to: impl Into<String>) -> Self {
        let to = to.into();
        Self::opening(Kind::ClientToServer, &format!("to='{}'", escape(&to)))
    }

    /// Server to server: the domain that speaks, and the one that is spoken to.
    pub fn s2s(from: impl Into<String>, to: impl Into<String>) -> Self {
        let (from, to) = (from.into(), to.into());
        let domains = format!("from='{}' to='{}'", escape(&from), escape(&to));
        Self::opening(Kind::ServerToServer, &domains)
    }

    /// The caller has had the dialogue up to features that offer STARTTLS: only the command and its answer are left. The prefix `stream` is
    /// taken to be bound as it always is.
    pub fn at_command() -> Self {
        Self::saying(StreamReader::inside(), starttls())
    }

    /// The server's header, once it is there: its id, its language.
    pub fn header(&self) -> Option<Untrusted<&Element>> {
        self.header.as_ref().map(Untrusted::new)
    }

    /// The server's features, once they are there.
    pub fn features(&self) -> Option<Untrusted<&Element>> {
        self.features.as_ref().map(Untrusted::new)
    }

    fn opening(kind: Kind, domains: &str) -> Self {
        let header = Step::say(kind.header(domains), Awaited::Header);
        Self::saying(StreamReader::new(), header)
    }

    fn saying(reader: StreamReader, first: Step<Awaited>) -> Self {
        Self {
            dialogue: Dialogue::new(Stream::new(reader), first),
            header: None,
            features: None,
        }
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        let Self {
            dialogue,
            header,
            features,
        } = self;
        dialogue.advance(plain, |awaited, heard| {
            let Heard::Said(said) = heard else {
                return Ok(Step::Leave);
            };
            match (awaited, said) {
                (Awaited::Header, Said::Header(said)) => *header = Some(said.clone()),
                (Awaited::Features | Awaited::FeaturesIfAny, Said::Stanza(stanza))
                    if stanza.is(STREAMS, "features") =>
                {
                    *features = Some(stanza.clone());
                }
                _ => {}
            }
            react(awaited, said)
        })
    }
}

fn starttls() -> Step<Awaited> {
    Step::say(format!("<starttls xmlns='{TLS}'/>"), Awaited::Answer)
}

fn react(awaited: Awaited, said: &Said) -> Result<Step<Awaited>, Error> {
    match (awaited, said) {
        (Awaited::Header, Said::Header(header)) if !header.is(STREAMS, "stream") => {
            Err(malformed("stream", header.name().as_bytes()))
        }
        (Awaited::Header, Said::Header(header)) if is_version_1(header) => {
            Ok(Step::Await(Awaited::Features))
        }
        // "a server that ... does not include a version attribute ... does not support stream features" (section 4.7.5); but it is
        // left out by servers, too, that have not understood the client's header and say so next.
        (Awaited::Header, Said::Header(_)) => Ok(Step::Await(Awaited::FeaturesIfAny)),
        (_, Said::Footer) => Err(Error::Goodbye(Refusal::new(None, b""))),
        (_, Said::Stanza(stanza)) if stanza.is(STREAMS, "error") => {
            Err(Error::Goodbye(refusal(stanza)))
        }
        (Awaited::Features | Awaited::FeaturesIfAny, Said::Stanza(stanza))
            if stanza.is(STREAMS, "features") =>
        {
            if stanza.child(TLS, "starttls").is_some() {
                Ok(starttls())
            } else {
                Err(Error::NotOffered)
            }
        }
        (Awaited::FeaturesIfAny, Said::Stanza(_)) => Err(Error::NotOffered),
        (Awaited::Answer, Said::Stanza(stanza)) if stanza.is(TLS, "failure") => {
            Err(refusal(stanza).ending().into())
        }
        (Awaited::Answer, Said::Stanza(stanza))
            if stanza.is(TLS, "proceed") && stanza.is_empty() =>
        {
            Ok(Step::Done(Boundary::Exact))
        }
        (_, said) => Err(said.unexpected()),
    }
}
