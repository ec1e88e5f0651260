//! Which ports to look at.

use std::collections::BTreeSet;

use starttls_protocols::registry::Protocol;

use crate::dial::Name;

/// All that protocols here have for themselves, with and without TLS from the first byte, and a few that are common besides.
pub(crate) fn usual() -> BTreeSet<u16> {
    let facts = Name::ends().map(Protocol::facts);
    facts
        .flat_map(|facts| [facts.port, facts.implicit_tls_port])
        .flatten()
        .chain([587, 631, 2525, 8443])
        .collect()
}

/// `25,143,8000-8010`
pub(crate) fn parse(text: &str) -> Result<BTreeSet<u16>, String> {
    let mut ports = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| match text.trim().parse::<u16>() {
            Ok(0) | Err(_) => Err(format!("{text:?} is no port")),
            Ok(port) => Ok(port),
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("{part} is no range"));
        }
        ports.extend(first..=last);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges() {
        assert_eq!(
            parse("143,25,100-102").unwrap(),
            BTreeSet::from([25, 100, 101, 102, 143])
        );
        for wrong in ["", "0", "1-", "9-8", "70000", "a"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(usual().is_superset(&BTreeSet::from([25, 993, 5432, 587])));
    }
}
