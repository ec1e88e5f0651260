//! Where a server name leads to.

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

use crate::dial::Host;

/// `NAME=HOST:PORT`; a name may be `*.example.org`, for one label in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    name: String,
    host: Host,
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, host) = text.split_once('=').ok_or("NAME=HOST:PORT")?;
        Self::new(name, host)
    }
}

impl Entry {
    fn new(name: &str, host: &str) -> Result<Self, String> {
        let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
        if name.is_empty() {
            return Err("the name is missing".to_owned());
        }
        Ok(Self {
            name,
            host: host.trim().parse()?,
        })
    }
}

/// All names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    by_name: HashMap<String, Host>,
    default: Option<Host>,
}

impl Table {
    /// Those of the arguments, and those of a file with `NAME HOST:PORT` in each line, of which the last one counts.
    pub(crate) fn new(
        entries: &[Entry],
        file: Option<&Path>,
        default: Option<&Host>,
    ) -> Result<Self, String> {
        let mut all = entries.to_vec();
        if let Some(file) = file {
            let because = |error: String| format!("{}: {error}", file.display());
            let text = std::fs::read_to_string(file).map_err(|error| because(error.to_string()))?;
            all.extend(parse(&text).map_err(because)?);
        }
        Ok(Self {
            by_name: all
                .into_iter()
                .map(|entry| (entry.name, entry.host))
                .collect(),
            default: default.cloned(),
        })
    }

    pub(crate) fn find(&self, name: Option<&str>) -> Option<&Host> {
        let by_name = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let exact = self.by_name.get(&name);
            exact.or_else(|| self.by_name.get(&format!("*.{}", name.split_once('.')?.1)))
        });
        by_name.or(self.default.as_ref())
    }

    pub(crate) fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.by_name.values().chain(&self.default)
    }
}

fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = index.saturating_add(1);
        let (name, host) = line
            .split_once(char::is_whitespace)
            .ok_or(format!("line {at}: NAME HOST:PORT"))?;
        entries.push(Entry::new(name, host).map_err(|error| format!("line {at}: {error}"))?);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_wildcards_and_the_default() {
        let entries = parse("# mail\na.example 127.0.0.1:1\n*.b.example   [::1]:2\n").unwrap();
        let default: Host = "c.example:3".parse().unwrap();
        let table = Table::new(&entries, None, Some(&default)).unwrap();
        let find = |name| table.find(name).unwrap().to_string();
        assert_eq!(find(Some("A.example")), "127.0.0.1:1");
        assert_eq!(find(Some("x.b.example")), "[::1]:2");
        assert_eq!(find(Some("y.x.b.example")), "c.example:3");
        assert_eq!(find(None), "c.example:3");
        assert!(parse("a.example\n").unwrap_err().contains("line 1"));
        assert!("=a:1".parse::<Entry>().is_err());
    }
}
