//! XML as XMPP restricts it (RFC 6120 section 11.1), read one tag at a time out of the plaintext phase.
//!
//! quick-xml finds the end of a tag (its incremental `ElementParser`), parses the tag, and keeps the namespaces. What is not left to its reader is taking the
//! input: that reads ahead, and the byte behind the `>` may be somebody's injection. So each tag is cut out here, whole and exactly, and nothing
//! else is consumed. Comments, processing instructions, DTDs and CDATA sections are refused at their second character: entities cannot be
//! declared, and none but the five of XML itself and numeric references are resolved.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceResolver, PrefixDeclaration, ResolveResult};
use quick_xml::parser::{ElementParser, Parser};
use starttls_core::{Error, Plain};

use crate::read::misbehaviour::{malformed, refuse_tls_record, too_long};

mod element;
pub use element::Element;

/// What a comment, a processing instruction, a DTD or a CDATA section is malformed as.
pub(crate) const FORBIDDEN: &str = "markup that XMPP forbids";

/// The longest tag and the longest run of text. Stream headers have about 300 bytes, most of them namespaces.
const MAX_PIECE: usize = 4 * 1024;
/// The most attributes of a tag, each of which is compared with those before it. A stream header has about 8.
const MAX_ATTRIBUTES: usize = 64;
/// The most namespaces that are declared at a time, among which every name is looked up. A stream header declares 2 or 3, a server between
/// servers some more.
const MAX_NAMESPACES: usize = 64;
/// The deepest nesting. The stream features of today's servers reach 7.
const MAX_DEPTH: usize = 16;

/// What one step of the input is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A start tag, or an empty-element tag: then [`Closed`](Self::Closed) comes next without any more input.
    Opened(Element),
    /// An end tag.
    Closed,
    /// Text inside an element inside the stream. White space outside of these is skipped.
    Text(String),
}

/// Reads one stream.
#[derive(Debug)]
pub(crate) struct Xml {
    namespaces: NamespaceResolver,
    /// The qualified names of the open elements, and how many namespaces each declares.
    open: Vec<(Vec<u8>, usize)>,
    /// Nothing but the declaration may come before the first element, and it only once.
    declaration_possible: bool,
    /// The last tag was an empty-element tag.
    pending_close: bool,
    scan: ElementParser,
    /// Bytes of the current piece that were searched before.
    searched: usize,
    /// The length of the next tag, if it was looked at already.
    found: Option<usize>,
}

impl Xml {
    /// From the beginning of a stream.
    pub(crate) fn new() -> Self {
        Self {
            namespaces: NamespaceResolver::default(),
            open: Vec::new(),
            declaration_possible: true,
            pending_close: false,
            scan: ElementParser::default(),
            searched: 0,
            found: None,
        }
    }

