/// An element of a stream with its names resolved, and what is in it.
///
/// ```
/// use starttls_core::Plain;
/// use starttls_protocols::xmpp::{Said, StreamReader};
///
/// let mut plain = Plain::with_prefix(
///     b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' to='example.org'>",
/// );
/// let said = StreamReader::new().next(&mut plain)?.map(|said| said.into_inner());
/// let Some(Said::Header(header)) = said else { unreachable!() };
/// assert!(header.is("http://etherx.jabber.org/streams", "stream"));
/// assert_eq!(header.attribute("to"), Some("example.org"));
/// # Ok::<(), starttls_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
    children: Vec<Self>,
    text: String,
}

impl Element {
    pub(super) fn new(namespace: String, name: String, attributes: Vec<(String, String)>) -> Self {
        Self {
            namespace,
            name,
            attributes,
            children: Vec::new(),
            text: String::new(),
        }
    }

    /// It has this name in this namespace.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// The namespace, empty if it has none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name, without a prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of an attribute without a prefix, or of `xml:lang`. The default namespace is that of `xmlns`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let (_, value) = self.attributes.iter().find(|(key, _)| key == name)?;
        Some(value)
    }

    /// The elements in it, in order.
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// The first element in it with this name.
    pub fn child(&self, namespace: &str, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(namespace, name))
    }

    /// The text in it, without that of the elements in it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty() && self.text.is_empty()
    }

    pub(crate) fn push(&mut self, child: Self) {
        self.children.push(child);
    }

    pub(crate) fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Everything that it keeps, in bytes.
    pub(crate) fn size(&self) -> usize {
        let attributes = self.attributes.iter();
        attributes
            .map(|(name, value)| name.len().saturating_add(value.len()))
            .fold(
                self.namespace.len().saturating_add(self.name.len()),
                usize::saturating_add,
            )
    }

    /// The text of everything in it.
    pub(crate) fn all_text(&self) -> String {
        let mut text = self.text.clone();
        for child in &self.children {
            text.push_str(&child.all_text());
        }
        text
    }
}
