use crate::Limits;

/// A TLS record header: content type, version, length (RFC 8446 section 5.1).
pub(crate) const HEADER: usize = 5;

/// What the front of the received bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// Not enough to tell, or not the whole record yet.
    Incomplete,
    /// A record of so many bytes, header included, is there as a whole.
    Record(usize),
    /// No TLS record begins like this.
    Malformed,
}

/// Looks at the first record of `bytes`; decides nothing about its contents.
pub(crate) fn front(bytes: &[u8]) -> Front {
    // change_cipher_spec, alert, handshake, application_data, heartbeat
    if bytes.first().is_some_and(|kind| !(20..=24).contains(kind)) {
        return Front::Malformed;
    }
    let &[_, _, _, high, low, ..] = bytes else {
        return Front::Incomplete;
    };
    let length = usize::from(u16::from_be_bytes([high, low])).saturating_add(HEADER);
    if length >= Limits::LARGEST_RECORD {
        Front::Malformed
    } else if bytes.len() < length {
        Front::Incomplete
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
        assert_eq!(front(&[22, 3, 1, 0]), Front::Incomplete);
        assert_eq!(front(&[22, 3, 1, 0, 2, 1]), Front::Incomplete);
        assert_eq!(front(&[22, 3, 1, 0, 2, 1, 2, 3]), Front::Record(7));
        assert_eq!(front(&[22, 3, 1, 0x47, 0xff]), Front::Incomplete);
        assert_eq!(front(&[22, 3, 1, 0x48, 0]), Front::Malformed);
    }
}
