use std::fmt;

use quick_xml::escape::escape;
use starttls_core::rustls::ServerConnection;
use starttls_core::{Error, Misbehaviour, Negotiator, Plain, Progress, Untrusted};

use super::stream::{Heard, Said, Stream, StreamReader, refusal};
use super::{Kind, SASL, STREAMS, TLS, is_version_1};
use crate::read::dialogue::{Dialogue, Step};
use crate::read::xml::{Element, FORBIDDEN, skip_white_space};

/// The longest address that is said back: `localpart@domainpart/resourcepart` with 1023 bytes each (RFC 7622 section 3.1).
const MAX_ADDRESS: usize = 3071;

/// The side that answers: a header, features with STARTTLS required, and `<proceed/>`.
///
/// SASL before TLS is answered by `encryption-required` (section 6.5.4), everything else by a stream error. A server that does not demand TLS is
/// [`optional`](Self::optional): it stops in front of what a client says that goes on without.
///
/// White space that has come behind `<starttls/>` is dropped before `<proceed/>` is said, since there are clients that write a line end there. It is
/// never delivered, and what comes later meets TLS.
#[derive(Debug)]
pub struct Server {
    dialogue: Dialogue<Stream, Awaited>,
    answers: Answers,
    at_command: bool,
}

#[derive(Debug, Clone, Copy)]
enum Awaited {
    Header,
    Stanza,
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
        let server = Self::new("", "");
        Self {
            dialogue: Dialogue::new(Stream::new(StreamReader::inside()), go_ahead()),
            answers: Answers {
                has_header: true,
                ..server.answers
            },
            at_command: true,
        }
    }

    /// Serves every domain that `serves` says yes to, and answers as that one; `domain` is then what others are told that they have
    /// reached. The domain is given in small letters.
    #[must_use]
    pub fn serves(mut self, serves: impl FnMut(&str) -> bool + Send + Sync + 'static) -> Self {
        self.answers.serves = Serves(Some(Box::new(serves)));
        self
    }

    /// TLS is offered and not demanded: in front of a stanza other than `<starttls/>` this stops with [`Error::NotRequested`], and the caller reads and
    /// answers that in plaintext, inside this stream. Anybody on the path can make the client do so.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.answers.optional = true;
        if !self.at_command {
            let mut stream = server_stream();
            stream.leave_others = true;
            self.dialogue = Dialogue::new(stream, Step::Await(Awaited::Header));
        }
        self
    }

    /// The client's header, once it is there: the domain that it wants, its language.
    pub fn header(&self) -> Option<Untrusted<&Element>> {
        self.answers.header.as_ref().map(Untrusted::new)
    }

    fn starting(kind: Kind, domain: String, id: String) -> Self {
        Self {
            dialogue: Dialogue::new(server_stream(), Step::Await(Awaited::Header)),
            answers: Answers {
                kind,
                domain,
                id,
                serves: Serves(None),
                optional: false,
                header: None,
                has_header: false,
            },
            at_command: false,
        }
    }
}

fn server_stream() -> Stream {
    let mut stream = Stream::new(StreamReader::new());
    stream.drop_white_space = true;
    stream
}

fn go_ahead() -> Step<Awaited> {
    Step::go_ahead(format!("<proceed xmlns='{TLS}'/>"))
}

/// What is said to whom.
#[derive(Debug)]
struct Answers {
    kind: Kind,
    domain: String,
    id: String,
    serves: Serves,
    optional: bool,
    header: Option<Element>,
    /// Ours was said.
    has_header: bool,
}

struct Serves(Option<Decide>);

type Decide = Box<dyn FnMut(&str) -> bool + Send + Sync>;

impl fmt::Debug for Serves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serves")
    }
}

