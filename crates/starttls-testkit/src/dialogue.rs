/// What is said up to the boundary, turn by turn, as the side under test has it when nobody attacks.
///
/// ```
/// use starttls_testkit::Dialogue;
///
/// let client = Dialogue::new()
///     .hears("220 mail.example.org\r\n")
///     .says("EHLO")
///     .hears("250-mail.example.org\r\n250 STARTTLS\r\n")
///     .says("STARTTLS\r\n")
///     .hears("220 go ahead\r\n");
/// assert_eq!(client.input().len(), 22 + 36 + 14);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialogue {
    pub(crate) turns: Vec<Turn>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Hears(Vec<u8>),
    Says(Vec<u8>),
}

impl Dialogue {
    /// Nothing is said.
    pub fn new() -> Self {
        Self::default()
    }

    /// The peer says this.
    #[must_use]
    pub fn hears(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.turns.push(Turn::Hears(bytes.as_ref().to_vec()));
        self
    }

    /// The side under test says something that begins with this.
    #[must_use]
    pub fn says(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.turns.push(Turn::Says(prefix.as_ref().to_vec()));
        self
    }

    /// Everything that the side under test hears.
    pub fn input(&self) -> Vec<u8> {
        let heard = self.turns.iter().filter_map(|turn| match turn {
            Turn::Hears(bytes) => Some(&bytes[..]),
            Turn::Says(_) => None,
        });
        heard.collect::<Vec<_>>().concat()
    }

    /// The last thing it hears: the go-ahead of a server, the request of a client.
    pub(crate) fn last_heard(&self) -> &[u8] {
        let mut heard = self.turns.iter().rev().filter_map(|turn| match turn {
            Turn::Hears(bytes) => Some(&bytes[..]),
            Turn::Says(_) => None,
        });
        heard.next().unwrap_or_default()
    }
}
