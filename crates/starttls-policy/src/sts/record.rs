use super::Invalid;
use crate::field;

/// The TXT record that says there is a policy (RFC 8461 section 3.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    id: String,
}

impl Record {
    /// The one MTA-STS record among the TXT records of [`record_name`](super::record_name), the strings of each joined. Those that do not begin with
    /// `v=STSv1;` are somebody else's; `None` if all are.
    ///
    /// # Errors
    /// If there are several, or the one is not well-formed: in both cases the domain has no policy.
    pub fn among<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Self>, Invalid> {
        let mut ours = records
            .into_iter()
            .filter(|text| field::has_version(text, "v=STSv1"));
        match (ours.next(), ours.next()) {
            (None, _) => Ok(None),
            (Some(text), None) => Self::parse(text).map(Some),
            (Some(_), Some(_)) => Err(Invalid::SeveralRecords),
        }
    }

    fn parse(text: &[u8]) -> Result<Self, Invalid> {
        let fields = field::tagged(text, "v=STSv1")?;
        let id = fields
            .into_iter()
            .find(|(name, _)| *name == "id")
            .map(|(_, value)| value)
            .ok_or(Invalid::Missing("id"))?;
        if (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            Ok(Self { id: id.to_owned() })
        } else {
            Err(Invalid::Value("id"))
        }
    }

    /// What changes when the policy does.
    pub fn id(&self) -> &str {
        &self.id
    }
}
