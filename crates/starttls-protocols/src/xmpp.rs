//! XMPP, client to server and server to server (RFC 6120 section 5).
//!
//! The boundary is the `>` of `<proceed/>`, in whichever spelling; white space behind it is refused as everything else.
//!
//! After TLS both sides forget the stream, its id and its features, and the client opens a new one with a new header (section 5.4.3.3). The server
//! does not offer STARTTLS again.

mod client;
pub use client::Client;

mod server;
pub use server::Server;

mod stream;
pub use stream::{Said, StreamReader};

pub use crate::read::xml::Element;

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
    use starttls_core::{Boundary, Error, Negotiator, Phase, Plain, Progress, Refusal};

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

    const HEADER: &str = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
        to='example.org' version='1.0'>";
    const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

    /// What a server says to this, and what it leaves.
    fn served(mut server: Server, input: &str) -> (String, Result<Progress, Error>, String) {
        let mut plain = Plain::with_prefix(input.as_bytes());
        let outcome = plain.negotiate(&mut server);
        let (unread, said) = plain.into_parts();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (text(said), outcome, text(unread))
    }

    #[test]
    fn white_space_behind_the_command_is_dropped_and_nothing_else() {
        let server = || Server::new("example.org", "1");
        let done = Ok(Progress::Done(Boundary::Exact));
        for space in ["", "\n", "\r\n \t"] {
            let (said, outcome, unread) = served(server(), &format!("{HEADER}{STARTTLS}{space}"));
            assert!(said.ends_with("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
            assert_eq!((outcome, &unread[..]), (done.clone(), ""), "{space:?}");
            let (_, outcome, unread) = served(Server::at_command(), space);
            assert_eq!((outcome, &unread[..]), (done.clone(), ""), "{space:?}");
        }
        let (said, outcome, _) = served(server(), &format!("{HEADER}{STARTTLS}\n<iq"));
        assert!(!said.contains("<proceed"), "{said}");
        assert!(matches!(
            outcome,
            Err(Error::UnreadPlaintext { count: 3, .. })
        ));
        let (said, outcome, _) = served(Server::at_command(), "\n<iq");
        assert!(said.contains("policy-violation"), "{said}");
        assert!(matches!(
            outcome,
            Err(Error::UnreadPlaintext { count: 3, .. })
        ));

        // What comes later has no way to be dropped, and is refused.
        let mut plain = Plain::with_prefix(format!("{HEADER}{STARTTLS}").as_bytes());
        assert_eq!(plain.negotiate(&mut server()), done);
        assert_eq!(plain.handle_input(b"\n"), 1);
        assert!(plain.refuse_unread().is_err());
    }

    #[test]
    fn a_client_drops_no_white_space() {
        let mut plain = Plain::with_prefix(&[PROCEED, b"\n"].concat());
        let done = Client::at_command().advance(&mut plain);
        assert_eq!(done, Ok(Progress::Done(Boundary::Exact)));
        assert_eq!(plain.peek(), b"\n");
    }

    #[test]
    fn the_caller_decides_which_domains_are_served() {
        let server =
            || Server::new("example.org", "1").serves(|domain| domain.ends_with(".example"));
        let header = |to: &str| HEADER.replace("example.org", to);
        let (said, outcome, _) = served(server(), &header("A.Example"));
        assert_eq!(outcome, Ok(Progress::NeedInput));
        assert!(said.contains(" from='a.example' "), "{said}");
        let (said, outcome, _) = served(server(), &header("example.org"));
        assert!(outcome.is_err());
        assert!(
            said.contains(" from='example.org' ") && said.contains("<host-unknown "),
            "{said}"
        );
    }

    #[test]
    fn everything_heard_can_be_looked_at() {
        let mut client = Client::new("example.org");
        let mut plain = Plain::with_prefix(
            b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='i' version='1.0'>\
              <stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
              <mechanism>PLAIN</mechanism></mechanisms></stream:features>",
        );
        assert_eq!(plain.negotiate(&mut client), Err(Error::NotOffered));
        let header = client.header().unwrap().into_inner();
        assert_eq!(header.attribute("id"), Some("i"));
        let features = client.features().unwrap().into_inner();
        let mechanisms = features.child(SASL, "mechanisms").unwrap();
        assert_eq!(mechanisms.children()[0].text(), "PLAIN");

        let mut server = Server::new("example.org", "1");
        assert!(
            Plain::with_prefix(HEADER.as_bytes())
                .negotiate(&mut server)
                .is_ok()
        );
        let header = server.header().unwrap().into_inner();
        assert_eq!(header.attribute("to"), Some("example.org"));
    }

    #[test]
    fn the_words_that_end_a_stream_are_no_decline() {
        let failure = answered(b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
        assert_eq!(failure, Err(Refusal::new(None, b"").ending().into()));
        assert!(!failure.unwrap_err().is_declined());
    }
}
