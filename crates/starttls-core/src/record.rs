use crate::Limits;

/// A TLS record header: content type, version, length (RFC 8446 section 5.1).
pub(crate) const HEADER: usize = 5;

/// No record that is encrypted is shorter: every cipher suite of rustls has a tag of 16 bytes.
pub(crate) const SHORTEST_ENCRYPTED: usize = HEADER + 16;

/// The content types (RFC 8446 section 5.1, RFC 6520 section 3), as far as they are told apart here.
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const APPLICATION_DATA: u8 = 23;
pub(crate) const HEARTBEAT: u8 = 24;

/// What the front of the received bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// Not enough to tell.
    Incomplete,
    /// A header announces a record of so many bytes, itself included.
    Record(usize),
    /// No TLS record begins like this.
    Malformed,
}

/// Looks at the header of the first record of `bytes`, with rustls' verdict at the byte at which rustls has it.
#[inline]
pub(crate) fn front(bytes: &[u8]) -> Front {
    if let &[kind, 3, _, high, low, ..] = bytes
        && kind == APPLICATION_DATA
    {
        return sized(high, low);
    }
    by_byte(bytes)
}

fn by_byte(bytes: &[u8]) -> Front {
    match *bytes {
        [kind, ..] if !(CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(&kind) => Front::Malformed,
        [_, major, _, ..] if major != 3 => Front::Malformed,
        // Only application data may be empty (RFC 8446 section 5.1).
        [kind, _, _, 0, 0, ..] if kind != APPLICATION_DATA => Front::Malformed,
        [_, _, _, high, low, ..] => sized(high, low),
        _ => Front::Incomplete,
    }
}

fn sized(high: u8, low: u8) -> Front {
    let length = usize::from(u16::from_be_bytes([high, low])).saturating_add(HEADER);
    if length >= Limits::LARGEST_RECORD {
        Front::Malformed
    } else {
        Front::Record(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_verdict_at_the_first_byte_that_decides() {
        assert_eq!(front(b""), Front::Incomplete);
        assert_eq!(front(b"2"), Front::Malformed);
        assert_eq!(front(&[22]), Front::Incomplete);
        assert_eq!(front(&[22, 2]), Front::Incomplete);
        assert_eq!(front(&[22, 2, 0]), Front::Malformed);
        assert_eq!(front(&[22, 3, 1, 0]), Front::Incomplete);
        assert_eq!(front(&[22, 3, 1, 0, 0]), Front::Malformed);
        assert_eq!(front(&[23, 3, 3, 0, 0]), Front::Record(5));
        assert_eq!(front(&[22, 3, 1, 0, 2, 1]), Front::Record(7));
        assert_eq!(front(&[23, 3, 3, 0x47, 0xff]), Front::Record(18_436));
        assert_eq!(front(&[23, 3, 3, 0x48, 0]), Front::Malformed);
    }
}
