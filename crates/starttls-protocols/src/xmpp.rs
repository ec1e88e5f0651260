//! XMPP, client to server and server to server (RFC 6120 section 5).
//!
//! The boundary is the `>` of `<proceed/>`, in whichever spelling; white space behind it is refused as everything else.
//!
//! After TLS both sides forget the stream, its id and its features, and the client opens a new one with a new header (section 5.4.3.3). The server
//! does not offer STARTTLS again.

use quick_xml::escape::escape;
use rustls::{ClientConnection, ServerConnection};
use starttls_core::{Boundary, Error, Misbehaviour, Negotiator, Plain, Progress, Refusal, rustls};

use crate::read::dialogue::{Dialogue, Outcome, ReadMessages, Step};
use crate::read::xml::{Element, FORBIDDEN};

mod stream;
use stream::{Said, Stream};

const STREAMS: &str = "http://etherx.jabber.org/streams";
const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// Who is on the two ends of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ClientToServer,
    ServerToServer,
}

impl Kind {
    fn namespace(self) -> &'static str {
        match self {
            Self::ClientToServer => "jabber:client",
            Self::ServerToServer => "jabber:server",
        }
    }

    fn header(self, attributes: &str) -> String {
        let namespace = self.namespace();
        format!(
            "<?xml version='1.0'?><stream:stream xmlns='{namespace}' xmlns:stream='{STREAMS}' {attributes} version='1.0'>"
        )
    }
}

/// The side that opens the stream: header, features, `<starttls/>`, `<proceed/>`.
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
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    dialogue: Dialogue<Stream, Awaited>,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Header,
    Features,
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
        Self {
            dialogue: Dialogue::new(Stream::inside(), starttls()),
        }
    }

    fn opening(kind: Kind, domains: &str) -> Self {
        let header = Step::say(kind.header(domains), Awaited::Header);
        Self {
            dialogue: Dialogue::new(Stream::new(), header),
        }
    }
}

impl Negotiator for Client {
    type Tls = ClientConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        self.dialogue.advance(plain, react)
    }
}

fn starttls() -> Step<Awaited> {
    Step::say(format!("<starttls xmlns='{TLS}'/>"), Awaited::Answer)
}

fn react(awaited: Awaited, said: &Said) -> Result<Step<Awaited>, Error> {
    match (awaited, said) {
        (Awaited::Header, Said::Header(header)) if is_version_1(header) => {
            Ok(Step::Await(Awaited::Features))
        }
        // A server before 1.0 has no features (section 4.7.5).
        (Awaited::Header, Said::Header(_)) => Err(Error::NotOffered),
        (_, Said::Footer) => Err(Error::Goodbye(Refusal::new(None, b""))),
        (_, Said::Stanza(stanza)) if stanza.root.is(STREAMS, "error") => {
            Err(Error::Goodbye(stanza.refusal()))
        }
        (Awaited::Features, Said::Stanza(stanza)) if stanza.root.is(STREAMS, "features") => {
            let mut features = stanza.children.iter();
            if features.any(|feature| feature.is(TLS, "starttls")) {
                Ok(starttls())
            } else {
                Err(Error::NotOffered)
            }
        }
        (Awaited::Answer, Said::Stanza(stanza)) if stanza.root.is(TLS, "failure") => {
            Err(stanza.refusal().into())
        }
        (Awaited::Answer, Said::Stanza(stanza))
            if stanza.root.is(TLS, "proceed") && stanza.is_empty() =>
        {
            Ok(Step::Done(Boundary::Exact))
        }
        (_, said) => Err(said.unexpected()),
    }
}

/// The side that answers: a header, features with STARTTLS required, and `<proceed/>`.
///
/// SASL before TLS is answered by `encryption-required` (section 6.5.4), everything else by a stream error.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    domain: String,
    id: String,
    stream: Stream,
    state: ServerState,
    outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerState {
    Header,
    Stanzas,
    GoAhead,
}

impl Server {
    /// Client to server. `domain` is the one served; `id` is the id of this stream, unique and not to be guessed (section 4.7.3).
    pub fn new(domain: impl Into<String>, id: impl Into<String>) -> Self {
        Self::starting(Kind::ClientToServer, domain.into(), id.into())
    }

    /// Server to server.
    pub fn s2s(domain: impl Into<String>, id: impl Into<String>) -> Self {
        Self::starting(Kind::ServerToServer, domain.into(), id.into())
    }

    /// The caller has its own stream and has just consumed `<starttls/>`: only `<proceed/>` is left.
    pub fn at_command() -> Self {
        Self {
            state: ServerState::GoAhead,
            ..Self::new("", "")
        }
    }

    fn starting(kind: Kind, domain: String, id: String) -> Self {
        Self {
            kind,
            domain,
            id,
            stream: Stream::new(),
            state: ServerState::Header,
            outcome: Outcome::default(),
        }
    }

    fn header(&self) -> String {
        let (domain, id) = (escape(&self.domain), escape(&self.id));
        self.kind.header(&format!("from='{domain}' id='{id}'"))
    }

    /// A stream error, which ends the stream. An error may come only inside a stream, so that a header is sent if none was
    /// (section 4.9.1.2).
    fn stream_error(&self, condition: &str) -> String {
        let header = if self.state == ServerState::Header {
            self.header()
        } else {
            String::new()
        };
        format!(
            "{header}<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
        )
    }

