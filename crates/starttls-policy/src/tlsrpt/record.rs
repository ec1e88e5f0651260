use crate::field;
use crate::sts::Invalid;

/// The TXT record of `_smtp._tls.` and the domain (RFC 8460 section 3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    destinations: Vec<Destination>,
}

/// Where a report is to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Destination {
    /// By mail, to this address as it stands in the URI, percent-encoded.
    Mailto(String),
    /// By `POST`, to this URI.
    Https(String),
}

impl Record {
    /// The one TLS-RPT record among the TXT records, the strings of each joined. Those that do not begin with `v=TLSRPTv1;` are somebody else's;
    /// `None` if all are.
    ///
    /// # Errors
    /// If there are several, or the one is not well-formed, or names no place that a report can be sent to: in all cases there is none to send.
    pub fn among<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Self>, Invalid> {
        let mut ours = records
            .into_iter()
            .filter(|text| field::has_version(text, "v=TLSRPTv1"));
        match (ours.next(), ours.next()) {
            (None, _) => Ok(None),
            (Some(text), None) => Self::parse(text).map(Some),
            (Some(_), Some(_)) => Err(Invalid::SeveralRecords),
        }
    }

    fn parse(text: &[u8]) -> Result<Self, Invalid> {
        let rua = field::tagged(text, "v=TLSRPTv1")?
            .into_iter()
            .find(|(name, _)| *name == "rua")
            .map(|(_, value)| value)
            .ok_or(Invalid::Missing("rua"))?;
        let destinations: Vec<_> = rua.split(',').filter_map(destination).collect();
        if destinations.is_empty() {
            return Err(Invalid::Value("rua"));
        }
        Ok(Self { destinations })
    }

    /// Where reports are to go: to each of them, or to one of them (section 3). Those of schemes that are not known are left out.
    pub fn destinations(&self) -> &[Destination] {
        &self.destinations
    }
}

fn destination(uri: &str) -> Option<Destination> {
    let uri = uri.trim_matches([' ', '\t']);
    let (scheme, rest) = uri.split_once(':')?;
    match scheme.to_ascii_lowercase().as_str() {
        "mailto" if rest.contains('@') => Some(Destination::Mailto(rest.to_owned())),
        "https" if rest.len() > 2 && rest.starts_with("//") => {
            Some(Destination::Https(uri.to_owned()))
        }
        _ => None,
    }
}