impl Answers {
    fn react(&mut self, awaited: Awaited, heard: &Heard) -> Result<Step<Awaited>, Error> {
        let Heard::Said(said) = heard else {
            return Ok(Step::Leave);
        };
        match (awaited, said) {
            (Awaited::Header, Said::Header(header)) => {
                self.header = Some(header.clone());
                match self.objection(header) {
                    None => {
                        let features = self.features();
                        let words = format!("{}{features}", self.response());
                        self.has_header = true;
                        Ok(Step::say(words, Awaited::Stanza))
                    }
                    Some(condition) => {
                        Ok(Step::fail(self.stream_error(condition), said.unexpected()))
                    }
                }
            }
            (_, Said::Footer) => Ok(Step::goodbye("</stream:stream>", b"")),
            (_, Said::Stanza(stanza)) if stanza.is(STREAMS, "error") => {
                Err(Error::Goodbye(refusal(stanza)))
            }
            (_, Said::Stanza(stanza)) if stanza.is(TLS, "starttls") && stanza.is_empty() => {
                Ok(go_ahead())
            }
            (_, Said::Stanza(stanza)) if stanza.is(TLS, "starttls") => Ok(Step::fail(
                format!("<failure xmlns='{TLS}'/></stream:stream>"),
                said.unexpected(),
            )),
            (_, Said::Stanza(stanza)) if stanza.is(SASL, "auth") => Ok(Step::say(
                format!("<failure xmlns='{SASL}'><encryption-required/></failure>"),
                Awaited::Stanza,
            )),
            (_, said) => Ok(Step::fail(
                self.stream_error("policy-violation"),
                said.unexpected(),
            )),
        }
    }

    fn features(&self) -> String {
        let required = if self.optional {
            "/>"
        } else {
            "><required/></starttls>"
        };
        format!("<stream:features><starttls xmlns='{TLS}'{required}</stream:features>")
    }

    /// The stream error that a header deserves.
    fn objection(&mut self, header: &Element) -> Option<&'static str> {
        if header.namespace() != STREAMS {
            return Some("invalid-namespace");
        }
        if header.name() != "stream" {
            return Some("bad-format");
        }
        // Both styles of section 4.8.3: the content's namespace is the default one, or each stanza declares its own.
        let content = header.attribute("xmlns").unwrap_or_default();
        if !["", STREAMS, self.kind.namespace()].contains(&content) {
            return Some("invalid-namespace");
        }
        let to = header
            .attribute("to")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let is_served = match &mut self.serves.0 {
            Some(serves) => serves(&to),
            None => to.eq_ignore_ascii_case(&self.domain),
        };
        if !is_served {
            return Some("host-unknown");
        }
        if self.serves.0.is_some() {
            self.domain = to;
        }
        if !is_version_1(header) {
            return Some("unsupported-version");
        }
        None
    }

    /// Our header. It is to whom the client says that it is, and in the client's language (section 4.7).
    fn response(&self) -> String {
        let said = |name| {
            self.header
                .as_ref()
                .and_then(|header| header.attribute(name))
        };
        let mut attributes = format!("from='{}'", escape(&self.domain));
        if let Some(from) = said("from").filter(|from| from.len() <= MAX_ADDRESS) {
            attributes.push_str(&format!(" to='{}'", escape(from)));
        }
        attributes.push_str(&format!(" id='{}'", escape(&self.id)));
        if let Some(language) = said("xml:lang").filter(|language| is_language(language)) {
            attributes.push_str(&format!(" xml:lang='{language}'"));
        }
        self.kind.header(&attributes)
    }

    /// A stream error, which ends the stream. An error may come only inside a stream, so that a header is sent if none was
    /// (section 4.9.1.2).
    fn stream_error(&self, condition: &str) -> String {
        let header = if self.has_header {
            String::new()
        } else {
            self.response()
        };
        format!(
            "{header}<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
        )
    }
}

/// The form of a language tag (RFC 5646 section 2.1).
fn is_language(tag: &str) -> bool {
    (1..=35).contains(&tag.len())
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Negotiator for Server {
    type Tls = ServerConnection;

    fn advance(&mut self, plain: &mut Plain) -> Result<Progress, Error> {
        if self.at_command {
            // Behind the command, as the dialogue drops it: only once, and before anything is said.
            self.at_command = false;
            skip_white_space(plain);
        }
        let Self {
            dialogue, answers, ..
        } = self;
        dialogue.advance(plain, |awaited, heard| answers.react(awaited, heard))
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
        self.answers.stream_error(condition).into_bytes()
    }
}