    fn react(&mut self, said: &Said, plain: &mut Plain) -> Result<(), Error> {
        let condition = match (self.state, said) {
            (ServerState::Header, Said::Header(header)) => match self.objection(header) {
                None => {
                    let features = format!(
                        "<stream:features><starttls xmlns='{TLS}'><required/></starttls></stream:features>"
                    );
                    plain.write_all(format!("{}{features}", self.header()).as_bytes())?;
                    self.state = ServerState::Stanzas;
                    return Ok(());
                }
                Some(condition) => condition,
            },
            (_, Said::Footer) => {
                plain.write_all(b"</stream:stream>")?;
                return Err(Error::Goodbye(Refusal::new(None, b"")));
            }
            (_, Said::Stanza(stanza)) if stanza.root.is(STREAMS, "error") => {
                return Err(Error::Goodbye(stanza.refusal()));
            }
            (_, Said::Stanza(stanza)) if stanza.root.is(TLS, "starttls") && stanza.is_empty() => {
                self.state = ServerState::GoAhead;
                return Ok(());
            }
            (_, Said::Stanza(stanza)) if stanza.root.is(TLS, "starttls") => {
                plain.write_all(format!("<failure xmlns='{TLS}'/></stream:stream>").as_bytes())?;
                return Err(said.unexpected());
            }
            (_, Said::Stanza(stanza)) if stanza.root.is(SASL, "auth") => {
                let failure = format!("<failure xmlns='{SASL}'><encryption-required/></failure>");
                return plain.write_all(failure.as_bytes());
            }
            _ => "policy-violation",
        };
        plain.write_all(self.stream_error(condition).as_bytes())?;
        Err(said.unexpected())
    }

    /// The stream error that a header deserves.
    fn objection(&self, header: &Element) -> Option<&'static str> {
        let content = self.stream.xml.default_namespace();
        if !content.is_empty() && content != self.kind.namespace().as_bytes() {
            return Some("invalid-namespace");
        }
        let to = header.attribute("to").unwrap_or_default();
        if !to.eq_ignore_ascii_case(&self.domain) {
            return Some("host-unknown");
        }
        if !is_version_1(header) {
            return Some("unsupported-version");
        }
        None
    }
}

impl Server {
    fn go_on(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        loop {
            if self.state == ServerState::GoAhead {
                plain.refuse_unread()?;
                plain.write_all(format!("<proceed xmlns='{TLS}'/>").as_bytes())?;
                return Ok(Progress::Done(Boundary::Exact));
            }
            match self.stream.next(plain)? {
                None => return Ok(Progress::NeedInput),
                Some(said) => self.react(&said, plain)?,
            }
        }
    }
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if let Some(outcome) = self.outcome.get() {
            return outcome;
        }
        let progress = self.go_on(plain);
        self.outcome.keep(progress)
    }

    fn farewell(&self, error: &Error) -> Vec<u8> {
        let condition = match error {
            Error::Misbehaved(Misbehaviour::Malformed { what, .. }) if *what == FORBIDDEN => {
                "restricted-xml"
            }
            Error::Misbehaved(Misbehaviour::Malformed { .. }) => "not-well-formed",
            Error::Misbehaved(Misbehaviour::TooLong { .. }) | Error::UnreadPlaintext { .. } => {
                "policy-violation"
            }
            _ => return Vec::new(),
        };
        self.stream_error(condition).into_bytes()
    }
}

/// "1.0" or later: the part before the point decides (section 4.7.5).
fn is_version_1(header: &Element) -> bool {
    let version = header.attribute("version").unwrap_or_default();
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCEED: &[u8] = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

    fn answered(answer: &[u8]) -> Result<Progress, Error> {
        Client::at_command().advance(&mut Plain::with_prefix(answer))
    }

    #[test]
    fn proceed_with_another_byte_is_none() {
        assert_eq!(answered(PROCEED), Ok(Progress::Done(Boundary::Exact)));
        for place in 0..PROCEED.len() {
            for byte in 0..=u8::MAX {
                let mut answer = PROCEED.to_vec();
                answer[place] = byte;
                let is_same = byte == PROCEED[place]
                    // White space in a tag is white space.
                    || (PROCEED[place] == b' ' && matches!(byte, b'\t' | b'\r' | b'\n'));
                let is_taken = answered(&answer) == Ok(Progress::Done(Boundary::Exact));
                assert_eq!(is_taken, is_same, "{}", answer.escape_ascii());
            }
        }
    }

    #[test]
    fn a_refusal_has_the_condition_and_the_words() {
        let error =
            b"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text>\
            no &lt;example.org&gt; here</text></stream:error>";
        let Err(Error::Goodbye(refusal)) = answered(error) else {
            panic!("not a goodbye");
        };
        assert_eq!(
            refusal.text.escaped(),
            "host-unknown: no <example.org> here"
        );
    }

    #[test]
    fn the_words_of_the_caller_are_escaped() {
        let mut plain = Plain::new();
        let mut client = Client::s2s("a'b", "<&>");
        assert_eq!(client.advance(&mut plain), Ok(Progress::NeedInput));
        let (_, sent) = plain.into_parts();
        let sent = String::from_utf8_lossy(&sent).into_owned();
        assert!(
            sent.contains(" from='a&apos;b' to='&lt;&amp;&gt;' "),
            "{sent}"
        );
    }
}