    /// Inside a stream that somebody else has opened, with `stream` as the prefix for `namespace`.
    pub(crate) fn inside(namespace: &str) -> Self {
        let mut xml = Self::new();
        let prefix = PrefixDeclaration::Named(b"stream");
        // Fails for the two prefixes that XML has reserved only.
        let added = xml.namespaces.add(prefix, Namespace(namespace.as_bytes()));
        debug_assert!(added.is_ok());
        xml.open.push((b"stream:stream".to_vec(), 1));
        xml.declaration_possible = false;
        xml
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The element that begins next inside the stream. Nothing is consumed but white space in front of it. `None` if its tag is not complete, or
    /// if something else comes next.
    pub(crate) fn peek(&mut self, plain: &mut Plain) -> Result<Option<Element>, Error> {
        if self.searched == 0 {
            self.skip_white_space(plain);
        }
        if self.pending_close || !matches!(plain.peek(), [b'<', next, ..] if !b"/?!".contains(next))
        {
            return Ok(None);
        }
        let Some(length) = self.find(plain)? else {
            return Ok(None);
        };
        let tag = plain.peek().get(..length).unwrap_or_default();
        let Piece::Opened(element) = self.tag(tag)? else {
            return Ok(None);
        };
        self.pending_close = false;
        self.close();
        Ok(Some(element))
    }

    /// The next piece, consumed to its last byte and no further; `None` if it is not complete.
    pub(crate) fn next(&mut self, plain: &mut Plain) -> Result<Option<Piece>, Error> {
        if self.pending_close {
            self.pending_close = false;
            self.close();
            return Ok(Some(Piece::Closed));
        }
        loop {
            if self.depth() <= 1 && self.searched == 0 {
                self.skip_white_space(plain);
            }
            match plain.peek() {
                [] | [b'<'] => return Ok(None),
                [b'<', b'?', ..] if self.declaration_possible => {
                    let Some(declaration) = self.cut(plain)? else {
                        return Ok(None);
                    };
                    check_declaration(&declaration)?;
                    self.declaration_possible = false;
                }
                [b'<', b'?' | b'!', ..] => return Err(malformed(FORBIDDEN, b"")),
                [b'<', ..] => {
                    let Some(tag) = self.cut(plain)? else {
                        return Ok(None);
                    };
                    self.declaration_possible = false;
                    return self.tag(&tag).map(Some);
                }
                _ if self.depth() > 1 => return self.text(plain),
                // It may be the first byte of a TLS record.
                [0x15 | 0x16] => return Ok(None),
                unread => {
                    refuse_tls_record(unread)?;
                    return Err(malformed("stream", unread.get(..1).unwrap_or_default()));
                }
            }
        }
    }

    fn skip_white_space(&mut self, plain: &mut Plain) {
        if skip_white_space(plain) > 0 {
            // "the XML declaration ... at the very beginning" (XML section 2.8)
            self.declaration_possible = false;
        }
    }

    /// Everything from `<` to the `>` that belongs to it.
    fn cut(&mut self, plain: &mut Plain) -> Result<Option<Vec<u8>>, Error> {
        let Some(length) = self.find(plain)? else {
            return Ok(None);
        };
        let tag = plain.peek().get(..length).unwrap_or_default().to_vec();
        plain.consume(length);
        self.found = None;
        Ok(Some(tag))
    }

    fn find(&mut self, plain: &Plain) -> Result<Option<usize>, Error> {
        if self.found.is_some() {
            return Ok(self.found);
        }
        let unread = plain.peek();
        let window = unread.get(..MAX_PIECE).unwrap_or(unread);
        let new = window.get(self.searched..).unwrap_or_default();
        let Some(end) = self.scan.feed(new) else {
            self.searched = window.len();
            return if window.len() == MAX_PIECE {
                Err(too_long("tag", MAX_PIECE))
            } else {
                Ok(None)
            };
        };
        self.found = Some(self.searched.saturating_add(end).saturating_add(1));
        self.scan = ElementParser::default();
        self.searched = 0;
        Ok(self.found)
    }

    /// Text up to the next `<`, which is left.
    fn text(&mut self, plain: &mut Plain) -> Result<Option<Piece>, Error> {
        let unread = plain.peek();
        let window = unread.get(..MAX_PIECE).unwrap_or(unread);
        let new = window.get(self.searched..).unwrap_or_default();
        let Some(end) = new.iter().position(|byte| *byte == b'<') else {
            self.searched = window.len();
            return if window.len() == MAX_PIECE {
                Err(too_long("text", MAX_PIECE))
            } else {
                Ok(None)
            };
        };
        let length = self.searched.saturating_add(end);
        let text = unread.get(..length).unwrap_or_default();
        let text = std::str::from_utf8(text)
            .ok()
            .and_then(|text| quick_xml::escape::unescape(text).ok())
            .ok_or_else(|| malformed("text", text))?
            .into_owned();
        plain.consume(length);
        self.searched = 0;
        Ok(Some(Piece::Text(text)))
    }

    fn tag(&mut self, tag: &[u8]) -> Result<Piece, Error> {
        let malformed = || malformed("tag", tag);
        let text = std::str::from_utf8(tag).map_err(|_| malformed())?;
        // What no well-formed tag has, and what parsers disagree on.
        let is_wrong = |byte: &u8| matches!(byte, b'<' | 0..=8 | 11 | 12 | 14..=31);
        if tag.iter().skip(1).any(is_wrong) {
            return Err(malformed());
        }
        let mut reader = Reader::from_str(text);
        // Whether names match is checked here: the reader sees one tag only.
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        match reader.read_event().map_err(|_| malformed())? {
            Event::Start(start) => Ok(Piece::Opened(self.open(&start, tag)?)),
            Event::Empty(start) => {
                let element = self.open(&start, tag)?;
                self.pending_close = true;
                Ok(Piece::Opened(element))
            }
            Event::End(end)
                if self
                    .open
                    .last()
                    .is_some_and(|(open, _)| open == end.name().0) =>
            {
                self.close();
                Ok(Piece::Closed)
            }
            _ => Err(malformed()),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>, tag: &[u8]) -> Result<Element, Error> {
        let malformed = || malformed("tag", tag);
        if self.depth() >= MAX_DEPTH {
            return Err(too_long("elements in elements", MAX_DEPTH));
        }
        if !is_name(start.name().0) {
            return Err(malformed());
        }
        let mut attributes = Vec::new();
        let mut declared = 0_usize;
        for (index, attribute) in start.attributes().enumerate() {
            if index >= MAX_ATTRIBUTES {
                return Err(too_long("attributes", MAX_ATTRIBUTES));
            }
            let attribute = attribute.map_err(|_| malformed())?;
            if attribute.key.as_namespace_binding().is_some() {
                declared = declared.saturating_add(1);
            }
            if !is_name(attribute.key.0) {
                return Err(malformed());
            }
            let value = attribute.unescape_value().map_err(|_| malformed())?;
            if attribute.key.prefix().is_none() || attribute.key.0 == b"xml:lang" {
                let key = String::from_utf8_lossy(attribute.key.0).into_owned();
                attributes.push((key, value.into_owned()));
            }
        }
        let in_scope = self.open.iter().map(|(_, declared)| *declared);
        if in_scope.fold(declared, usize::saturating_add) > MAX_NAMESPACES {
            return Err(too_long("namespaces", MAX_NAMESPACES));
        }
        self.namespaces.push(start).map_err(|_| malformed())?;
        let (namespace, name) = self.namespaces.resolve_element(start.name());
        let namespace = match namespace {
            ResolveResult::Bound(Namespace(namespace)) => namespace,
            ResolveResult::Unbound => b"",
            ResolveResult::Unknown(_) => return Err(malformed()),
        };
        let element = Element::new(
            String::from_utf8_lossy(namespace).into_owned(),
            String::from_utf8_lossy(name.into_inner()).into_owned(),
            attributes,
        );
        self.open.push((start.name().0.to_vec(), declared));
        Ok(element)
    }

    fn close(&mut self) {
        self.namespaces.pop();
        self.open.pop();
    }
}

/// Consumes the white space that is there, which says nothing between the elements of a stream; how much that was.
pub(crate) fn skip_white_space(plain: &mut Plain) -> usize {
    let is_space = |byte: &&u8| matches!(**byte, b' ' | b'\t' | b'\r' | b'\n');
    let spaces = plain.peek().iter().take_while(is_space).count();
    plain.consume(spaces);
    spaces
}

/// A qualified name. Beyond ASCII every character passes: none of them means anything to this reader.
fn is_name(name: &[u8]) -> bool {
    let is_name_byte =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | 0x80..);
    let is_part = |part: &[u8]| {
        part.iter().all(is_name_byte)
            && part
                .first()
                .is_some_and(|first| !matches!(first, b'-' | b'.' | b'0'..=b'9'))
    };
    name.split(|byte| *byte == b':').count() <= 2 && name.split(|byte| *byte == b':').all(is_part)
}

/// "the version is 1.0 and the encoding is UTF-8" (RFC 6120 sections 11.6 and 11.8).
fn check_declaration(declaration: &[u8]) -> Result<(), Error> {
    let malformed = || malformed("XML declaration", declaration);
    let text = std::str::from_utf8(declaration).map_err(|_| malformed())?;
    let Ok(Event::Decl(declaration)) = Reader::from_str(text).read_event() else {
        return Err(malformed());
    };
    let encoding = declaration
        .encoding()
        .transpose()
        .map_err(|_| malformed())?;
    let is_utf8 = encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case(b"UTF-8"));
    match declaration.version() {
        Ok(version) if *version == b"1.0"[..] && is_utf8 => Ok(()),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests;
