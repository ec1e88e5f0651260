use starttls_core::{Error, Misbehaviour, Plain, Refusal};

use super::STREAMS;
use crate::read::dialogue::ReadMessages;
use crate::read::misbehaviour::malformed;
use crate::read::xml::{Element, Piece, Xml};

/// What was said on a stream, one whole thing at a time.
#[derive(Debug)]
pub(super) enum Said {
    /// `<stream:stream>`
    Header(Element),
    /// An element inside the stream.
    Stanza(Stanza),
    /// `</stream:stream>`
    Footer,
}

impl Said {
    pub(super) fn unexpected(&self) -> Error {
        let name = match self {
            Self::Header(_) => "stream",
            Self::Stanza(stanza) => &stanza.root.name,
            Self::Footer => "/stream",
        };
        Misbehaviour::Unexpected(Refusal::new(None, name.as_bytes())).into()
    }
}

/// An element inside the stream, with what is directly inside of it.
#[derive(Debug)]
pub(super) struct Stanza {
    pub(super) root: Element,
    pub(super) children: Vec<Element>,
    /// All the text, wherever in it.
    pub(super) text: String,
}

impl Stanza {
    pub(super) fn is_empty(&self) -> bool {
        self.children.is_empty() && self.text.is_empty()
    }

    /// Of an error or a failure: the condition, which is the name of the first element in it, and the words.
    pub(super) fn refusal(&self) -> Refusal {
        let condition = self.children.first().map_or("", |child| &child.name);
        match self.text.trim() {
            "" => Refusal::new(None, condition.as_bytes()),
            text => Refusal::new(None, format!("{condition}: {text}").as_bytes()),
        }
    }
}

/// Reads a stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) xml: Xml,
    partial: Option<Stanza>,
}

impl Stream {
    pub(super) fn new() -> Self {
        let xml = Xml::new();
        Self { xml, partial: None }
    }

    pub(super) fn inside() -> Self {
        let xml = Xml::inside(STREAMS);
        Self { xml, partial: None }
    }
}

impl ReadMessages for Stream {
    type Message = Said;

    fn next(&mut self, plain: &mut Plain) -> Result<Option<Said>, Error> {
        while let Some(piece) = self.xml.next(plain)? {
            match (self.xml.depth(), piece, &mut self.partial) {
                (1, Piece::Opened(element), None) if element.is(STREAMS, "stream") => {
                    return Ok(Some(Said::Header(element)));
                }
                (1, Piece::Opened(element), None) => {
                    return Err(malformed("stream", element.name.as_bytes()));
                }
                (0, Piece::Closed, None) => return Ok(Some(Said::Footer)),
                (2, Piece::Opened(root), None) => {
                    self.partial = Some(Stanza {
                        root,
                        children: Vec::new(),
                        text: String::new(),
                    });
                }
                (3, Piece::Opened(child), Some(stanza)) => stanza.children.push(child),
                (_, Piece::Text(text), Some(stanza)) => stanza.text.push_str(&text),
                (1, Piece::Closed, partial) => {
                    if let Some(stanza) = partial.take() {
                        return Ok(Some(Said::Stanza(stanza)));
                    }
                }
                // Deeper than anything that is looked at.
                _ => {}
            }
        }
        Ok(None)
    }
}
