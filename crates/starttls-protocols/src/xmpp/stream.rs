use starttls_core::{Error, Misbehaviour, Plain, Refusal, Untrusted};

use super::{STREAMS, TLS};
use crate::read::dialogue::ReadMessages;
use crate::read::misbehaviour::too_long;
use crate::read::xml::{Element, Piece, Xml, skip_white_space};

/// The most elements in one stanza. The stream features of today's servers have about 60.
const MAX_ELEMENTS: usize = 512;
/// The most names, values and text kept of one stanza, in bytes.
const MAX_STANZA: usize = 32 * 1024;

/// What was said on a stream, one whole thing at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Said {
    /// The tag that opens the stream, `<stream:stream>`. Whether it is that tag, in that namespace, is for the caller to see.
    Header(Element),
    /// An element inside the stream.
    Stanza(Element),
    /// The tag that closes the stream.
    Footer,
}

impl Said {
    pub(super) fn unexpected(&self) -> Error {
        let name = match self {
            Self::Header(element) | Self::Stanza(element) => element.name(),
            Self::Footer => "/stream",
        };
        Misbehaviour::Unexpected(Refusal::new(None, name.as_bytes())).into()
    }
}

/// Of an error or a failure: the condition, which is the name of the first element in it, and the words.
pub(super) fn refusal(stanza: &Element) -> Refusal {
    let condition = stanza.children().first().map_or("", Element::name);
    match stanza.all_text().trim() {
        "" => Refusal::new(None, condition.as_bytes()),
        text => Refusal::new(None, format!("{condition}: {text}").as_bytes()),
    }
}

/// Reads a stream in plaintext up to the exact `>` of each thing that is said, for a server, or a client, with a dialogue of its own.
///
/// Nothing is consumed behind the `>`: when the caller has said its go-ahead, what is unread is refused by
/// [`Plain::start_tls`]. What RFC 6120 section 11.1 forbids (comments, processing instructions, DTDs, CDATA sections) is refused, entities cannot be declared, and tags, texts, nesting,
/// names and namespaces are limited.
///
/// ```
/// use starttls_core::{Negotiator, Plain};
/// use starttls_protocols::xmpp::{Said, Server, StreamReader};
///
/// let mut plain = Plain::with_prefix(
///     b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>\
///       <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
/// );
/// let mut reader = StreamReader::new();
/// while let Some(said) = reader.next(&mut plain)? {
///     match said.into_inner() {
///         Said::Header(header) => plain.write_all(b"...")?,
///         Said::Stanza(stanza) if stanza.is("urn:ietf:params:xml:ns:xmpp-tls", "starttls") => {
///             let _done = Server::at_command().advance(&mut plain)?;
///             break;
///         }
///         _ => plain.write_all(b"...")?,
///     }
/// }
/// let (unread, said) = plain.into_parts();
/// assert!(unread.is_empty());
/// assert_eq!(said, b"...<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Debug)]
pub struct StreamReader {
    xml: Xml,
    /// What is open of a stanza, the outermost first.
    open: Vec<Element>,
    elements: usize,
    stored: usize,
}

impl StreamReader {
    /// From the beginning of a stream.
    pub fn new() -> Self {
        Self::reading(Xml::new())
    }

    /// Behind the header of a stream that somebody else has read. The prefix `stream` is taken to be bound as it always is.
    pub fn inside() -> Self {
        Self::reading(Xml::inside(STREAMS))
    }

    /// The next thing that is said, consumed to its last byte and no further; `None` if it is not complete.
    ///
    /// # Errors
    /// [`Misbehaviour::Malformed`] and [`Misbehaviour::TooLong`], behind which there is no way on.
    pub fn next(&mut self, plain: &mut Plain) -> Result<Option<Untrusted<Said>>, Error> {
        Ok(self.said(plain)?.map(Untrusted::new))
    }

    fn reading(xml: Xml) -> Self {
        Self {
            xml,
            open: Vec::new(),
            elements: 0,
            stored: 0,
        }
    }

    fn said(&mut self, plain: &mut Plain) -> Result<Option<Said>, Error> {
        while let Some(piece) = self.xml.next(plain)? {
            match piece {
                Piece::Opened(header) if self.xml.depth() == 1 => {
                    return Ok(Some(Said::Header(header)));
                }
                Piece::Opened(element) => {
                    self.elements = self.elements.saturating_add(1);
                    if self.elements > MAX_ELEMENTS {
                        return Err(too_long("elements", MAX_ELEMENTS));
                    }
                    self.store(element.size())?;
                    self.open.push(element);
                }
                Piece::Text(text) => {
                    self.store(text.len())?;
                    if let Some(element) = self.open.last_mut() {
                        element.push_text(&text);
                    }
                }
                Piece::Closed => match (self.open.pop(), self.open.last_mut()) {
                    (Some(element), Some(parent)) => parent.push(element),
                    (Some(stanza), None) => {
                        (self.elements, self.stored) = (0, 0);
                        return Ok(Some(Said::Stanza(stanza)));
                    }
                    (None, _) => return Ok(Some(Said::Footer)),
                },
            }
        }
        Ok(None)
    }

    fn store(&mut self, size: usize) -> Result<(), Error> {
        self.stored = self.stored.saturating_add(size);
        if self.stored > MAX_STANZA {
            return Err(too_long("stanza", MAX_STANZA));
        }
        Ok(())
    }
}

impl Default for StreamReader {
    fn default() -> Self {
        Self::new()
    }
}

/// What the dialogues read.
#[derive(Debug)]
pub(super) enum Heard {
    Said(Said),
    /// An element that has nothing to do with the upgrade, left unread.
    Other,
}

/// Reads a stream for the dialogues.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) reader: StreamReader,
    /// White space behind an element is dropped at once, and not only in front of the next.
    pub(super) drop_white_space: bool,
    /// Elements that have nothing to do with the upgrade are left.
    pub(super) leave_others: bool,
}

impl Stream {
    pub(super) fn new(reader: StreamReader) -> Self {
        Self {
            reader,
            drop_white_space: false,
            leave_others: false,
        }
    }
}

impl ReadMessages for Stream {
    type Message = Heard;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Heard>, Error> {
        let StreamReader { xml, open, .. } = &mut self.reader;
        if self.leave_others
            && xml.depth() == 1
            && open.is_empty()
            && let Some(element) = xml.peek(plain)?
            && !element.is(TLS, "starttls")
            && !element.is(STREAMS, "error")
        {
            return Ok(Some(Heard::Other));
        }
        let said = self.reader.said(plain)?;
        if self.drop_white_space && matches!(said, Some(Said::Stanza(_))) {
            skip_white_space(plain);
        }
        Ok(said.map(Heard::Said))
    }
}
